"""A training run: how far it is, and what its next iteration depends on."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.data.data_set import Datasets, binarize
from vae_tf1.graph.fingerprint import describe_computation
from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.training import reports
from vae_tf1.training.initial_checkpoint import restore_initial
from vae_tf1.training.reports import Report
from vae_tf1.vae import VAE, train_fetches, variables_of

SHOWN_IMAGES = 5
# `steps(rows, iteration)` trains on batches, int [n, batch size] of row numbers, the first being that of `iteration`,
# and gives their losses, float32 [n, 3]: the loss and its two terms, means over the batch in nats.
Steps = Callable[[np.ndarray, int], np.ndarray]
# Besides TensorFlow, the libraries whose version can change the graph.
_BUILT_BY = ("tf-slim", "tensorflow-probability", "tf-keras")


def identity_of(vae: VAE, data: Datasets, batch_size: int) -> dict[str, Any]:
    """What tells one run from another; see `checkpoints.check_same_run`."""
    return {
        "graph seed": vae.x.graph.seed,
        "data (SHA-256)": data.fingerprint()[:16],
        "data seed": data.seed,
        "batch_size": batch_size,
        "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in _BUILT_BY}},
        "computation": describe_computation(vae.loss, vae.train_step),
    }


class Run:
    """A training run: how far it is, and what its next iteration depends on.

    Args:
        sess: a session on the graph of `vae`.
        vae: what is trained.
        data: its images are those of the moment when `steps` was made.
        batch_size: images that an iteration takes.
        steps: trains, on up to `at_once` batches in a call.
    """

    def __init__(self, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, steps: Steps, at_once: int = 1):
        self.sess, self.vae, self.data, self.batch_size = sess, vae, data, batch_size
        self._steps, self._at_once = steps, at_once
        self._noise, self._noise_of_x_hat = NoiseStreams(sess, train_fetches(vae)), NoiseStreams(sess, [vae.x_hat])
        self._reconstruct = sess.make_callable([vae.x_hat, *self._noise_of_x_hat.shapes], feed_list=[vae.x])
        self.done = 0
        self._losses: list[list[float]] = []  # since the last report
        self._reports: list[Report] = []

    @property
    def variables(self) -> list[tf.Variable]:
        """What checkpoints keep."""
        return variables_of(self.vae)

    def identity(self) -> dict[str, Any]:
        return identity_of(self.vae, self.data, self.batch_size)

    def initialize(self, initial_checkpoint) -> None:
        """Gives each variable that has no value yet its initial one, then those of the initial checkpoint theirs."""
        with self.sess.graph.as_default():
            missing = set(self.sess.run(tf.report_uninitialized_variables(self.variables)))
        self.sess.run([variable.initializer for variable in self.variables if variable.op.name.encode() in missing])
        if initial_checkpoint is not None:
            restore_initial(self.sess, self.variables, str(initial_checkpoint))

    def begin(self) -> None:
        """Called when the variables have their values, before the first step."""

    def step(self, iterations: int, report_every: int) -> Report | None:
        """The next iteration, or as many as are compiled into one; up to a report."""
        to_report = -self.done % report_every + 1
        count = min(self._at_once, to_report, iterations - self.done)
        rows = np.stack([self.data.train.next_rows(self.batch_size) for _ in range(count)])
        losses = self._steps(rows, self.done)
        finite = np.isfinite(losses[:, 0])
        if not finite.all():
            wrong = int(np.argmin(finite))
            raise FloatingPointError(
                f"The loss is {losses[wrong, 0]} at iteration {self.done + wrong}; "
                "train from an earlier state, or look at the images of that batch."
            )
        self._losses += losses.tolist()
        self.done += count
        if (self.done - 1) % report_every:
            return None
        return self._report()

    def _report(self) -> Report:
        images, _ = self.data.validation.next_batch(SHOWN_IMAGES)
        reconstructions, *shapes = self._reconstruct(binarize(images))
        self._noise_of_x_hat.count(shapes)
        losses = np.mean(self._losses, axis=0).tolist()
        loss, reconstruction, kl_divergence = losses
        report = Report(self.done - 1, loss, reconstruction, kl_divergence, images, reconstructions)
        self._losses.clear()
        self._reports.append(report)
        return report

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """All but the variables that the coming iterations and reports depend on: what JSON can hold, and arrays."""
        numbers, arrays = reports.pack(self._reports)
        noise = {**self._noise.state(), **self._noise_of_x_hat.state()}
        state = {"losses": self._losses, "reports": numbers, "noise": noise}
        return state, {**arrays, **self.data.get_state()}

    def set_state(self, done: int, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Puts the run where it was when `state` was called after `done` iterations."""
        self.done, self._losses = done, state["losses"]
        self._reports = reports.unpack(state["reports"], arrays)
        self.data.set_state(arrays)
        for noise in self._noise, self._noise_of_x_hat:
            noise.advance(state["noise"])
