"""Training on several machines, with TensorFlow 1's own runtime: parameter servers, a chief and workers over gRPC.

    python -m vae_tf1.cluster --data-dir DIR --checkpoint-dir DIR [--iterations N] [--batch-size B] [--seed S] ...

Run it on each machine, with its role in the environment variable TF_CONFIG; or, without TF_CONFIG, with `--workers N`
to have all processes on this machine. `train` does the same for a model of your own.

An iteration is one update of the weights, on the parameter servers, with the mean of the gradients of the chief and all
workers (`tf.train.SyncReplicasOptimizer`). All shuffle alike, and each takes its own part of every batch: N of them
with batches of B are one machine with batches of N * B.
"""

import argparse
import contextlib
import io
import os
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.build import build_vae
from vae_tf1.cluster.machines import Cluster, server_of
from vae_tf1.cluster.processes import run_here
from vae_tf1.cluster.rendezvous import Rendezvous, telling_others
from vae_tf1.cluster.replica import Build, Replica, quiet, run_of
from vae_tf1.cluster.waiting import LOOK_EVERY, StateLost, Waiting, short_message, wait_for_servers
from vae_tf1.data.data_set import Datasets
from vae_tf1.evaluation import evaluate
from vae_tf1.graph.noise import check_repeatable
from vae_tf1.graph.sessions import session_config
from vae_tf1.input_data import read_data_sets
from vae_tf1.training import check_arguments, interrupts
from vae_tf1.training.initial_checkpoint import restore_initial
from vae_tf1.training.loop import Paused, RunFiles, training_loop
from vae_tf1.training.reports import Report
from vae_tf1.vae import VAE, check_vae, tensors_of, variables_of

_FAILURES, _SHORT = 3, 60  # more failures than these, each within so many seconds, are too many
Reports = Generator[Report, None, None]


def train(
    build: Build,
    data: Datasets | None,
    iterations: int = 20_000,
    batch_size: int = 100,
    report_every: int = 1_000,
    *,
    checkpoint_dir,
    initial_checkpoint=None,
    log_dir=None,
    patience: float = 600,
) -> Iterator[Report]:
    """Takes this process's part in training on a cluster, whose addresses and whose own role are in TF_CONFIG.

        from vae_tf1 import build_vae, cluster, read_data_sets  # before TensorFlow, whose messages it holds back
        import tensorflow.compat.v1 as tf

        def build(synchronous):
            return build_vae(seed=0, hidden_units=1024, optimizer=synchronous(tf.train.AdamOptimizer()))

        for report in cluster.train(build, read_data_sets("data", seed=0), batch_size=50, checkpoint_dir="checkpoints"):
            print(report.iteration, report.loss)

    Every machine runs the same program; the chief alone yields reports and writes files. A checkpoint is one of
    `vae_tf1.train` with batches of all machines together, so training goes on from it on one machine, or on a cluster
    of another size, and the other way round.

    A worker that is killed or interrupted is waited for, and goes on with the others when it is started again. So is a
    parameter server, or a chief that is killed, but then training goes on from the last checkpoint. A chief that is
    interrupted, or whose loop is left, saves, and ends the others. Two trainers end with the same bits, whoever is
    killed; with more, gradients are added in the order in which they come. Update operations, such as those of batch
    normalization, run on each machine, for its part of the batch.

    Args:
        build: builds the model in the default graph, its optimizer made synchronous by the function that it is given.
        data: from `read_data_sets` with a seed, the same on all machines; a parameter server needs none, None.
        iterations, report_every: as of `vae_tf1.train`.
        batch_size: images per step of the chief and each worker.
        checkpoint_dir, initial_checkpoint, log_dir: as of `vae_tf1.train`; of the chief.
        patience: seconds without any progress after which this process gives up.

    Returns:
        A generator of `Report`s. This process takes part only while it is iterated over. Losses are of the chief's
        part of the batches.

    Raises:
        KeyboardInterrupt: this process was interrupted; if it is the chief, it has saved.
        OSError: the port of this process can't be listened at, or a directory can't be written.
        RuntimeError: another machine has failed, or the chief was interrupted, or has finished already.
        TimeoutError: others have not come, or come back, within `patience`.
        TypeError, ValueError: TF_CONFIG is wrong, a worker's model, data or arguments are not the chief's; or as
            `vae_tf1.train`.
        FloatingPointError: as `vae_tf1.train`.
    """
    cluster = Cluster.from_environment()
    if not patience > 0:
        raise ValueError(f"patience is {patience}; pass some seconds.")
    waiting = Waiting(cluster, patience)
    if cluster.job == "ps":
        return _nothing_but_serve(cluster, server_of(cluster, batch_size), waiting)
    if data is None:
        raise TypeError("data is None, which will do for a parameter server alone; pass what read_data_sets returns.")
    if cluster.job == "chief" and checkpoint_dir is None:
        raise TypeError("checkpoint_dir is None; pass a directory, from which the cluster goes on after a failure.")
    model = _of_one_machine(build)
    of_all = len(cluster.trainers) * batch_size
    check_arguments(model, data, iterations, of_all, report_every)
    if data.seed is None:
        raise ValueError("data has no seed, so each machine would shuffle it differently; pass one to read_data_sets.")
    replica = Replica(cluster, server_of(cluster, batch_size), waiting, build, model, data, of_all)
    trains = {
        **replica.identity(),
        "batch_size": int(batch_size),
        "iterations": int(iterations),
        "report_every": int(report_every),
    }
    if cluster.job == "chief":
        files = RunFiles(checkpoint_dir, initial_checkpoint=initial_checkpoint, log_dir=log_dir)
        return _until_done(replica, lambda rendezvous: _as_chief(replica, rendezvous, trains, files))
    return _until_done(replica, lambda rendezvous: _as_worker(replica, rendezvous, trains))


def _of_one_machine(build: Build) -> VAE:
    """The model as one machine trains it, in a graph of its own: what checkpoints are of."""
    made = []

    def synchronous(optimizer: tf.train.Optimizer) -> tf.train.Optimizer:
        made.append(optimizer)
        return optimizer

    with tf.Graph().as_default():
        with quiet():
            vae = build(synchronous)
        check_vae(vae)
        if len(made) != 1:
            raise ValueError(
                f"build has made {len(made)} optimizers synchronous; make the one of train_step so, with the function "
                "that build is given."
            )
        check_repeatable(tensors_of(vae))
    return vae


def _nothing_but_serve(cluster: Cluster, server: tf.train.Server, waiting: Waiting) -> Iterator[Report]:
    with Rendezvous(cluster, server, waiting) as rendezvous:
        rendezvous.serve()
    yield from ()


def _until_done(replica: Replica, attempt: Callable[[Rendezvous], Reports]) -> Iterator[Report]:
    """Takes part in the cluster, as often as it is gathered."""
    start = replica.data.get_state()
    failures = 0
    replica.waiting.progress()
    while True:
        replica.data.set_state(start)
        begun = time.monotonic()
        try:
            wait_for_servers(replica.cluster, replica.waiting)
            rendezvous = Rendezvous(replica.cluster, replica.server, replica.waiting)
            with rendezvous, contextlib.closing(attempt(rendezvous)) as reports:
                yield from reports
            return
        except Paused as paused:
            tqdm.write(str(paused))
        except StateLost as lost:
            _raise_stopped(lost)
            failures = failures + 1 if time.monotonic() - begun < _SHORT else 1
            if failures > _FAILURES:
                raise RuntimeError(
                    f"Training was begun {failures} times, and has failed each time within {_SHORT} s ({lost}); "
                    "look at what the parameter servers say, and start all again."
                ) from lost
            tqdm.write(f"{lost}; going on from the last checkpoint.")
            time.sleep(LOOK_EVERY)  # for a parameter server that is about to end, but still answers


def _raise_stopped(lost: StateLost) -> None:
    """Raises the interrupt, or what leaves a loop, during which a parameter server was lost, if there was one."""
    interrupts.raise_noted()
    error: BaseException | None = lost
    while error is not None:
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            raise type(error) from lost
        error = error.__cause__ or error.__context__


def _as_chief(replica: Replica, rendezvous: Rendezvous, trains: dict[str, Any], files: RunFiles) -> Reports:
    with telling_others(rendezvous):
        members, generation = rendezvous.gather(trains), uuid.uuid4().hex
        with run_of(replica, rendezvous, generation, members) as run:
            yield from training_loop(run, trains["iterations"], trains["report_every"], files)
        rendezvous.finish(generation, members)


def _as_worker(replica: Replica, rendezvous: Rendezvous, trains: dict[str, Any]) -> Reports:
    job, task = replica.cluster.me
    token, generation, state, arrays = rendezvous.join(trains)
    with telling_others(rendezvous, token):
        with run_of(replica, rendezvous, generation) as run:
            run.set_state(state["done"], state, arrays)
            run.begin()
            if run.done < trains["iterations"]:
                tqdm.write(f"{job} {task} trains with the chief from iteration {run.done} on.")
            while run.done < trains["iterations"]:
                run.step(trains["iterations"], trains["report_every"])
        rendezvous.wait_until_saved(generation)
    with contextlib.suppress(StateLost):
        rendezvous.leave(token)
    yield from ()


def _evaluated(seed: int, checkpoint_dir: str, data: Datasets) -> str:
    """What is printed at the end."""
    with tf.Graph().as_default(), tf.Session(config=session_config()) as sess:
        vae = build_vae(seed=seed)
        restore_initial(sess, variables_of(vae), str(Path(checkpoint_dir).expanduser()))
        return str(evaluate(sess, vae, data.test.images).negative_elbo)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m vae_tf1.cluster", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", required=True, help="where MNIST is kept, as of read_data_sets")
    parser.add_argument("--checkpoint-dir", required=True, help="where the chief writes checkpoints, and resumes")
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--batch-size", type=_positive_int, default=100, help="of the chief and of each worker")
    parser.add_argument("--seed", type=int, default=0, help="of weights, noise and shuffling; the same on all machines")
    parser.add_argument("--report-every", type=_positive_int, default=1_000, metavar="ITERATIONS")
    parser.add_argument("--initial-checkpoint", help="weights to start from, as of vae_tf1.train")
    parser.add_argument("--log-dir", help="where the chief writes for TensorBoard")
    parser.add_argument(
        "--patience", type=float, default=600, metavar="SECONDS", help="to wait for other machines without any progress"
    )
    parser.add_argument(
        "--workers", type=_positive_int, help="without TF_CONFIG: run so many on this machine, the chief among them"
    )
    options = parser.parse_args()
    if options.workers is not None:
        if os.environ.get("TF_CONFIG"):
            parser.error("--workers is for one machine without TF_CONFIG, which is set")
        given = {name.replace("_", "-"): value for name, value in vars(options).items() if value is not None}
        del given["workers"]
        return run_here(options.workers, [f"--{name}={value}" for name, value in given.items()])
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # in a file, too, where one looks at what it says
    try:
        _train_as_told(options)
    except KeyboardInterrupt:
        return 130
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        said = short_message(error) if isinstance(error, tf.errors.OpError) else str(error)
        print(said.partition("\n")[0], file=sys.stderr)
        return 1
    return 0


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _train_as_told(options: argparse.Namespace) -> None:
    def build(synchronous):
        return build_vae(seed=options.seed, optimizer=synchronous(tf.train.AdamOptimizer()))

    cluster = Cluster.from_environment()
    data = read_data_sets(options.data_dir, seed=options.seed) if cluster.job != "ps" else None
    reports = train(
        build,
        data,
        options.iterations,
        options.batch_size,
        options.report_every,
        checkpoint_dir=options.checkpoint_dir,
        initial_checkpoint=options.initial_checkpoint,
        log_dir=options.log_dir,
        patience=options.patience,
    )
    try:
        for report in reports:
            print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
    except KeyboardInterrupt:
        if cluster.job == "chief":
            print(f"Stopped; start all again to go on from the last checkpoint in {options.checkpoint_dir}.")
        raise
    if data is not None and cluster.job == "chief" and options.iterations:
        negative_elbo = _evaluated(options.seed, options.checkpoint_dir, data)
        print(f"Negative ELBO of the test images after {options.iterations} iterations: {negative_elbo} nats")


if __name__ == "__main__":
    sys.exit(main())
