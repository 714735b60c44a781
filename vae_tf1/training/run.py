"""A training run: its progress, and the state that its next iteration depends on."""

import hashlib
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1._files import FilePath, explain
from vae_tf1.data.data_set import Datasets
from vae_tf1.graph.fingerprint import describe_computation
from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.graph.sessions import uninitialized_variables
from vae_tf1.graph.walk import upstream_of
from vae_tf1.inputs import input_arrays
from vae_tf1.training import reports
from vae_tf1.training.initial_checkpoint import restore_initial
from vae_tf1.training.reports import Report
from vae_tf1.vae import VAE, train_fetches, variables_of

_HASHED_ROWS = 100
SHOWN_IMAGES = 5  # in a report
# `steps(rows, iteration)` trains on n batches of images, given as row numbers, int [n, batch size]; the first batch is
# that of `iteration`. It returns float32 [n, 3]: for each batch, the loss and the means of its two terms, in nats.
Steps = Callable[[np.ndarray, int], np.ndarray]
# Besides TensorFlow, the libraries whose version can change the graph.
_BUILT_BY = ("tf-slim", "tensorflow-probability", "tf-keras")


def identity_of(vae: VAE, data: Datasets, batch_size: int) -> dict[str, Any]:
    """The facts that identify a run; see `checkpoints.check_same_run`."""
    identity = {
        "graph seed": _plain(vae.x.graph.seed),
        "data (SHA-256)": data.fingerprint()[:16],
        "data seed": _plain(data.seed),
        "batch_size": batch_size,
        "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in _BUILT_BY}},
        "computation": describe_computation(vae.loss, vae.train_step),
    }
    if vae.inputs is not None:
        identity["inputs (SHA-256)"] = _hash_inputs(vae, data)
    return identity


def _hash_inputs(vae: VAE, data: Datasets) -> str:
    """A checksum of the values that the model is fed for the first rows."""
    arrays = input_arrays(vae, *data.train.rows(np.arange(min(_HASHED_ROWS, data.train.num_examples))))
    sha256 = hashlib.sha256()
    for name in sorted(tensor.name for tensor in arrays):
        sha256.update(name.encode() + next(a for t, a in arrays.items() if t.name == name).tobytes())
    return sha256.hexdigest()[:16]


def _plain(seed: Any) -> Any:
    """A seed as a number of Python's own type, which JSON can hold."""
    return seed.item() if isinstance(seed, np.generic) else seed


class Run:
    """A training run: its progress, and the state that its next iteration depends on.

    Args:
        sess: a session on the graph of `vae`.
        vae: the model to train.
        data: draws the batches, as row numbers of the images that `steps` holds.
        batch_size: images per iteration.
        steps: trains on up to `chunk` batches per call.
        chunk: maximum number of iterations per call of `steps`.

    Attributes:
        done: iterations done so far.
    """

    def __init__(self, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, steps: Steps, chunk: int = 1):
        self.sess, self.vae, self.data, self.batch_size = sess, vae, data, batch_size
        self._steps, self._chunk = steps, chunk
        self._noise, self._noise_of_x_hat = NoiseStreams(sess, train_fetches(vae)), NoiseStreams(sess, [vae.x_hat])
        self.done = 0
        self._losses: list[list[float]] = []  # since the last report
        self._reports: list[Report] = []

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that checkpoints keep."""
        return variables_of(self.vae)

    def identity(self) -> dict[str, Any]:
        return identity_of(self.vae, self.data, self.batch_size)

    def initialize(self, initial_checkpoint: FilePath | None) -> None:
        """Initializes the variables that have no value yet, then restores those of the initial checkpoint."""
        missing = uninitialized_variables(self.sess, self.variables)
        _warn_of_other_seeds(self.sess.graph, missing)
        self.sess.run([variable.initializer for variable in missing])
        if initial_checkpoint is not None:
            restore_initial(self.sess, self.variables, str(initial_checkpoint))

    def step(self, until: int, report_every: int) -> Report | None:
        """Trains with one call of `steps`, at most up to the next report, and to `until` iterations in total.

        Raises:
            FloatingPointError: a loss is infinite or not a number.
        """
        to_report = -self.done % report_every + 1
        count = min(self._chunk, to_report, until - self.done)
        rows = np.stack([self.data.train.next_rows(self.batch_size) for _ in range(count)])
        losses = self._steps(rows, self.done)
        finite = np.isfinite(losses[:, 0])
        if not finite.all():
            wrong = int(np.argmin(finite))
            raise FloatingPointError(
                f"The loss is {losses[wrong, 0]} at iteration {self.done + wrong}; "
                "lower the learning rate, train from an earlier state, or inspect the images of that batch and the "
                "support of vae.x_dist."
            )
        self._losses += losses.tolist()
        self.done += count
        if (self.done - 1) % report_every:
            return None
        return self._report()

    def _report(self) -> Report:
        images, labels = self.data.validation.next_batch(SHOWN_IMAGES)
        fetches = [self.vae.x_hat, *self._noise_of_x_hat.shapes]
        reconstructions, *shapes = self.sess.run(fetches, input_arrays(self.vae, images, labels))
        self._noise_of_x_hat.count(shapes)
        losses = np.mean(self._losses, axis=0).tolist()
        loss, reconstruction, kl_divergence = losses
        report = Report(self.done - 1, loss, reconstruction, kl_divergence, images, reconstructions)
        self._losses.clear()
        self._reports.append(report)
        return report

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The state that later iterations and reports depend on, without the variables: a part for JSON, and arrays."""
        numbers, arrays = reports.pack(self._reports)
        noise = {**self._noise.state(), **self._noise_of_x_hat.state()}
        state = {"losses": self._losses, "reports": numbers, "noise": noise}
        return state, {**arrays, **self.data.get_state()}

    def set_state(self, done: int, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Restores the run to where it was when `state` was called, after `done` iterations.

        Raises:
            ValueError: the state does not fit the data, or the session has drawn more noise already.
        """
        self.done, self._losses = done, state["losses"]
        self._reports = reports.unpack(state["reports"], arrays)
        try:
            self.data.set_state(arrays)
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"The checkpoint after {done} iterations does not fit the data ({explain(error)}); pass another "
                "checkpoint_dir."
            ) from error
        for noise in self._noise, self._noise_of_x_hat:
            noise.advance(state["noise"])


def _warn_of_other_seeds(graph: tf.Graph, variables: list[tf.Variable]) -> None:
    """Warns if a seeded graph has initial values that its seed does not determine, such as those of Keras layers."""
    for variable in variables if graph.seed is not None else []:
        if any(operation.type.startswith("StatelessRandom") for operation in upstream_of([variable.initializer])):
            warnings.warn(
                f"The initial value of {variable.op.name} has a seed of its own, as in Keras layers, and ignores that "
                "of the graph; to repeat a run, call tf_keras.utils.set_random_seed before you build the model.",
                stacklevel=2,
            )
            return
