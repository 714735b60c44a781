"""How a process waits for other machines: it says for whom, notices who is lost, and gives up in the end."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1 import interrupts
from vae_tf1._startup import stderr_held_back
from vae_tf1.machines import Cluster, Member

LOOK_EVERY = 2.0  # seconds after which a process looks around, when nothing has happened
POLL_EVERY = 0.1  # seconds
_LONG = 30  # seconds that a call to healthy machines may take before an interrupt breaks it off
_CLOSE_WITHIN = 2.0  # seconds; otherwise it takes some milliseconds


class ServerLost(Exception):  # noqa: N818 (it is waited for)
    """A parameter server does not answer, or has lost what it held."""


# What a session says of a parameter server that has gone, or has come back without what it held.
LOST = (
    ServerLost,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.UnavailableError,
)


def is_lost(error: BaseException) -> bool:
    """Whether a parameter server is what is wrong, in an error or in what it was made of."""
    return isinstance(error, LOST) or isinstance(error.__cause__, LOST)


class Waiting:
    """All the waiting of this process: for whom, and for how long there has been no progress.

    Args:
        cluster: its machines.
        patience: seconds without progress after which it gives up.
    """

    def __init__(self, cluster: Cluster, patience: float):
        self._cluster, self._patience = cluster, patience
        self.progress()

    def progress(self) -> None:
        """What was waited for has come."""
        self._since = self._looked = time.monotonic()
        self._awaited: list[Member] = []

    def look(self, awaited: Callable[[], list[Member]]) -> None:
        """To be called again and again.

        Args:
            awaited: those that are waited for; asked for every `LOOK_EVERY` seconds.

        Raises:
            KeyboardInterrupt: `interrupts` has noted one, and those who are waited for do not answer, or take long.
            TimeoutError: there has been no progress for longer than `patience`.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        members = awaited()
        if set(self._awaited) - set(members):  # one has come back
            self.progress()
        said, self._awaited = self._awaited, members
        waited = now - self._since
        if members or waited > _LONG:  # else what is waited for is under way
            interrupts.raise_noted()
        if waited > self._patience:
            raise TimeoutError(self._in_vain(members))
        if members and members != said:
            tqdm.write(f"Waiting for {self._cluster.named(*members)}.")

    def _in_vain(self, members: list[Member]) -> str:
        me = self._cluster.named(self._cluster.me)
        if not members:
            return (
                f"{me} has waited {self._patience:.0f} s for the others, though all of them answer; look at what they "
                "say, and start all again, or pass a greater patience."
            )
        return (
            f"{me} has waited {self._patience:.0f} s for {self._cluster.named(*members)}; start what is missing, "
            "or correct TF_CONFIG, and start this one again."
        )


def wait_for_servers(cluster: Cluster, waiting: Waiting) -> None:
    """Returns when all parameter servers answer.

    Raises:
        ValueError: one of them is of another cluster.
        TimeoutError: as `Waiting.look`.
    """
    while silent := cluster.silent(cluster.servers):
        cluster.check_servers(silent)
        waiting.look(cluster.silent)
        time.sleep(POLL_EVERY)


class WatchedSession(tf.Session):
    """A session that needs nobody but the parameter servers, and whose calls end when one of them is lost.

    TensorFlow's own calls to a machine that does not answer may never end, whatever limit its configuration sets. Here
    each is made in a thread, while the caller's thread looks around; one that does not end is left behind.

    Args:
        cluster, server: of this process.
        graph: what it runs.
        waiting: of this process.
    """

    _left = False

    def __init__(self, cluster: Cluster, server: tf.train.Server, graph: tf.Graph, waiting: Waiting):
        filters = {cluster.device(member).removesuffix("/cpu:0") for member in (*cluster.needed, cluster.me)}
        super().__init__(server.target, graph, tf.ConfigProto(device_filters=sorted(filters)))
        self._cluster, self._waiting = cluster, waiting
        self._look: Callable[[], Any] = self._look_around

    def run(self, *args, **kwargs):
        """`tf.Session.run`.

        Raises:
            ServerLost: a parameter server does not answer.
            KeyboardInterrupt, TimeoutError: as `Waiting.look`.
        """
        future = _in_thread(functools.partial(super().run, *args, **kwargs))
        while not futures.wait([future], LOOK_EVERY).done:
            self._look()
        return future.result()

    @contextlib.contextmanager
    def looking(self, also: Callable[[], Any]) -> Iterator[None]:
        """Inside, `also` is called whenever the session looks around; what it raises ends the call."""
        self._look = functools.partial(self._look_around, also)
        try:
            yield
        finally:
            self._look = self._look_around

    def _look_around(self, also: Callable[[], Any] = lambda: None) -> None:
        silent = self._cluster.silent()
        if lost := [member for member in silent if member in self._cluster.needed]:
            raise ServerLost(f"{self._cluster.named(*lost)} does not answer")
        also()
        self._waiting.look(lambda: silent)

    def close(self) -> None:
        """`tf.Session.close`, but does not wait for long."""
        if not self._left:
            self._left = True
            with stderr_held_back():  # TensorFlow complains there of a parameter server that has gone
                futures.wait([_in_thread(super().close)], _CLOSE_WITHIN)


def _in_thread(call: Callable[[], Any]) -> futures.Future:
    """The result of a call that does not keep the process from ending, unlike those of an executor."""
    future: futures.Future = futures.Future()

    def work():
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
