"""What the machines of a cluster tell one another between iterations.

A chief gathers the workers before it trains with them, and again whenever one of them comes back, or a parameter server
does. Each worker hands in a card, which says who it is and what it would train; the chief answers with a note, which
lists the cards that it has taken, and with the state to start from. Cards, note and state are on the parameter servers.
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

from vae_tf1 import fingerprint
from vae_tf1._startup import stderr_held_back
from vae_tf1.machines import LOOK_EVERY, POLL_EVERY, Cluster, Waiting
from vae_tf1.runs import Paused

_RUN_WITHIN = 20_000  # ms, for reading and writing notes
_FAREWELL = 10.0  # seconds that the chief waits for workers to say that they have finished


class Gone(Exception):  # noqa: N818 (it is waited for)
    """A parameter server does not answer."""


# What a session says of a parameter server that has gone, or has come back without what it held.
GONE = (
    Gone,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.UnavailableError,
)


def _packed(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    contents: dict[str, Any] = {"json": json.dumps(state), **arrays}
    np.savez(file, **contents)
    return file.getvalue()


def _unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        rest = dict(arrays)
    return json.loads(str(rest.pop("json"))), rest


class Lobby:
    """Where the chief and the workers meet.

    Args:
        cluster, server: of this process.
        patience: seconds to wait for others.
    """

    def __init__(self, cluster: Cluster, server: tf.train.Server, patience: float):
        self._cluster, self._patience = cluster, patience
        with tf.Graph().as_default() as graph:
            self._new = tf.placeholder(tf.string, [])
            # A server of parameters reads its own note, so that it needs no other.
            holders = [cluster.me] if cluster.job == "ps" else cluster.servers
            notes = []
            for job, task in holders:
                with tf.device(f"/job:{job}/task:{task}/cpu:0"):
                    notes.append(self._variable(f"note_{task}"))
            with tf.device(notes[0].device):
                self._note = tf.cond(notes[0].is_initialized(), notes[0].value, lambda: tf.constant("{}"))
            self._write_note = [note.assign(self._new) for note in notes]
            if cluster.job != "ps":
                with tf.device("/job:ps/task:0/cpu:0"):
                    state = self._variable("state")
                    self._state, self._write_state = state.value(), state.assign(self._new)
                    queue = tf.FIFOQueue(-1, [tf.string], [[]], shared_name="cards")
                    self._hand_in, self._how_many = queue.enqueue(self._new), queue.size()
                    self._count = tf.placeholder(tf.int32, [])
                    self._take = queue.dequeue_many(self._count)
        self._sess = cluster.session(server, graph, timeout=_RUN_WITHIN)

    @staticmethod
    def _variable(name: str) -> tf.Variable:
        return tf.Variable("", name=name, use_resource=True, collections=[])

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(tf.errors.OpError), stderr_held_back():
            self._sess.close()

    def note(self) -> dict[str, Any]:
        """What the chief has said last; nothing, if it has not said anything yet."""
        return json.loads(self._sess.run(self._note))

    def write(self, note: dict[str, Any]) -> None:
        self._sess.run(self._write_note, {self._new: json.dumps(note)})

    def cards(self) -> list[dict[str, Any]]:
        """Those that have been handed in since the last call."""
        count = self._sess.run(self._how_many)
        return [json.loads(card) for card in self._sess.run(self._take, {self._count: count})]

    def cards_of_others(self, members: Sequence[str]) -> list[dict[str, Any]]:
        """For the chief: the cards handed in by other than its members.

        Raises:
            RuntimeError: a member has failed.
        """
        cards = self.cards()
        for card in cards:
            if card["failed"] and card["token"] in members:
                raise RuntimeError(f"worker {card['worker']} has ended: {card['failed']}")
        return [card for card in cards if card["token"] not in members]

    def gathered(self, own: dict[str, Any]) -> list[str]:
        """For the chief: has all workers come; returns the cards' tokens.

        Args:
            own: what the chief trains; a worker whose card says something else is refused.
        """
        members: dict[int, str] = {}
        refused: dict[str, str] = {}
        self.write({"refused": refused})
        waiting = Waiting(self._cluster, self._patience)
        workers = self._cluster.workers
        while len(members) < len(workers):
            for card in self.cards():
                worker, token = card["worker"], card["token"]
                if card["leaves"] or card["failed"] or token in refused:
                    continue
                if reason := _difference(f"worker {worker}", own, card["trains"]):
                    tqdm.write(reason)
                    refused[token] = reason
                    self.write({"refused": refused})
                    continue
                members[worker] = token
            waiting.look(lambda: [(job, task) for job, task in workers if task not in members])
            time.sleep(POLL_EVERY)
        return list(members.values())

    def start(
        self, gathering: str, members: Sequence[str], state: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        """For the chief: says that it begins, and from where."""
        self._sess.run(self._write_state, {self._new: _packed(state, arrays)})
        self.write({"gathering": gathering, "members": list(members)})

    def admitted(self, trains: dict[str, Any]) -> tuple[str, str, dict[str, Any], dict[str, np.ndarray]]:
        """For a worker: waits to be among those whom the chief begins with.

        Returns:
            The token of its card, the name of the gathering, and the state to start from.

        Raises:
            RuntimeError: there is nothing more to do.
            ValueError: the chief trains something else.
        """
        token = uuid.uuid4().hex
        waiting, handed_in = Waiting(self._cluster, self._patience), -LOOK_EVERY
        while True:
            if time.monotonic() - handed_in >= LOOK_EVERY:  # again and again: a chief that was killed took some along
                self._card(token, trains)
                handed_in = time.monotonic()
            note = self.note()
            if reason := note.get("refused", {}).get(token):
                raise ValueError(reason)
            self.check_goes_on(note)
            if token in note.get("members", ()):
                return token, note["gathering"], *_unpacked(self._sess.run(self._state))
            waiting.look(lambda: self._cluster.silent([("chief", 0), *self._cluster.workers]))
            time.sleep(POLL_EVERY)

    @staticmethod
    def check_goes_on(note: dict[str, Any]) -> None:
        if note.get("failed"):
            raise RuntimeError(f"The chief has ended: {note['failed']}")
        if note.get("finished"):
            raise RuntimeError("The cluster has finished its training already; nothing is left to do.")

    def fail(self, why: str, token: str | None) -> None:
        """Says that the chief, or the worker that has a token, ends with an error."""
        if token is None:
            self.write({"failed": why})
        else:
            self._card(token, {}, failed=why)

    def leave(self, token: str) -> None:
        """For a worker: says that it needs the parameter servers no more."""
        self._card(token, {}, leaves=True)

    def finish(self, gathering: str, members: list[str]) -> None:
        """For the chief, when all is saved: lets the workers end, and then the parameter servers."""
        with contextlib.suppress(*GONE):  # nobody needs them any more
            self.write({"gathering": gathering, "members": members, "saved": True})
            staying, begun = set(members), time.monotonic()
            while staying and time.monotonic() - begun < _FAREWELL:
                staying -= {card["token"] for card in self.cards() if card["leaves"]}
                time.sleep(POLL_EVERY)
            self.write({"finished": True})

    def wait_until_saved(self, gathering: str) -> None:
        """For a worker that has done its last iteration.

        Raises:
            Paused: the chief gathers all again, because it could not save.
        """
        waiting = Waiting(self._cluster, self._patience)
        while True:
            note = self.note()
            if note.get("finished"):
                return
            self.check_goes_on(note)
            if note.get("gathering") != gathering:
                raise Paused("The chief gathers the workers again.")
            if note.get("saved"):
                return
            waiting.look(lambda: self._cluster.silent([("chief", 0)]))
            time.sleep(POLL_EVERY)

    def _card(self, token: str, trains: dict[str, Any], leaves: bool = False, failed: str = "") -> None:
        card = {"worker": self._cluster.task, "token": token, "trains": trains, "leaves": leaves, "failed": failed}
        self._sess.run(self._hand_in, {self._new: json.dumps(card)})


def _difference(worker: str, chief: dict[str, Any], trains: dict[str, Any]) -> str | None:
    """Why a worker can't train with the chief."""
    for what in chief:
        if what == "computation":
            if said := fingerprint.difference(chief[what], trains[what]):
                return f"{worker} has another model than the chief: {said} ('there' is the chief); make them equal."
        elif what != "versions" and chief[what] != trains[what]:
            return f"The {what} of {worker} is {trains[what]}, that of the chief {chief[what]}; make them equal."
    return None


def serve(cluster: Cluster, server: tf.train.Server, patience: float) -> None:
    """What a parameter server does: it waits until the chief says that training is over.

    Raises:
        RuntimeError: the chief has failed.
        TimeoutError: there has been no chief for as long as `patience`.
    """
    with Lobby(cluster, server, patience) as lobby:
        waiting = Waiting(cluster, patience)
        while not (note := lobby.note()).get("finished"):
            lobby.check_goes_on(note)
            if not (silent := cluster.silent([("chief", 0)])):
                waiting = Waiting(cluster, patience)
            waiting.look(lambda: silent)
            time.sleep(POLL_EVERY * 5)


def is_gone(error: BaseException) -> bool:
    """Whether a parameter server is what is wrong, in an error or in what it was made of."""
    return isinstance(error, GONE) or isinstance(error.__cause__, GONE)


@contextlib.contextmanager
def telling(lobby: Lobby, token: str | None = None) -> Iterator[None]:
    """Tells the others of an error that ends the chief, or the worker that has a token."""
    try:
        yield
    except Exception as error:
        if not is_gone(error) and not isinstance(error, Paused):
            with contextlib.suppress(tf.errors.OpError):
                lobby.fail(str(error), token)
        raise
