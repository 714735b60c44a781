"""The command line: one process of a cluster, or all of them on this machine."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import tensorflow.compat.v1 as tf

from vae_tf1 import build_vae, cluster, evaluate, read_data_sets, session_config
from vae_tf1.cluster.machines import CHIEF, LOST, Cluster, Member
from vae_tf1.cluster.replica import Synchronous
from vae_tf1.training.initial_checkpoint import restore_initial
from vae_tf1.vae import VAE, variables_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m vae_tf1.cluster", description=cluster.__doc__)
    add = parser.add_argument
    add("--data-dir", required=True, help="where MNIST is kept, as for read_data_sets")
    add("--checkpoint-dir", required=True, help="where the chief keeps checkpoints and resumes from")
    add("--iterations", type=int, default=20_000)
    add("--batch-size", type=int, default=100, help="of the chief and of each worker")
    add("--seed", type=int, default=0, help="of weights, noise and shuffling; the same on all machines")
    add("--report-every", type=int, default=1_000, metavar="ITERATIONS")
    add("--initial-checkpoint", help="weights to start from, as for vae_tf1.train")
    add("--log-dir", help="where the chief writes summaries for TensorBoard")
    add("--patience", type=float, default=600, metavar="SECONDS", help="wait for the others before training begins")
    add("--workers", type=int, help="without TF_CONFIG: run this many on this machine, including the chief")
    add("--max-restarts", type=int, default=3, metavar="N", help="with --workers: restart all processes up to N times")
    options = vars(parser.parse_args())
    workers, max_restarts = options.pop("workers"), options.pop("max_restarts")
    if workers is not None:
        if os.environ.get("TF_CONFIG") or workers < 1 or max_restarts < 0:
            parser.error("--workers must be 1 or more and excludes TF_CONFIG; --max-restarts must be 0 or more")
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
        return _run_all(workers, max_restarts, given)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also when redirected to a file
    try:
        _run_one(**options)
    except KeyboardInterrupt:
        print(f"Stopped; restart all processes to resume from the last checkpoint in {options['checkpoint_dir']}.")
        return 130
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        print(str(error).partition("\n")[0], file=sys.stderr)
        return LOST if isinstance(error, TimeoutError) else 1
    return 0


def _run_one(data_dir: str, seed: int, **arguments: Any) -> None:
    def build(synchronous: Synchronous) -> VAE:
        return build_vae(seed=seed, optimizer=synchronous(tf.train.AdamOptimizer()))

    job, _ = Cluster().me
    if job != "chief":
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler would wait for a message from the chief
    data = read_data_sets(data_dir, seed=seed) if job != "ps" else None
    for report in cluster.train(build, data, **arguments):
        print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
    if data is not None and job == "chief" and arguments["iterations"]:
        with tf.Graph().as_default(), tf.Session(config=session_config()) as sess:
            vae = build_vae(seed=seed)
            restore_initial(sess, variables_of(vae), os.path.expanduser(arguments["checkpoint_dir"]))
            negative_elbo = evaluate(sess, vae, data.test.images).negative_elbo
        print(f"Negative ELBO of the test images after {arguments['iterations']} iterations: {negative_elbo} nats")


def _run_all(workers: int, max_restarts: int, arguments: list[str]) -> int:
    """Runs all processes on this machine, and restarts all when one is lost; returns an exit status."""
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # through the `finally` of `_run_once`
    for restarts_left in reversed(range(max_restarts + 1)):
        statuses = _run_once(workers, arguments)
        final = [status for status in statuses.values() if status > 0 and status != LOST]
        if final or not any(statuses.values()):
            return max(final, default=0)  # a restart would not cure a failure that a process reports of itself
        ended = [f"{job} {task} (status {status})" for (job, task), status in statuses.items() if status]
        print(f"Ended: {', '.join(ended)}; restarts left: {restarts_left}.", file=sys.stderr)
    return LOST


def _run_once(workers: int, arguments: list[str]) -> dict[Member, int]:
    """Runs all processes until one fails or all have ended; returns the exit statuses of those that have ended."""
    processes: dict[Member, subprocess.Popen] = {}

    def wait() -> dict[Member, int]:
        while True:
            statuses = {member: each.returncode for member, each in processes.items() if each.poll() is not None}
            if any(statuses.values()) or len(statuses) == len(processes):
                return statuses
            time.sleep(0.2)

    try:
        for member, role in roles_here(workers).items():
            environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "TF_CONFIG": role}
            command = [sys.executable, "-m", "vae_tf1.cluster", *arguments]
            # In another session, which Ctrl-C does not reach, so that the chief saves while the others are running.
            processes[member] = subprocess.Popen(command, env=environment, start_new_session=True)
        return wait()
    except KeyboardInterrupt:
        processes[CHIEF].send_signal(signal.SIGINT)
        wait()
        return {CHIEF: 130}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def roles_here(workers: int) -> dict[Member, str]:
    """A TF_CONFIG for each process of a cluster on this machine; `workers` includes the chief."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(1 + workers)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    jobs = {"ps": addresses[:1], "chief": addresses[1:2], "worker": addresses[2:]}
    roles = [(job, task) for job, hosts in jobs.items() for task in range(len(hosts))]
    return {(job, task): json.dumps({"cluster": jobs, "task": {"type": job, "index": task}}) for job, task in roles}


if __name__ == "__main__":
    sys.exit(main())
