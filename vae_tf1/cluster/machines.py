"""The processes of a cluster: their addresses, their messages, and how all of them exit when one is lost."""

import contextlib
import functools
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

import grpc
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.graph.sessions import session_config

LOST = os.EX_TEMPFAIL  # exit status of a process that has lost another
_RESPONSE_TIMEOUT_S, _PROBE_INTERVAL_S = 10.0, 1.0
_MAX_MISSES = 3  # a dead process misses this many probes in a few seconds, an unresponsive one in half a minute
_SETTLE_S = 2.0  # by then, processes that trained with the predecessor of a restarted process have exited
_LINGER_S = 3.0  # parameter servers exit after the others, which still read from them
_ADDRESS = re.compile(r".+:\d{1,5}").fullmatch
_NO_PROXY = "no_grpc_proxy"  # gRPC reads it in lower case only
Member = tuple[str, int]  # job and task
CHIEF: Member = ("chief", 0)
Message = dict[str, Any]  # what JSON can hold; the last one has "end", with a reason if something has failed
Meeting = tuple["Mail", list[Message]]
Roster = dict[Member, bytes]  # the status of each server: its devices, and a number that it drew when it started


class Cluster:
    """The cluster that the environment variable TF_CONFIG describes; raises ValueError if it is missing or wrong."""

    def __init__(self) -> None:
        try:
            resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
            hosts = {job: list(map(str, addresses)) for job, addresses in resolver.cluster_spec().as_dict().items()}
            self.me: Member = (resolver.task_type, resolver.task_id)
        except Exception as error:  # from JSON, or whatever TensorFlow raises for values of other types
            raise ValueError(f"TF_CONFIG can't be read ({type(error).__name__}: {error}); correct it.") from error
        self.addresses = {(job, task): host for job in hosts for task, host in enumerate(hosts[job])}
        jobs, addresses = [job for job, _ in self.addresses], list(self.addresses.values())
        mistakes = [f'has the job "{job}", not ps, chief or worker' for job in {*jobs} - {"ps", "chief", "worker"}]
        if jobs.count("chief") != 1 or "ps" not in jobs:
            mistakes.append("is not set, or does not name exactly one chief and at least one ps")
        if self.me not in list(self.addresses):
            mistakes.append("says that this machine is {} {}, which has no address".format(*self.me))
        mistakes += [f'has the address "{each}", which is not host:port' for each in addresses if not _ADDRESS(each)]
        mistakes += [f"has the address {each} twice" for each in addresses if addresses.count(each) > 1]
        if mistakes:
            raise ValueError(f"TF_CONFIG {mistakes[0]}; correct it as in README.md.")
        self.trainers = sorted(member for member in self.addresses if member[0] != "ps")  # the chief first
        # TensorFlow's names of the jobs, which differ between clusters, so that it can't mix up their machines.
        digest = hashlib.sha256(json.dumps(hosts, sort_keys=True).encode()).hexdigest()[:8]
        self.jobs = {job: f"{job}_{digest}" for job in hosts}
        self.spec = tf.train.ClusterSpec({self.jobs[job]: addresses for job, addresses in hosts.items()})

    def name(self, *members: Member) -> str:
        """Such as "worker 0 (10.0.0.2:2222) and worker 1 (10.0.0.3:2222)"."""
        return " and ".join(f"{job} {task} ({self.addresses[job, task]})" for job, task in members)

    def device(self, member: Member) -> str:
        return f"/job:{self.jobs[member[0]]}/replica:0/task:{member[1]}"

    def start_server(self, batch_size: int) -> tf.train.Server:
        """Starts the server of this process, with threads for `batch_size`; raises OSError if its port is in use."""
        try:
            with socket.socket() as probe:  # TensorFlow's own message names neither the port nor the reason
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("", int(self.addresses[self.me].rpartition(":")[2])))  # all interfaces, as TensorFlow
        except (OSError, OverflowError) as error:
            raise OSError(f"{self.name(self.me)} can't listen on its port ({error}); choose another.") from error
        hosts = {address.rpartition(":")[0].strip("[]") for address in self.addresses.values()}
        exempt = os.environ.get(_NO_PROXY, os.environ.get("no_proxy", ""))
        os.environ[_NO_PROXY] = ",".join(filter(None, [exempt, *sorted(hosts)]))  # no HTTP proxy for these
        job, task = self.me
        return tf.train.Server(self.spec, self.jobs[job], task, config=session_config(batch_size=batch_size))

    def probe(self) -> Roster:
        """Asks every server for its status; it is b"" for those that do not respond."""

        def get_status(address: str) -> bytes:
            with grpc.insecure_channel(address) as channel, contextlib.suppress(grpc.RpcError):
                return channel.unary_unary("/tensorflow.WorkerService/GetStatus")(b"", timeout=_RESPONSE_TIMEOUT_S)
            return b""

        with futures.ThreadPoolExecutor(len(self.addresses)) as pool:
            return dict(zip(self.addresses, pool.map(get_status, self.addresses.values())))

    def wait_for_all(self, patience: float) -> Roster:
        """Waits until all respond and none restarts for a while; raises TimeoutError after `patience` seconds."""
        end, before = time.monotonic() + patience, dict.fromkeys(self.addresses, b"")
        while (roster := self.probe()) != before or b"" in before.values():
            if foreign := [each for each, said in roster.items() if said and self.device(each).encode() not in said]:
                raise ValueError(f"{self.name(*foreign)} serves another cluster, or has another TF_CONFIG; correct it.")
            missing = [each for each, said in roster.items() if not said]
            if time.monotonic() > end:
                waited = f"{self.name(self.me)} has waited {patience:.0f} s for {self.name(*missing or roster)}"
                raise TimeoutError(f"{waited}; start what is missing, or correct TF_CONFIG, and restart all processes.")
            if missing and roster != before:
                tqdm.write(f"Waiting for {self.name(*missing)}.")
            before = roster
            time.sleep(_PROBE_INTERVAL_S if missing else _SETTLE_S)
        return roster


class Mail:
    """Messages between the processes of a roster, in a queue for each on the first parameter server."""

    def __init__(self, cluster: Cluster, server: tf.train.Server, roster: Roster):
        self._me, self.over = cluster.me, threading.Event()
        needed = [cluster.device(member) for member in roster if member[0] == "ps" or member == cluster.me]
        # Sessions use only the parameter servers and this machine, and a container that no other roster has used.
        self.open_session = functools.partial(tf.Session, server.target, config=tf.ConfigProto(device_filters=needed))
        self.container = hashlib.sha256(b"".join(roster[member] for member in sorted(roster))).hexdigest()[:16]
        with tf.Graph().as_default() as graph, graph.container(self.container), tf.device(cluster.device(("ps", 0))):
            self._text = tf.placeholder(tf.string, [])
            queues = {m: tf.FIFOQueue(-1, [tf.string], [[]], shared_name="mail_of_{}_{}".format(*m)) for m in roster}
            self._enqueue = {member: queue.enqueue(self._text) for member, queue in queues.items()}
            self._dequeue = queues[cluster.me].dequeue()
        self.sess = self.open_session(graph=graph)

    def receive(self) -> Message:
        """Waits for the next message; exits if it says that the chief has failed."""
        message = json.loads(self.sess.run(self._dequeue))
        if "end" in message:
            self.over.set()
            if self._me[0] == "ps":
                time.sleep(_LINGER_S)
            if message["end"]:
                _exit(message["end"], 1)
        return message

    def send(self, members: Iterable[Member], message: Message) -> None:
        self.sess.run([self._enqueue[member] for member in members], {self._text: json.dumps(message)})


@contextlib.contextmanager
def joined(cluster: Cluster, batch_size: int, greeting: Message, patience: float) -> Iterator[Meeting]:
    """Joins the cluster: yields the mail of this process, and the greetings that it got (the chief: those of all).

    Inside, this process exits if it loses another one, or fails. Only the chief raises errors, and tells the others.
    """
    server, name, is_chief = cluster.start_server(batch_size), cluster.name(cluster.me), cluster.me == CHIEF
    roster, begun = cluster.wait_for_all(patience), threading.Event()
    mail, others = Mail(cluster, server, roster), [member for member in roster if member != cluster.me]
    threading.Thread(target=_watch, args=[cluster, roster, patience, begun, mail.over], daemon=True).start()
    try:
        mail.send([CHIEF], {"from": name, **greeting})
        greetings = [mail.receive() for _ in (roster if is_chief else [CHIEF])]
        begun.set()
        if is_chief:
            mail.send(others, {})
        yield mail, greetings
        if is_chief:
            mail.send(others, {"end": ""})
    except BaseException as error:
        reason = ""
        if not is_chief or not isinstance(error, KeyboardInterrupt | GeneratorExit):
            # TensorFlow may notice a lost process before the watching thread does, and report it in other words.
            _exit_if_lost(cluster, [member for member, status in cluster.probe().items() if status != roster[member]])
            reason = f"{name} has failed: {str(error) or type(error).__name__}"
        if not is_chief:
            _exit(reason, 1)
        mail.send(others, {"end": reason})
        raise
    finally:
        mail.over.set()
        mail.sess.close()


def _watch(cluster: Cluster, roster: Roster, patience: float, begun: threading.Event, over: threading.Event) -> None:
    # In its own thread, because TensorFlow's calls may block forever when a machine does not respond.
    misses, end = dict.fromkeys(roster, 0), time.monotonic() + patience
    while not over.wait(_PROBE_INTERVAL_S):
        for member, status in cluster.probe().items():
            misses[member] = 0 if status == roster[member] else _MAX_MISSES if status else misses[member] + 1
        if not over.is_set():
            _exit_if_lost(cluster, [member for member, count in misses.items() if count >= _MAX_MISSES])
        if not begun.is_set() and time.monotonic() > end:
            _exit(f"{cluster.name(cluster.me)} has waited {patience:.0f} s for others to begin; restart all.", LOST)


def _exit_if_lost(cluster: Cluster, lost: list[Member]) -> None:
    if lost:
        _exit(f"{cluster.name(cluster.me)} has lost {cluster.name(*lost)}; restart all processes to resume.", LOST)


def _exit(sentence: str, status: int) -> None:
    try:
        tqdm.write(sentence, file=sys.stderr)
        sys.stdout.flush()
    finally:
        os._exit(status)
