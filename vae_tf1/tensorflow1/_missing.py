"""What to write instead of a missing name."""

import re

import tensorflow

_OTHERWISE = "rewrite that part, or run it with TensorFlow 1.15 on Python 3.7"
# The longest prefix of the missing name applies.
_INSTEAD = {
    "tf.pywrap_tensorflow": "tf.train.NewCheckpointReader reads checkpoints",
    "tf.contrib.checkpoint": "tf.train.Checkpoint saves objects",
    "tf.contrib.crf": "tensorflow-addons has it, for TensorFlow up to 2.15",
    "tf.contrib.cudnn_rnn": "tf.nn.rnn_cell.LSTMCell and GRUCell run on every device",
    "tf.contrib.distributions": "tensorflow_probability.distributions has what replaced it",
    "tf.contrib.eager": "TensorFlow 2 runs eagerly; import tensorflow itself",
    "tf.contrib.factorization": "scikit-learn has k-means and matrix factorization",
    "tf.contrib.image": "tf.image resizes and crops, scipy.ndimage rotates",
    "tf.contrib.layers": "tf.feature_column has the feature columns, tf.layers the layers",
    "tf.contrib.learn": "tf.estimator and scikit-learn have estimators",
    "tf.contrib.learn.DNNClassifier": 'pip install "vae_tf1[estimator]" adds it',
    "tf.contrib.learn.LinearClassifier": 'pip install "vae_tf1[estimator]" adds it',
    "tf.contrib.learn.preprocessing": "scikit-learn's CountVectorizer encodes text, its LabelEncoder categories",
    "tf.contrib.legacy_seq2seq": "tf.contrib.seq2seq has decoders, helpers and attention",
    "tf.contrib.opt": "tf.train has the optimizers",
    "tf.contrib.opt.ScipyOptimizerInterface": "scipy.optimize.minimize takes a function that calls Session.run",
    "tf.contrib.rnn": "use tf.nn.rnn_cell.LSTMCell or GRUCell",
    "tf.contrib.summary": "write tf.summary.scalar, tf.summary.histogram and tf.summary.image",
    "tf.contrib.tensor_forest": "scikit-learn has random forests",
    "tf.contrib.tpu": "tf.distribute.TPUStrategy drives TPUs, in TensorFlow 2",
    "tf.contrib.rnn.ConvLSTMCell": "tf.keras.layers.ConvLSTM2D runs over [N, T, rows, columns, channels]",
    "tf.contrib.seq2seq": "BasicDecoder, AttentionWrapper and dynamic_decode of TensorFlow 1.2 and later are there",
    "tf.estimator": 'pip install "vae_tf1[estimator]" adds it',
    "tf.examples": "vae_tf1.input_data has the data sets, and TensorFlow's documentation the tutorials",
    "tf.python.estimator": 'pip install "vae_tf1[estimator]" adds it',
    "tf.keras.utils.multi_gpu_model": "tf.distribute.MirroredStrategy replicates a model",
    "tf.models": "the repository tensorflow/models has those programs",
}
_REMOVED_IN_1_0 = {
    "tf.mul": "tf.multiply",
    "tf.sub": "tf.subtract",
    "tf.neg": "tf.negative",
    "tf.inv": "tf.reciprocal",
    "tf.pack": "tf.stack",
    "tf.unpack": "tf.unstack",
    "tf.select": "tf.where",
    "tf.batch_matmul": "tf.matmul",
    "tf.complex_abs": "tf.abs",
    "tf.batch_cholesky": "tf.cholesky",
    "tf.batch_matrix_inverse": "tf.matrix_inverse",
    "tf.initialize_all_tables": "tf.tables_initializer",
    "tf.listdiff": "tf.setdiff1d",
    "tf.scalar_summary": "tf.summary.scalar",
    "tf.histogram_summary": "tf.summary.histogram",
    "tf.image_summary": "tf.summary.image",
    "tf.audio_summary": "tf.summary.audio",
    "tf.merge_summary": "tf.summary.merge",
    "tf.merge_all_summaries": "tf.summary.merge_all",
    "tf.models.rnn.rnn": "tf.nn.static_rnn",
    "tf.models.rnn.rnn_cell": "tf.nn.rnn_cell",
    "tf.models.rnn.seq2seq": "tf.contrib.legacy_seq2seq",
    "tf.nn.rnn": "tf.nn.static_rnn",
    "tf.nn.state_saving_rnn": "tf.nn.static_state_saving_rnn",
    "tf.nn.bidirectional_rnn": "tf.nn.static_bidirectional_rnn",
    "tf.nn.seq2seq": "tf.contrib.legacy_seq2seq",
    "tf.image.per_image_whitening": "tf.image.per_image_standardization",
    "tf.train.SummaryWriter": "tf.summary.FileWriter",
}


def describe(name: str) -> str:
    """Describes a missing name, such as `tf.contrib.eager.Variable`, in one sentence."""
    name = re.sub(r"^tensorflow\b", "tf", name)
    for removed, instead in _REMOVED_IN_1_0.items():
        if f"{name}.".startswith(f"{removed}."):
            return f"{name} was removed in TensorFlow 1.0; write {instead}{name[len(removed) :]}."
    known = [known for known in _INSTEAD if f"{name}.".startswith(f"{known}.")]
    instead = _INSTEAD[max(known, key=len)] if known else _OTHERWISE
    return f"{name} has no counterpart in TensorFlow {tensorflow.__version__}; {instead}."
