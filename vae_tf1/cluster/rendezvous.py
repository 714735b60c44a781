"""What the machines of a cluster tell one another between iterations.

The chief gathers the workers before it trains with them, and again whenever one of them, or a parameter server, comes
back; what it trains in between is a generation. Each worker asks to join with a request, which says who it is and what
it would train; the chief answers in its status, with the tokens of the requests that it has taken, and with the state
to start from. Requests, status and state are on the parameter servers.
"""

import contextlib
import io
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.cluster.machines import ANSWER_WITHIN, Cluster, Member
from vae_tf1.cluster.waiting import LOOK_EVERY, POLL_EVERY, StateLost, Waiting, WatchedSession
from vae_tf1.graph import fingerprint
from vae_tf1.training.loop import Paused

_FAREWELL = 10.0  # seconds that the chief waits for workers to say that they have finished


class Rendezvous:
    """Where the chief, the workers and the parameter servers meet; a context manager.

    Args:
        cluster, server, waiting: of this process.
    """

    def __init__(self, cluster: Cluster, server: tf.train.Server, waiting: Waiting):
        self._cluster, self._waiting = cluster, waiting
        with tf.Graph().as_default() as graph:
            self._new = tf.placeholder(tf.string, [])
            # A parameter server reads what it holds itself, so that it needs no other.
            self._status = [_Text(f"status_{ps}", cluster.device((job, ps)), self._new) for job, ps in cluster.needed]
            if cluster.job != "ps":
                first = cluster.device(("ps", 0))
                self._state = _Text("state", first, self._new)
                with tf.device(first):
                    queue = tf.FIFOQueue(-1, [tf.string], [[]], shared_name="requests")
                    self._hand_in, self._how_many = queue.enqueue(self._new), queue.size()
                    self._count = tf.placeholder(tf.int32, [])
                    self._take = queue.dequeue_many(self._count)
        self._sess = WatchedSession(cluster, server, graph, waiting)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._sess.close()

    def serve(self) -> None:
        """For a parameter server: waits until the chief says that training is over.

        Raises:
            RuntimeError: the chief has failed.
            TimeoutError: there has been no chief for as long as the patience of `waiting`.
        """

        def chief_if_silent() -> list[Member]:
            if not (silent := self._cluster.silent([("chief", 0)])):
                self._waiting.progress()
            return silent

        if self.status().get("failed"):  # when this process served before
            self.write({})
        try:
            while not (status := self.status()).get("finished"):
                self.check_goes_on(status)
                self._waiting.look(chief_if_silent)
                time.sleep(POLL_EVERY * 5)
        except RuntimeError:
            self._stay_until_heard()
            raise
        self._stay_until_heard()
        self.write({})  # this process may serve again

    def _stay_until_heard(self) -> None:
        """For a parameter server: lets the workers read that all is over, and why."""
        workers, end = self._cluster.workers, time.monotonic() + LOOK_EVERY + ANSWER_WITHIN
        while time.monotonic() < end and self._cluster.silent(workers) != workers:
            time.sleep(POLL_EVERY)

    def status(self) -> dict[str, Any]:
        """What the chief has said last; nothing, if it has not said anything yet."""
        return json.loads(self._sess.run(self._status[0].value) or "{}")

    def write(self, status: dict[str, Any]) -> None:
        self._sess.run([text.write for text in self._status], {self._new: json.dumps(status)})

    def requests(self) -> list[dict[str, Any]]:
        """Those that have been handed in since the last call."""
        count = self._sess.run(self._how_many)
        return [json.loads(request) for request in self._sess.run(self._take, {self._count: count})]

    def requests_of_others(self, known: Sequence[str]) -> list[dict[str, Any]]:
        """For the chief: the requests to join whose tokens it does not know.

        Raises:
            RuntimeError: one that it knows has failed.
        """
        requests = self.requests()
        for request in requests:
            if request["failed"] and request["token"] in known:
                raise RuntimeError(f"worker {request['worker']} has ended: {request['failed']}")
        return [each for each in requests if each["token"] not in known and not (each["failed"] or each["leaves"])]

    def gather(self, own: dict[str, Any]) -> list[str]:
        """For the chief: waits for all workers; returns the tokens of their requests.

        Args:
            own: what the chief trains; a worker whose request says something else is refused.
        """
        members: dict[int, str] = {}
        refused: dict[str, str] = {}
        status = self.status()
        before = status.get("generation") or status.get("before")
        self.write({"refused": refused, "before": before})
        workers = self._cluster.workers
        while len(members) < len(workers):
            for request in self.requests_of_others([*members.values(), *refused]):
                worker, token = request["worker"], request["token"]
                if reason := _difference(f"worker {worker}", own, request["trains"]):
                    tqdm.write(reason)
                    refused[token] = reason
                    self.write({"refused": refused, "before": before})
                else:
                    members[worker] = token
                    self._waiting.progress()
            try:
                self._waiting.look(lambda: [(job, task) for job, task in workers if task not in members])
            except TimeoutError as error:
                if not refused:
                    raise
                refusal = list(refused.values())[-1].removesuffix(".")
                raise TimeoutError(f"{str(error).removesuffix('.')} (refused before: {refusal}).") from error
            time.sleep(POLL_EVERY)
        return list(members.values())

    def start(
        self, generation: str, members: Sequence[str], state: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        """For the chief: says that it begins, and from where."""
        self._sess.run(self._state.write, {self._new: _packed(state, arrays)})
        before = self.status().get("before")
        self.write({"generation": generation, "members": list(members)})
        if before is not None:
            self._cluster.forget(before)

    def join(self, trains: dict[str, Any]) -> tuple[str, str, dict[str, Any], dict[str, np.ndarray]]:
        """For a worker: waits to be among those whom the chief begins with.

        Returns:
            The token of its request, the name of the generation, and the state to start from.

        Raises:
            RuntimeError: there is nothing more to do.
            ValueError: the chief trains something else.
        """
        token, handed_in = uuid.uuid4().hex, -LOOK_EVERY
        while True:
            # Again and again: a chief that was killed took some along.
            if time.monotonic() - handed_in >= LOOK_EVERY:
                self._request(token, trains)
                handed_in = time.monotonic()
            status = self.status()
            if reason := status.get("refused", {}).get(token):
                raise ValueError(reason)
            self.check_goes_on(status)
            if token in status.get("members", ()):
                self._waiting.progress()
                return token, status["generation"], *_unpacked(self._sess.run(self._state.value))
            self._waiting.look(self._cluster.silent)
            time.sleep(POLL_EVERY)

    @staticmethod
    def check_goes_on(status: dict[str, Any]) -> None:
        """Raises RuntimeError if there is nothing more to do."""
        if status.get("failed"):
            raise RuntimeError(f"The chief has ended: {status['failed']}")
        if status.get("finished"):
            raise RuntimeError("The cluster has finished its training already; nothing is left to do.")

    def check_generation(self, status: dict[str, Any], generation: str) -> None:
        """For a worker in a generation.

        Raises:
            Paused: the chief has ended that generation, and gathers all again.
            RuntimeError: there is nothing more to do.
        """
        self.check_goes_on(status)
        if status.get("generation") != generation:
            raise Paused("The chief gathers the workers again.")

    def fail(self, why: str, token: str | None) -> None:
        """Says that the chief, or the worker that has a token, ends with an error."""
        if token is None:
            for status in self._status:  # each for itself, because one may be lost
                with contextlib.suppress(StateLost):
                    self._sess.run(status.write, {self._new: json.dumps({"failed": why})})
        else:
            self._request(token, {}, failed=why)

    def leave(self, token: str) -> None:
        """For a worker: says that it needs the parameter servers no more."""
        self._request(token, {}, leaves=True)

    def finish(self, generation: str, members: list[str]) -> None:
        """For the chief, when all is saved: lets the workers end, and then the parameter servers."""
        with contextlib.suppress(StateLost):  # nobody needs them any more
            self.write({"generation": generation, "members": members, "saved": True})
            staying, begun = set(members), time.monotonic()
            while staying and time.monotonic() - begun < _FAREWELL:
                staying -= {request["token"] for request in self.requests() if request["leaves"]}
                time.sleep(POLL_EVERY)
            self.write({"finished": True})

    def wait_until_saved(self, generation: str) -> None:
        """For a worker that has done its last iteration.

        Raises:
            Paused: the chief gathers all again, because it could not save.
        """
        while not (status := self.status()).get("finished"):
            self.check_generation(status, generation)
            if status.get("saved"):
                return
            self._waiting.look(lambda: self._cluster.silent([("chief", 0)]))
            time.sleep(POLL_EVERY)

    def _request(self, token: str, trains: dict[str, Any], leaves: bool = False, failed: str = "") -> None:
        request = {"worker": self._cluster.task, "token": token, "trains": trains, "leaves": leaves, "failed": failed}
        self._sess.run(self._hand_in, {self._new: json.dumps(request)})


class _Text:
    """A string on a parameter server, empty until it is written."""

    def __init__(self, name: str, device: str, new: tf.Tensor):
        with tf.device(device):
            variable = tf.Variable("", name=name, use_resource=True, collections=[])
            self.value = tf.cond(variable.is_initialized(), variable.value, lambda: tf.constant(""))
            self.write = variable.assign(new)


def _packed(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    contents: dict[str, Any] = {"json": json.dumps(state), **arrays}
    np.savez(file, **contents)
    return file.getvalue()


def _unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        rest = dict(arrays)
    return json.loads(str(rest.pop("json"))), rest


def _difference(worker: str, chief: dict[str, Any], trains: dict[str, Any]) -> str | None:
    """Why a worker can't train with the chief."""
    for what in chief:
        if what == "computation":
            if said := fingerprint.describe_difference(chief[what], trains[what]):
                return (
                    f"{worker} has another model than the chief: {said} ('here' is {worker}, 'there' the chief); "
                    "make them equal."
                )
        elif what != "versions" and chief[what] != trains[what]:
            return f"{worker} has {what} {trains[what]}, the chief has {chief[what]}; make them equal."
    return None


@contextlib.contextmanager
def telling_others(rendezvous: Rendezvous, token: str | None = None) -> Iterator[None]:
    """Tells the others of what ends the chief, or the worker that has a token.

    So a chief that is interrupted ends the cluster; one that is killed is waited for, as a worker is in any case.
    """
    stops = (KeyboardInterrupt, GeneratorExit) if token is None else ()
    try:
        yield
    except (StateLost, Paused):
        raise
    except (Exception, *stops) as error:
        stopped = "it was stopped; start all again to go on from its last checkpoint."
        why = stopped if isinstance(error, stops) else str(error) or type(error).__name__
        with contextlib.suppress(tf.errors.OpError, TimeoutError, StateLost):
            rendezvous.fail(why, token)
        raise
