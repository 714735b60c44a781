"""A run ten times as long as the notebook's: memory does not grow, and speed does not drop."""

import itertools
import json
import subprocess
import sys

import pytest

RUN = """
import json, os, sys, time
import vae_tf1, tensorflow.compat.v1 as tf

compiled, directory = sys.argv[1] == "compiled", sys.argv[2]

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

data = vae_tf1.read_data_sets("unused", source="builtin", seed=0)
samples = []
with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config(compiled=compiled)) as sess:
    reports = vae_tf1.train(
        sess, vae_tf1.build_vae(seed=0), data, 200_000,
        compiled=compiled, checkpoint_dir=f"{directory}/checkpoints", log_dir=f"{directory}/logs",
    )
    for report in reports:
        files = len(os.listdir("/proc/self/fd"))
        samples.append({"memory": memory(), "files": files, "processor": time.process_time()})
print(json.dumps(samples))
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["plain", "compiled"])
def test_a_long_run_grows_no_memory_opens_no_files_and_keeps_its_speed(tmp_path, loop):
    done = subprocess.run([sys.executable, "-c", RUN, loop, tmp_path], capture_output=True, text=True, check=True)
    samples = json.loads(done.stdout.splitlines()[-1])
    assert len(samples) == 200
    memory, files = ([sample[what] for sample in samples] for what in ("memory", "files"))
    assert max(memory[1:]) - memory[1] < 50, memory
    assert max(files[1:]) == files[1], files
    # Processor time, so that other work of the machine does not count; the first report includes compiling.
    times = [after["processor"] - before["processor"] for before, after in itertools.pairwise(samples[1:])]
    start, end = (sorted(part)[len(part) // 2] for part in (times[:50], times[-50:]))
    print(
        f"{loop}: memory {memory[1]:.0f} to {memory[-1]:.0f} MB, {files[-1]} files, {start:.2f} to {end:.2f} s a report"
    )
    assert end < 1.1 * start
