"""The tables of `tf.contrib` and `tensorflow.examples`: what has each name today."""

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from tensorflow.python.util import nest

from vae_tf1 import input_data
from vae_tf1.tensorflow1 import _bijectors, _distributions, _framework, _keras, _mnist_tutorial
from vae_tf1.tensorflow1._imports import Module

_rnn_cell = _keras.rnn_cell

_losses = Module("contrib.losses", "tf_slim.losses")
_metrics = Module("contrib.metrics", "tf_slim.metrics", tf.sets, confusion_matrix=tf.math.confusion_matrix)

contrib = Module(
    "contrib",
    data=Module("contrib.data", tf.data, tf.data.experimental),
    distributions=Module(
        "contrib.distributions",
        *(_distributions, tf.distributions, tfp.distributions),
        bijectors=Module("contrib.distributions.bijectors", _bijectors, tfp.bijectors),
    ),
    framework=Module(
        "contrib.framework",
        *("tf_slim.ops.arg_scope", "tf_slim.ops.variables", "tf_slim.ops.framework_ops", "tf_slim.ops"),
        *(_framework, tf, tf.train),
        **{name: getattr(_framework, name) for name in _framework.BEFORE_TF_SLIM},
        checkpoint_utils=_framework,
        graph_util=Module("contrib.framework.graph_util", get_placeholders=_framework.get_placeholders),
        nest=nest,
    ),
    keras=_keras.keras,
    layers=Module("contrib.layers", "tf_slim.layers"),
    learn=Module(
        "contrib.learn",
        datasets=Module(
            "contrib.learn.datasets",
            mnist=input_data,
            base=Module("contrib.learn.datasets.base", input_data.base),
            load_dataset=input_data.load_dataset,
        ),
    ),
    losses=_losses,
    metrics=_metrics,
    rnn=Module(
        "contrib.rnn",
        _rnn_cell,
        rnn_cell=_rnn_cell,
        static_rnn=tf.nn.static_rnn,
        static_state_saving_rnn=tf.nn.static_state_saving_rnn,
        static_bidirectional_rnn=tf.nn.static_bidirectional_rnn,
    ),
    signal=tf.signal,
    slim=Module("contrib.slim", "tf_slim", losses=_losses, metrics=_metrics),
    tensorboard=Module("contrib.tensorboard", plugins=Module("contrib.tensorboard.plugins", "tensorboard.plugins")),
    training=Module("contrib.training", "tf_slim.training.training", "tf_slim.training.evaluation", "tf_slim.training"),
    util=Module("contrib.util", tf, constant_value=tf.get_static_value),
)
examples = Module(
    "examples",
    tutorials=Module(
        "examples.tutorials",
        mnist=Module("examples.tutorials.mnist", input_data=input_data, mnist=_mnist_tutorial),
    ),
)
contrib.rnn.core_rnn_cell = contrib.rnn
