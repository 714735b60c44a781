"""The machines of a cluster: which there are, which of them answer, and the server of this one."""

import contextlib
import hashlib
import json
import os
import socket
from concurrent import futures
from typing import NamedTuple

import grpc
import tensorflow.compat.v1 as tf

from vae_tf1._startup import stderr_held_back
from vae_tf1.graph.sessions import session_config

ANSWER_WITHIN = 10.0  # seconds; a machine that computes is slow to answer
_NO_PROXY = "no_grpc_proxy"  # of gRPC, which knows no other spelling
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
        if job is None or task is None:
            raise ValueError(
                'TF_CONFIG does not say which of them this machine is; add "task": {"type": "worker", "index": 0}, '
                "with its own type and index."
            )
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
        return tf.train.ClusterSpec({self.job_name(job): list(hosts) for job, hosts in self.addresses})

    def job_name(self, job: str) -> str:
        """TensorFlow's name for a job, another in each cluster: TensorFlow would mistake the machines of one for those
        of another, and disturb both."""
        return f"{job}_{hashlib.sha256(json.dumps(self.addresses).encode()).hexdigest()[:8]}"

    def device(self, member: Member) -> str:
        job, task = member
        return f"/job:{self.job_name(job)}/task:{task}"

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

    @property
    def needed(self) -> list[Member]:
        """The parameter servers that this process can't do without; each of them only itself."""
        return [self.me] if self.job == "ps" else self.servers

    def silent(self, members: list[Member] | None = None) -> list[Member]:
        """Those, of all, that do not answer: nothing does at their address, or something else."""
        members = [*self.servers, *self.trainers] if members is None else members
        devices = self.identities(members)
        return [member for member, found in zip(members, devices) if not self._names_itself(member, found)]

    def identities(self, members: list[Member]) -> list[bytes]:
        """What TensorFlow's servers there say of themselves: the names of their devices, and numbers that each process
        draws at its start; b"" where there is none."""
        with futures.ThreadPoolExecutor(max(1, len(members))) as pool:
            return list(pool.map(self._devices_at, members))

    def _names_itself(self, member: Member, devices: bytes) -> bool:
        job, task = member
        return f"/job:{self.job_name(job)}/replica:0/task:{task}/".encode() in devices

    def strangers(self, members: list[Member]) -> list[Member]:
        """Those at whose address a server of TensorFlow answers, but one of another cluster."""
        devices = self.identities(members)
        return [
            member
            for member, found in zip(members, devices)
            if b"/job:" in found and not self._names_itself(member, found)
        ]

    def _devices_at(self, member: Member) -> bytes:
        try:
            return self._call(member, "GetStatus", b"")
        except grpc.RpcError:
            return b""

    def forget(self, container: str) -> None:
        """Has the parameter servers free what they hold in a resource container; those that answer."""
        # CleanupAllRequest, which TensorFlow's wheels do not have, looks the same when it is encoded.
        request = tf.train.BytesList(value=[container.encode()]).SerializeToString()
        for server in self.servers:
            with contextlib.suppress(grpc.RpcError):
                self._call(server, "CleanupAll", request)

    def _call(self, member: Member, method: str, request: bytes) -> bytes:
        """Asks the service that every TensorFlow server has for the others of its cluster."""
        with grpc.insecure_channel(self.address(member)) as channel:
            return channel.unary_unary(f"/tensorflow.WorkerService/{method}")(request, timeout=ANSWER_WITHIN)


# TensorFlow can't stop a server, so a process that trains again uses the one that it has.
_servers: dict[Cluster, tf.train.Server] = {}


def server_of(cluster: Cluster, batch_size: int) -> tf.train.Server:
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
    _without_proxy(cluster)
    with stderr_held_back():
        config = session_config(batch_size=batch_size)
        _servers[cluster] = tf.train.Server(cluster.spec, cluster.job_name(cluster.job), cluster.task, config=config)
    return _servers[cluster]


def _without_proxy(cluster: Cluster) -> None:
    """Has gRPC connect to the machines themselves, though HTTP may go by a proxy here (http_proxy)."""
    hosts = {address.rpartition(":")[0].strip("[]") for _, addresses in cluster.addresses for address in addresses}
    before = os.environ.get(_NO_PROXY, os.environ.get("no_proxy", ""))
    os.environ[_NO_PROXY] = ",".join(filter(None, [before, *sorted(hosts)]))
