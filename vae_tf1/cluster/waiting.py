"""How a process waits for other machines: it says for which, notices when one is lost, and gives up in the end."""

import contextlib
import functools
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1._startup import stderr_held_back
from vae_tf1.cluster.machines import Cluster, Member
from vae_tf1.training import interrupts

LOOK_EVERY = 2.0  # seconds after which a process looks around, when nothing has happened
POLL_EVERY = 0.1  # seconds
_LONG = 30  # seconds that a call to healthy machines may take before an interrupt breaks it off
_CLOSE_WITHIN = 2.0  # seconds; otherwise it takes some milliseconds


class StateLost(Exception):  # noqa: N818 (nothing is wrong for long)
    """What the parameter servers held is lost, or of no certain iteration: training goes on from a checkpoint."""


# What a session says when it can't reach a parameter server, and when one has come back without what it held.
_UNREACHABLE = (tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.UnavailableError)
_EMPTY = (tf.errors.FailedPreconditionError, tf.errors.NotFoundError)


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
        job, task = self._cluster.me
        me = self._cluster.named((job, task))
        if not members:
            return (
                f"{me} has waited {self._patience:.0f} s for the others, though all of them answer; look at what they "
                "say, and start all again, or pass a greater patience."
            )
        others = self._cluster.strangers(members)
        said = f" ({self._cluster.named(*others)} has another TF_CONFIG)" if others else ""
        return (
            f"{me} has waited {self._patience:.0f} s for {self._cluster.named(*members)}{said}; start what is missing, "
            f"or correct TF_CONFIG, and start {job} {task} again."
        )


def wait_for_servers(cluster: Cluster, waiting: Waiting) -> None:
    """Returns when all parameter servers answer.

    Raises:
        ValueError: one of them is of another cluster.
        TimeoutError: as `Waiting.look`.
    """
    while silent := cluster.silent(cluster.servers):
        if others := cluster.strangers(silent):
            raise ValueError(
                f"{cluster.named(*others)} serves another cluster, or has another TF_CONFIG; give each cluster "
                "parameter servers of its own, and all its machines the same addresses."
            )
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
        filters = {cluster.device(member) for member in (*cluster.needed, cluster.me)}
        super().__init__(server.target, graph, tf.ConfigProto(device_filters=sorted(filters)))
        self._cluster, self._waiting = cluster, waiting
        self._servers = cluster.identities(cluster.needed)
        self._look: Callable[[], Any] = self._look_around

    def run(self, *args, **kwargs):
        """`tf.Session.run`.

        Raises:
            StateLost: a parameter server does not answer, or not with what it held.
            KeyboardInterrupt, TimeoutError: as `Waiting.look`.
        """
        future = _in_thread(functools.partial(super().run, *args, **kwargs))
        while not futures.wait([future], LOOK_EVERY).done:
            self._look()
        try:
            return future.result()
        except _UNREACHABLE as error:
            raise StateLost(f"A parameter server was lost ({short_message(error)})") from error
        except _EMPTY as error:
            self._look()
            if self._cluster.identities(self._cluster.needed) != self._servers:
                raise StateLost("A parameter server was started anew") from error
            raise

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
            raise StateLost(f"{self._cluster.named(*lost)} does not answer")
        also()
        self._waiting.look(lambda: silent)

    def close(self) -> None:
        """`tf.Session.close`, but does not wait for long."""
        if not self._left:
            self._left = True
            with stderr_held_back():  # TensorFlow complains there of a parameter server that has gone
                futures.wait([_in_thread(super().close)], _CLOSE_WITHIN)


def short_message(error: tf.errors.OpError) -> str:
    """The sentence in what a session says; it adds where in the graph, and on which machine."""
    if isinstance(error.__context__, tf.errors.OpError):
        error = error.__context__
    lines = [line for line in error.message.splitlines() if re.search("[a-z]", line) and "From /job:" not in line]
    return lines[0] if lines else type(error).__name__


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
