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
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.data_set import Datasets
from vae_tf1.evaluation import evaluate
from vae_tf1.graph import check_vae, tensors_of, variables_of
from vae_tf1.initial_checkpoint import restore_initial
from vae_tf1.input_data import read_data_sets
from vae_tf1.lobby import GONE, Lobby, is_gone, serve, telling
from vae_tf1.machines import LOOK_EVERY, Cluster, Member, started, wait_for_servers
from vae_tf1.model import VAE, build_vae
from vae_tf1.noise import check_repeatable
from vae_tf1.replica import Build, Part, run_of
from vae_tf1.reports import Report
from vae_tf1.runs import Paused, trained_to_the_end
from vae_tf1.sessions import session_config
from vae_tf1.training import check_arguments

_FAILURES, _LASTING = 3, 60  # so many failures, each within so many seconds, are too many
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

    A worker that is killed is waited for, and goes on with the others when it is started again. So is a parameter
    server or the chief, but then training goes on from the last checkpoint. Two that train end with the same bits,
    whoever is killed; of more, the gradients are added in the order in which they come. Update operations, such as
    those of batch normalization, run on each machine, for its part of the batch.

    Args:
        build: builds the model in the default graph, its optimizer made synchronous by the function that it is given.
        data: from `read_data_sets` with a seed, the same on all machines; a parameter server needs none, None.
        iterations, report_every: as of `vae_tf1.train`.
        batch_size: images per step of the chief and each worker.
        checkpoint_dir, initial_checkpoint, log_dir: as of `vae_tf1.train`; of the chief.
        patience: seconds to wait for a machine that does not answer.

    Returns:
        A generator of `Report`s. This process takes part only while it is iterated over. Losses are of the chief's
        part of the batches.

    Raises:
        OSError: the port of this process can't be listened at, or a directory can't be written.
        RuntimeError: another machine has failed, or the chief has finished already.
        TimeoutError: others could not be reached within `patience`. (A parameter server's address at which something
            else answers is not noticed: the process waits without end.)
        TypeError, ValueError: TF_CONFIG is wrong, a worker's model, data or arguments are not the chief's; or as
            `vae_tf1.train`.
        FloatingPointError: as `vae_tf1.train`.
    """
    cluster = Cluster.from_environment()
    if cluster.job == "ps":
        return _nothing_but_serve(cluster, batch_size, patience)
    if data is None:
        raise TypeError("data is None, which will do for a parameter server alone; pass what read_data_sets returns.")
    if cluster.job == "chief" and checkpoint_dir is None:
        raise TypeError("checkpoint_dir is None; pass a directory, from which the cluster goes on after a failure.")
    alone = _alone(build)
    everyone = len(cluster.trainers) * batch_size
    check_arguments(alone, data, iterations, everyone, report_every)
    if data.seed is None:
        raise ValueError("data has no seed, so each machine would shuffle it differently; pass one to read_data_sets.")
    part = Part(cluster, started(cluster, batch_size), build, alone, data, everyone, patience)
    trains = {
        **part.identity(),
        "list of addresses": json.dumps(dict(cluster.addresses)),
        "batch_size": int(batch_size),
        "iterations": int(iterations),
        "report_every": int(report_every),
    }
    if cluster.job == "chief":
        files = {"checkpoint_dir": checkpoint_dir, "initial_checkpoint": initial_checkpoint, "log_dir": log_dir}
        return _until_done(part, lambda lobby: _as_chief(part, lobby, trains, files))
    return _until_done(part, lambda lobby: _as_worker(part, lobby, trains))


def _alone(build: Build) -> VAE:
    """The model as one machine trains it, in a graph of its own: what checkpoints are of."""
    made = []

    def synchronous(optimizer: tf.train.Optimizer) -> tf.train.Optimizer:
        made.append(optimizer)
        return optimizer

    with tf.Graph().as_default():
        vae = build(synchronous)
        check_vae(vae)
        if len(made) != 1:
            raise ValueError(
                f"build has made {len(made)} optimizers synchronous; make the one of train_step so, with the function "
                "that build is given."
            )
        check_repeatable(tensors_of(vae))
    return vae


def _nothing_but_serve(cluster: Cluster, batch_size: int, patience: float) -> Iterator[Report]:
    serve(cluster, started(cluster, batch_size), patience)
    yield from ()


def _until_done(part: Part, attempt: Callable[[Lobby], Reports]) -> Iterator[Report]:
    """Takes part in the cluster, as often as it is gathered."""
    start = part.data.get_state()
    failures = 0
    while True:
        part.data.set_state(start)
        begun = time.monotonic()
        try:
            wait_for_servers(part.cluster, part.patience)
            lobby = Lobby(part.cluster, part.server, part.patience)
            with lobby, contextlib.closing(attempt(lobby)) as reports:
                yield from reports
            return
        except Paused as paused:
            tqdm.write(str(paused))
        except Exception as error:
            if not is_gone(error):
                raise
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            failures = failures + 1 if time.monotonic() - begun < _LASTING else 1
            if failures > _FAILURES:
                raise RuntimeError(
                    f"The parameter servers have failed {failures} times, each within {_LASTING} s "
                    f"({str(error).strip().splitlines()[-1]}); look at what they say, and start all again."
                ) from error
            tqdm.write(f"A parameter server was lost ({type(error).__name__}); going on from the last checkpoint.")
            time.sleep(LOOK_EVERY)  # for one that is about to end, but still answers


def _as_chief(part: Part, lobby: Lobby, trains: dict[str, Any], files: dict[str, Any]) -> Reports:
    with telling(lobby):
        members, name = lobby.gathered(trains), uuid.uuid4().hex
        with run_of(part, lobby, name, members) as run:
            yield from trained_to_the_end(run, trains["iterations"], trains["report_every"], **files)
        lobby.finish(name, members)


def _as_worker(part: Part, lobby: Lobby, trains: dict[str, Any]) -> Reports:
    token, name, state, arrays = lobby.admitted(trains)
    with telling(lobby, token):
        with run_of(part, lobby, name) as run:
            run.set_state(state["done"], state, arrays)
            run.begin()
            while run.done < trains["iterations"]:
                run.step(trains["iterations"], trains["report_every"])
        lobby.wait_until_saved(name)
    with contextlib.suppress(*GONE):
        lobby.leave(token)
    yield from ()


def roles_here(workers: int) -> dict[Member, str]:
    """A TF_CONFIG for each process of a cluster on this machine, at free ports of the loopback address.

    Args:
        workers: how many compute gradients, the chief among them.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(1 + workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    cluster = {"ps": addresses[:1], "chief": addresses[1:2], "worker": addresses[2:]}
    return {
        (job, task): json.dumps({"cluster": cluster, "task": {"type": job, "index": task}})
        for job, hosts in cluster.items()
        for task in range(len(hosts))
    }


def _run_here(workers: int, arguments: list[str]) -> int:
    """Runs all processes of a cluster; the first that fails ends the others. Returns an exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the `finally` below
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "vae_tf1.cluster", *arguments],
            env={**os.environ, "TF_CONFIG": role},
            # Ctrl-C comes to all of them; the chief shall save while the others are still there.
            preexec_fn=None if job == "chief" else _ignore_interrupts,
        )
        for (job, _), role in roles_here(workers).items()
    ]
    try:
        while None in (statuses := [process.poll() for process in processes]) and not any(statuses):
            time.sleep(0.2)
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[1].wait(timeout=60)
        return 130
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return int(any(process.returncode for process in processes))


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
    parser.add_argument("--batch-size", type=int, default=100, help="of the chief and of each worker")
    parser.add_argument("--seed", type=int, default=0, help="of weights, noise and shuffling; the same on all machines")
    parser.add_argument("--report-every", type=int, default=1_000, metavar="ITERATIONS")
    parser.add_argument("--initial-checkpoint", help="weights to start from, as of vae_tf1.train")
    parser.add_argument("--log-dir", help="where the chief writes for TensorBoard")
    parser.add_argument("--patience", type=float, default=600, metavar="SECONDS", help="to wait for other machines")
    parser.add_argument(
        "--workers", type=int, help="without TF_CONFIG: run so many on this machine, the chief among them"
    )
    options = parser.parse_args()
    if options.workers is not None:
        if os.environ.get("TF_CONFIG"):
            parser.error("--workers is for one machine without TF_CONFIG, which is set")
        if options.workers < 1:
            parser.error("--workers must be 1 or more")
        given = {name.replace("_", "-"): value for name, value in vars(options).items() if value is not None}
        del given["workers"]
        return _run_here(options.workers, [f"--{name}={value}" for name, value in given.items()])
    return _train_as_told(options)


def _train_as_told(options: argparse.Namespace) -> int:
    def build(synchronous):
        return build_vae(seed=options.seed, optimizer=synchronous(tf.train.AdamOptimizer()))

    try:
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
        for report in reports:
            print(f"Iteration {report.iteration}: {report.loss:.2f} nats", flush=True)
        if data is not None and cluster.job == "chief" and options.iterations:
            negative_elbo = _evaluated(options.seed, options.checkpoint_dir, data)
            print(f"Negative ELBO of the test images after {options.iterations} iterations: {negative_elbo} nats")
    except KeyboardInterrupt:
        return 130
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
