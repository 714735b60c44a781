"""The tables of `tf.contrib` and `tensorflow.examples`: what has each name today."""

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import smart_cond
from tensorflow.python.util import nest

from vae_tf1 import input_data
from vae_tf1.tensorflow1 import (
    _attention,
    _bucketing,
    _data,
    _estimator,
    _framework,
    _hparams,
    _keras,
    _layers,
    _learn,
    _legacy_seq2seq,
    _lookup,
    _mnist_tutorial,
    _nn,
    _rnn,
    _seq2seq,
)
from vae_tf1.tensorflow1._imports import Module

# Names of tf.contrib for what tf has under another name.
_SAME = {
    "checkpoint": {
        "CheckpointManager": "train.CheckpointManager",
        "PythonStateWrapper": "train.experimental.PythonState",
    },
    "distribute": {
        "DistributionStrategy": "distribute.Strategy",
        "TPUStrategy": "distribute.experimental.TPUStrategy",
        "CollectiveAllReduceStrategy": "distribute.experimental.MultiWorkerMirroredStrategy",
        "ParameterServerStrategy": "distribute.experimental.ParameterServerStrategy",
        "get_distribution_strategy": "distribute.get_strategy",
        "has_distribution_strategy": "distribute.has_strategy",
        "initialize_tpu_system": "tpu.experimental.initialize_tpu_system",
    },
    "eager": {
        "Checkpoint": "train.Checkpoint",
        "GradientTape": "GradientTape",
        "TensorSpec": "TensorSpec",
        "custom_gradient": "custom_gradient",
        "enable_eager_execution": "enable_eager_execution",
        "executing_eagerly": "executing_eagerly",
        "function": "function",
        "in_eager_mode": "executing_eagerly",
        "py_func": "py_function",
    },
    "proto": {"decode_proto": "io.decode_proto", "encode_proto": "io.encode_proto"},
    "stateless": {
        "stateless_multinomial": "random.stateless_multinomial",
        "stateless_random_normal": "random.stateless_normal",
        "stateless_random_uniform": "random.stateless_uniform",
        "stateless_truncated_normal": "random.stateless_truncated_normal",
    },
    "util": {
        "constant_value": "get_static_value",
        "make_ndarray": "make_ndarray",
        "make_tensor_proto": "make_tensor_proto",
    },
}


def _same(module: str) -> dict:
    found = {}
    for name, path in _SAME[module].items():
        value = tf
        for part in path.split("."):
            value = getattr(value, part)
        found[name] = value
    return found


_losses = Module("contrib.losses", "tf_slim.losses")
_metrics = Module("contrib.metrics", "tf_slim.metrics", tf.sets, confusion_matrix=tf.math.confusion_matrix)

contrib = Module(
    "contrib",
    checkpoint=Module("contrib.checkpoint", **_same("checkpoint")),
    cluster_resolver=Module(
        "contrib.cluster_resolver",
        tf.distribute.cluster_resolver,
        UnionClusterResolver=tf.distribute.cluster_resolver.UnionResolver,
    ),
    data=Module("contrib.data", _data, tf.data, tf.data.experimental),
    distribute=Module("contrib.distribute", tf.distribute, **_same("distribute")),
    distributions=Module(
        "contrib.distributions",
        # Loaded lazily, since importing tensorflow-probability takes a second.
        *(f"{__package__}._distributions", tf.distributions, "tensorflow_probability.python.distributions"),
        bijectors=Module(
            "contrib.distributions.bijectors", f"{__package__}._bijectors", "tensorflow_probability.python.bijectors"
        ),
    ),
    eager=Module("contrib.eager", **_same("eager")),
    framework=Module(
        "contrib.framework",
        *("tf_slim.ops.arg_scope", "tf_slim.ops.variables", "tf_slim.ops.framework_ops", "tf_slim.ops"),
        *(_framework, smart_cond, tf, tf.train),
        **{name: getattr(_framework, name) for name in _framework.BEFORE_TF_SLIM},
        checkpoint_utils=_framework,
        graph_util=Module("contrib.framework.graph_util", get_placeholders=_framework.get_placeholders),
        nest=nest,
        smart_cond=smart_cond.smart_cond,
    ),
    keras=_keras.keras,
    layers=Module("contrib.layers", _layers, "tf_slim.layers"),
    learn=Module(
        "contrib.learn",
        _estimator.Learn("contrib.learn"),
        ModeKeys=_learn.ModeKeys,
        datasets=Module(
            "contrib.learn.datasets",
            mnist=input_data,
            base=Module(
                "contrib.learn.datasets.base",
                input_data.base,
                Dataset=_learn.Dataset,
                load_csv_with_header=_learn.load_csv_with_header,
                load_csv_without_header=_learn.load_csv_without_header,
            ),
            load_dataset=input_data.load_dataset,
        ),
        preprocessing=Module(
            "contrib.learn.preprocessing",
            CategoricalVocabulary=_learn.CategoricalVocabulary,
            VocabularyProcessor=_learn.VocabularyProcessor,
            tokenizer=_learn.tokenizer,
        ),
    ),
    legacy_seq2seq=Module("contrib.legacy_seq2seq", _legacy_seq2seq),
    lookup=Module("contrib.lookup", _lookup, "tensorflow.python.ops.lookup_ops"),
    losses=_losses,
    metrics=_metrics,
    nn=Module("contrib.nn", _nn),
    proto=Module("contrib.proto", **_same("proto")),
    rnn=Module(
        "contrib.rnn",
        *(_rnn, _keras.rnn_cell),
        rnn_cell=_keras.rnn_cell,
        static_rnn=tf.nn.static_rnn,
        static_state_saving_rnn=tf.nn.static_state_saving_rnn,
        static_bidirectional_rnn=tf.nn.static_bidirectional_rnn,
    ),
    seq2seq=Module("contrib.seq2seq", _seq2seq, _attention),
    signal=tf.signal,
    slim=Module("contrib.slim", "tf_slim", losses=_losses, metrics=_metrics),
    stateless=Module("contrib.stateless", **_same("stateless")),
    tensorboard=Module("contrib.tensorboard", plugins=Module("contrib.tensorboard.plugins", "tensorboard.plugins")),
    training=Module(
        "contrib.training",
        *("tf_slim.training.training", "tf_slim.training.evaluation", "tf_slim.training"),
        HParams=_hparams.HParams,
        bucket_by_sequence_length=_bucketing.bucket_by_sequence_length,
        parse_values=_hparams.parse_values,
    ),
    util=Module("contrib.util", **_same("util")),
)
for name in ("text", "categorical_vocabulary"):  # pickled vocabularies refer to these modules
    vars(contrib.learn.preprocessing)[name] = contrib.learn.preprocessing
for name in ("core_rnn", "core_rnn_cell", "core_rnn_cell_impl"):
    vars(contrib.rnn)[name] = contrib.rnn
examples = Module(
    "examples",
    tutorials=Module(
        "examples.tutorials",
        mnist=Module("examples.tutorials.mnist", input_data=input_data, mnist=_mnist_tutorial),
    ),
)
