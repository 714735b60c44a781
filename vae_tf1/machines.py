"""The machines of a cluster: which there are, which of them answer, and how long the others are waited for."""

import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1 import interrupts
from vae_tf1._startup import stderr_held_back
from vae_tf1.sessions import session_config

LOOK_EVERY = 2.0  # seconds after which a process looks around, when nothing has happened
POLL_EVERY = 0.1  # seconds
_LONG = 30  # seconds that a step of healthy machines may take before an interrupt breaks it off
Member = tuple[str, int]  # job and task


class Cluster(NamedTuple):
    """The addresses of a cluster, and which of them is this process."""

    addresses: tuple[tuple[str, tuple[str, ...]], ...]  # of each job, in the order of tasks
    job: str
    task: int

    @classmethod
    def from_environment(cls) -> "Cluster":
        """What the environment variable TF_CONFIG says, as for TensorFlow's own tools.

        Raises:
            ValueError: it is missing or wrong; the message says what is.
        """
        if not os.environ.get("TF_CONFIG"):
            raise ValueError(
                "TF_CONFIG is not set; set it to the addresses of the cluster and the role of this machine: "
                '{"cluster": {"ps": ["host:port"], "chief": ["host:port"], "worker": ["host:port"]}, '
                '"task": {"type": "worker", "index": 0}}.'
            )
        try:
            resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
            addresses = {job: tuple(hosts) for job, hosts in resolver.cluster_spec().as_dict().items()}
            job, task = resolver.task_type, resolver.task_id
        except Exception as error:  # of JSON, or whatever TensorFlow meets when the parts are of other types
            raise ValueError(f"TF_CONFIG can't be read ({type(error).__name__}: {error}); correct it.") from error
        cls._check(addresses, job, task)
        return cls(tuple(sorted(addresses.items())), job, task)

    @staticmethod
    def _check(addresses: dict[str, tuple[str, ...]], job, task) -> None:
        if unknown := addresses.keys() - {"ps", "chief", "worker"}:
            raise ValueError(f'TF_CONFIG has the job "{min(unknown)}"; the jobs are ps, chief and worker.')
        if len(addresses.get("chief", ())) != 1 or not addresses.get("ps"):
            raise ValueError("TF_CONFIG must name exactly one chief and at least one ps; add what is missing.")
        if job not in addresses:
            raise ValueError(f'TF_CONFIG says that the task of this machine is of type "{job}", which has no address.')
        if not isinstance(task, int) or not 0 <= task < len(addresses[job]):
            raise ValueError(
                f"TF_CONFIG says that this machine is {job} {task}, but has {len(addresses[job])} of them, "
                "counted from 0."
            )
        everyone = [address for hosts in addresses.values() for address in hosts]
        for address in everyone:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f'TF_CONFIG has the address "{address}"; write it as host:port.')
            if everyone.count(address) > 1:
                raise ValueError(f"TF_CONFIG has the address {address} twice; give each process one of its own.")

    @property
    def spec(self) -> tf.train.ClusterSpec:
        return tf.train.ClusterSpec({job: list(hosts) for job, hosts in self.addresses})

    @property
    def servers(self) -> list[Member]:
        """The parameter servers."""
        return [("ps", task) for task in range(len(dict(self.addresses)["ps"]))]

    @property
    def workers(self) -> list[Member]:
        """Those that compute gradients besides the chief."""
        return [("worker", task) for task in range(len(dict(self.addresses).get("worker", ())))]

    @property
    def trainers(self) -> list[Member]:
        return [("chief", 0), *self.workers]

    @property
    def me(self) -> Member:
        return self.job, self.task

    def address(self, member: Member) -> str:
        job, task = member
        return dict(self.addresses)[job][task]

    def named(self, *members: Member) -> str:
        """Such as "worker 0 (10.0.0.2:2222) and worker 1 (10.0.0.3:2222)"."""
        return " and ".join(f"{job} {task} ({self.address((job, task))})" for job, task in members)

    def silent(self, members: list[Member] | None = None) -> list[Member]:
        """Those, of all, at whose address nobody answers."""
        return [member for member in members or [*self.servers, *self.trainers] if not self._answers(member)]

    def _answers(self, member: Member) -> bool:
        host, _, port = self.address(member).rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError:
            return False
        return True

    def session(self, server: tf.train.Server, graph: tf.Graph, timeout: int = 0) -> tf.Session:
        """A session that needs nobody but the parameter servers (of which one needs only itself)."""
        own = f"/job:{self.job}/task:{self.task}"
        filters = [own] if self.job == "ps" else ["/job:ps", own]
        return tf.Session(server.target, graph, tf.ConfigProto(device_filters=filters, operation_timeout_in_ms=timeout))


# TensorFlow can't stop a server, so a process that trains again uses the one that it has.
_servers: dict[Cluster, tf.train.Server] = {}


def started(cluster: Cluster, batch_size: int) -> tf.train.Server:
    """The server of this process, with threads for batches of that size.

    Raises:
        OSError: its port can't be listened at.
    """
    if cluster in _servers:
        return _servers[cluster]
    port = cluster.address(cluster.me).rpartition(":")[2]
    try:
        with socket.socket() as probe:  # TensorFlow's message would not say which port, nor what is wrong
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", int(port)))  # as TensorFlow does: at all addresses of the machine
    except OSError as error:
        raise OSError(
            f"{cluster.named(cluster.me)} can't listen at its port ({error.strerror or error}); end what is there, "
            "or name another in TF_CONFIG."
        ) from error
    with stderr_held_back():
        config = session_config(batch_size=batch_size)
        _servers[cluster] = tf.train.Server(cluster.spec, cluster.job, cluster.task, config=config)
    return _servers[cluster]


class Waiting:
    """A wait for something that another machine has to do, which tells whom it waits for, and ends some time.

    Args:
        cluster: its machines.
        patience: seconds.
    """

    def __init__(self, cluster: Cluster, patience: float):
        self._cluster, self._patience = cluster, patience
        self._begun = time.monotonic()
        self._said: list[Member] = []

    def look(self, awaited: Callable[[], list[Member]]) -> None:
        """To be called again and again.

        Args:
            awaited: those that are waited for; not asked for in the first seconds.

        Raises:
            KeyboardInterrupt: `interrupts` has noted one, and those who are waited for do not answer, or take long.
            TimeoutError: it has taken longer than `patience`.
        """
        waited = time.monotonic() - self._begun
        if waited < LOOK_EVERY:
            return
        members = awaited()
        if members or waited > _LONG:  # else what is waited for is under way
            interrupts.raise_noted()
        if waited > self._patience:
            me = self._cluster.named(self._cluster.me)
            if not members:
                raise TimeoutError(
                    f"{me} has waited {self._patience:.0f} s for the others, though all of them answer; look at "
                    "what the others say, and start them again, or pass a greater patience."
                )
            raise TimeoutError(
                f"{me} has waited {self._patience:.0f} s for {self._cluster.named(*members)}; start what is missing, "
                "or correct TF_CONFIG, and start this one again."
            )
        if members != self._said:
            self._said = members
            if members:
                tqdm.write(f"Waiting for {self._cluster.named(*members)}.")


def wait_for_servers(cluster: Cluster, patience: float) -> None:
    """Returns when all parameter servers answer."""
    waiting = Waiting(cluster, patience)
    while silent := cluster.silent(cluster.servers):
        waiting.look(lambda: silent)
        time.sleep(POLL_EVERY)
