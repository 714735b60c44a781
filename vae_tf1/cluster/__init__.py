"""Training on several machines with TensorFlow 1's own runtime: parameter servers, a chief and workers over gRPC."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from vae_tf1._checks import as_count
from vae_tf1._files import FilePath
from vae_tf1.cluster.machines import CHIEF, Cluster, joined
from vae_tf1.cluster.replica import Build, build_replica, build_single
from vae_tf1.data.data_set import Datasets
from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.inputs import training_arrays
from vae_tf1.training import check_arguments
from vae_tf1.training.checkpoints import find_difference
from vae_tf1.training.loop import RunFiles, training_loop
from vae_tf1.training.plain import plain_steps
from vae_tf1.training.reports import Report
from vae_tf1.training.run import Run, identity_of
from vae_tf1.vae import train_fetches


def train(
    build: Build,
    data: Datasets | None,
    iterations: int = 20_000,
    batch_size: int = 100,
    report_every: int = 1_000,
    *,
    checkpoint_dir: FilePath,
    initial_checkpoint: FilePath | None = None,
    log_dir: FilePath | None = None,
    patience: float = 600,
) -> Iterator[Report]:
    """Takes part in training on a cluster; TF_CONFIG holds the addresses, and the role of this process.

        def build(synchronous):
            return build_vae(seed=0, hidden_units=1024, optimizer=synchronous(tf.train.AdamOptimizer()))

        for report in cluster.train(build, read_data_sets("data", seed=0), batch_size=50, checkpoint_dir="checkpoints"):
            print(report.iteration, report.loss)

    Every machine runs the same program. An iteration is one update of the weights, on the parameter servers, with the
    mean of the gradients of the chief and all workers, each for its part of the batch that the chief draws. N of them
    with batch size B are equivalent to one machine with batch size N * B, and share its checkpoints. (Update
    operations, such as those of batch normalization, run on each for its part.) Only the chief yields reports.

    A process exits with a message and status 75 if another one is killed or unresponsive for half a minute, or with
    status 1 if the chief fails. Restart all, and training resumes from the last checkpoint, to the bit with two
    trainers. (With more, gradients are added in order of arrival.) If the chief stops early, it saves, and all exit.

    Args:
        build: builds the model in the default graph; its argument is a function that must wrap the optimizer.
        data: from `read_data_sets`, the same on all machines; None on a parameter server.
        batch_size: images per step of the chief and of each worker.
        patience: seconds to wait for the others before training begins.
        iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir: as for `vae_tf1.train`.

    Raises:
        TimeoutError: some process has not responded within `patience`.
        FloatingPointError, OSError, RuntimeError, TypeError, ValueError: as `vae_tf1.train`; also for a wrong
            TF_CONFIG, a port in use, and on the chief for a worker whose model, data or arguments differ.
    """
    cluster = Cluster()
    if cluster.me[0] == "ps":
        return _serve(cluster, batch_size, patience)
    if data is None:
        raise TypeError("data is None, which only a parameter server accepts; pass the result of read_data_sets.")
    if cluster.me == CHIEF and checkpoint_dir is None:
        raise TypeError("checkpoint_dir is None; pass a directory for the cluster to resume from.")
    single, size = build_single(build), len(cluster.trainers) * as_count(batch_size, "batch_size", 1)
    iterations, size, report_every = check_arguments(single, data, iterations, size, report_every)
    trains = {**identity_of(single, data, size), "iterations": iterations, "report_every": report_every}
    return _train(cluster, build, data, trains, RunFiles(checkpoint_dir, None, initial_checkpoint, log_dir), patience)


def _serve(cluster: Cluster, batch_size: int, patience: float) -> Iterator[Report]:
    with joined(cluster, batch_size, {}, patience) as (mail, _):
        mail.receive()
    yield from ()


def _train(
    cluster: Cluster, build: Build, data: Datasets, trains: dict[str, Any], files: RunFiles, patience: float
) -> Iterator[Report]:
    """Trains as the chief, or as a worker, to which the chief sends row numbers and positions of the noise."""
    with joined(cluster, trains["batch_size"] // len(cluster.trainers), trains, patience) as (mail, greetings):
        vae = build_replica(build, cluster, mail.container)
        with contextlib.closing(mail.open_session(graph=vae.x.graph)) as sess:
            noise = NoiseStreams(sess, train_fetches(vae))
            plain = plain_steps(sess, vae, training_arrays(vae, data.train))
            number, workers = cluster.trainers.index(cluster.me), cluster.trainers[1:]

            def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
                if cluster.me == CHIEF:
                    mail.send(workers, {"rows": rows.tolist(), "iteration": iteration, "noise": noise.state()})
                return plain(np.split(rows, 1 + len(workers), axis=1)[number], iteration)

            if cluster.me != CHIEF:
                while "rows" in (work := mail.receive()):
                    noise.advance(work["noise"])
                    steps(np.array(work["rows"]), work["iteration"])
                return
            for worker in [each for each in greetings if each.keys() >= trains.keys()]:
                if found := find_difference(worker, trains):
                    raise ValueError(f"{worker['from']} differs from the chief: {found[1]}; make them equal.")
            run = Run(sess, vae, data, trains["batch_size"], steps)
            iterations, report_every = trains.pop("iterations"), trains.pop("report_every")
            run.identity = lambda: trains  # type: ignore[method-assign]  # that of a single machine
            yield from training_loop(run, iterations, report_every, files)
