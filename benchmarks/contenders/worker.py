"""What all contenders share: the data, and a loop that trains and tests on command.

It runs in each contender's environment, including TensorFlow 1.15 on Python 3.7, so it depends on NumPy only.
"""

import sys
import time

import numpy as np


class Data:
    """The data that `speed.py` writes for all contenders.

    Attributes:
        train, test: images, uint8 [N, 784] with pixels 0 to 255.
        rows: the rows of `train` in each batch, int32 [iterations, batch size].
        train_dir, seed: arguments of `read_data_sets` that give the same batches.
        per_round: iterations in each round; a single iteration precedes the first.
        hidden_units: width of the hidden layers.
    """

    def __init__(self, path):
        with np.load(path) as arrays:
            self.train, self.test, self.rows = arrays["train"], arrays["test"], arrays["rows"]
            self.train_dir, self.seed = str(arrays["train_dir"]), int(arrays["seed"])
            self.per_round, self.hidden_units = int(arrays["per_round"]), int(arrays["hidden_units"])

    def batch(self, i):
        return binarize(self.train[self.rows[i]])


def binarize(images):
    """Returns float32 0 or 1: the threshold of 0.5 in [0, 1] lies between the pixels 127 and 128."""
    return (images > 127).astype(np.float32)


def serve(make):
    """Executes the commands on standard input until it is closed, and prints one number for each.

    "train FIRST LAST" runs these iterations, and "likelihood IMAGES SAMPLES" estimates the log-likelihoods of the first
    test images; both print the seconds that they took. "test" prints the negative ELBO of the test images in nats, and
    "memory" the peak memory of the process in MB.

    Args:
        make: a function of `Data` that returns the functions `train(first, last)` and `test()`, and optionally
            `likelihood(images, samples)`.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    train, test, *likelihood = make(Data(sys.argv[1]))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        if command in ("train", "likelihood"):
            timed = train if command == "train" else likelihood[0]
            start = time.perf_counter()
            timed(*map(int, numbers))
            answer = time.perf_counter() - start
        elif command == "memory":
            with open("/proc/self/status") as status:  # getrusage would include the parent's memory at the fork
                answer = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
        else:
            answer = float(test())
        print(answer, file=answers, flush=True)
