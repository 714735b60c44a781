"""A cluster on one machine: all its processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

from vae_tf1._startup import LOG_LEVEL
from vae_tf1.cluster.machines import Member

_SAVE_WITHIN = 60  # seconds


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


def run_here(workers: int, arguments: list[str]) -> int:
    """Runs all processes of a cluster, with the arguments of `vae_tf1.cluster`; the first that fails ends the others.

    Returns:
        An exit status.
    """
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # through the `finally` below
    processes: dict[Member, subprocess.Popen] = {}
    try:
        for member, role in roles_here(workers).items():
            processes[member] = _started(role, arguments)
        while True:
            statuses = {member: process.poll() for member, process in processes.items()}
            for (job, task), status in statuses.items():
                if status is not None and status < 0:  # otherwise it has said why
                    print(f"{job} {task} was ended by signal {-status}; the others are ended, too.", file=sys.stderr)
            if any(statuses.values()):
                return 1
            if None not in statuses.values():
                return 0
            time.sleep(0.2)
    except KeyboardInterrupt:
        if ("chief", 0) in processes:
            processes["chief", 0].send_signal(signal.SIGINT)  # to the chief alone: it saves while the others are there
            try:
                processes["chief", 0].wait(timeout=_SAVE_WITHIN)
            except subprocess.TimeoutExpired:
                print(f"The chief has not ended within {_SAVE_WITHIN} s; it may not have saved.", file=sys.stderr)
        return 130
    finally:
        for process in processes.values():
            process.kill()
        for process in processes.values():
            process.wait()


def _started(role: str, arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "vae_tf1.cluster", *arguments],
        # TensorFlow complains of others that are about to end; what is wrong is said by the processes themselves.
        env={LOG_LEVEL: "3", **os.environ, "TF_CONFIG": role},
        start_new_session=True,  # Ctrl-C comes to this process alone
    )
