"""The names of `tensorflow.contrib.learn.python.learn.datasets.base` that programs reading MNIST use."""

from collections import namedtuple

from vae_tf1.data.data_set import Datasets as Datasets
from vae_tf1.data.download import maybe_download as maybe_download

Dataset = namedtuple("Dataset", ["data", "target"])
