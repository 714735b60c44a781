"""What all contenders share: the data, and training and testing when told to.

It runs in each contender's own environment, that of TensorFlow 1.15 on Python 3.7 among them, so it needs NumPy alone.
"""

import sys
import time

import numpy as np


class Data:
    """What `speed.py` has written for all.

    Attributes:
        train, test: images, uint8 [N, 784] with pixels 0 to 255.
        rows: of `train`, those of each batch, int32 [iterations, 100].
        train_dir, seed: of `read_data_sets`, whose training then draws the same.
        per_round: iterations in each round but the first, which has one.
        hidden_units: the width of the hidden layers.
    """

    def __init__(self, path):
        with np.load(path) as arrays:
            self.train, self.test, self.rows = arrays["train"], arrays["test"], arrays["rows"]
            self.train_dir, self.seed = str(arrays["train_dir"]), int(arrays["seed"])
            self.per_round, self.hidden_units = int(arrays["per_round"]), int(arrays["hidden_units"])

    def batch(self, i):
        return binarize(self.train[self.rows[i]])


def binarize(images):
    """float32 of 0 and 1: the threshold of 0.5 in [0, 1] lies between the pixels 127 and 128."""
    return (images > 127).astype(np.float32)


def serve(make):
    """Does what the lines of standard input say, until it is closed.

    `make(data)` gives two functions. `train(first, last)` returns when these iterations are done: "train 0 100" is
    answered with the seconds that it took. `test()` is the negative ELBO of the test images in nats: "test". The most
    memory that the process has taken, in MB: "memory".
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    train, test = make(Data(sys.argv[1]))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        if command == "train":
            start = time.perf_counter()
            train(*map(int, numbers))
            answer = time.perf_counter() - start
        elif command == "memory":
            with open("/proc/self/status") as status:  # getrusage would count what the parent had when it forked
                answer = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
        else:
            answer = float(test())
        print(answer, file=answers, flush=True)
