"""What `tensorflow.contrib.learn.python.learn.datasets.base` offered to programs that read MNIST."""

from collections import namedtuple

from vae_tf1.data_set import Datasets as Datasets
from vae_tf1.mnist import maybe_download as maybe_download

Dataset = namedtuple("Dataset", ["data", "target"])
