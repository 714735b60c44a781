"""The seeds that TensorFlow 1.15 gave to the operations of its random functions if only the graph has a seed.

They count the operations in the graph, so they depend on the operations that a function creates before it asks for one.
`record.py operations` runs this under TensorFlow 1.15.5, and the tests run it today.
"""


def functions(tf):
    """Name → function of an image [2, 8, 8, 3] and a matrix [2, 8] that makes random operations."""
    layers, nn = tf.layers, tf.nn

    def cell(name, **arguments):
        return lambda image, matrix: getattr(nn.rnn_cell, name)(4, **arguments)(
            matrix, getattr(nn.rnn_cell, name)(4, **arguments).zero_state(2, tf.float32)
        )

    def initializer(name, *arguments, **named):
        return lambda image, matrix: tf.get_variable(
            "v", [8, 4], initializer=getattr(tf, f"{name}_initializer")(*arguments, **named)
        )

    def dropout_cell(image, matrix):
        wrapped = nn.rnn_cell.DropoutWrapper(nn.rnn_cell.GRUCell(4), 0.9, 0.9, 0.9)
        return wrapped(matrix, wrapped.zero_state(2, tf.float32))

    def dynamic_rnn(image, matrix):
        return nn.dynamic_rnn(nn.rnn_cell.BasicLSTMCell(4), tf.reshape(matrix, [2, 4, 2]), dtype=tf.float32)

    def static_rnn(image, matrix):
        return nn.static_rnn(nn.rnn_cell.BasicRNNCell(4), [matrix, matrix], dtype=tf.float32)

    return {
        "random_uniform": lambda image, matrix: tf.random_uniform([2]),
        "random_uniform, a range": lambda image, matrix: tf.random_uniform([2], -1.0, 1.0),
        "random_uniform, maxval=1": lambda image, matrix: tf.random_uniform([2], maxval=1),
        "random_uniform, integers": lambda image, matrix: tf.random_uniform([2], 0, 5, tf.int32),
        "random_uniform, a tensor's shape": lambda image, matrix: tf.random_uniform(tf.shape(matrix)),
        "random_normal": lambda image, matrix: tf.random_normal([2]),
        "random_normal, mean and stddev": lambda image, matrix: tf.random_normal([2], 1, 2),
        "truncated_normal": lambda image, matrix: tf.truncated_normal([2], stddev=0.1),
        "random_gamma": lambda image, matrix: tf.random_gamma([2], 2.0),
        "random_poisson": lambda image, matrix: tf.random_poisson(2.0, [2]),
        "random_shuffle": lambda image, matrix: tf.random_shuffle(matrix),
        "random_crop": lambda image, matrix: tf.random_crop(image, [2, 4, 4, 3]),
        "multinomial": lambda image, matrix: tf.multinomial(matrix, 3),
        "image.random_flip_left_right": lambda image, matrix: tf.image.random_flip_left_right(image[0]),
        "image.random_brightness": lambda image, matrix: tf.image.random_brightness(image, 0.1),
        "image.random_contrast": lambda image, matrix: tf.image.random_contrast(image, 0.1, 0.2),
        "image.random_hue": lambda image, matrix: tf.image.random_hue(image, 0.1),
        "image.random_saturation": lambda image, matrix: tf.image.random_saturation(image, 0.1, 0.2),
        "nn.dropout": lambda image, matrix: nn.dropout(matrix, 0.5),
        "nn.dropout, rate": lambda image, matrix: nn.dropout(matrix, rate=0.5),
        "nn.dropout, a tensor": lambda image, matrix: nn.dropout(matrix, tf.constant(0.5)),
        "nn.dropout, noise_shape": lambda image, matrix: nn.dropout(matrix, 0.5, [2, 1]),
        "nn.dropout, an unknown shape": lambda image, matrix: nn.dropout(
            tf.placeholder_with_default(matrix, [None, 8]), 0.5
        ),
        "nn.fractional_max_pool": lambda image, matrix: nn.fractional_max_pool(image, [1.0, 1.5, 1.5, 1.0]),
        "nn.nce_loss": lambda image, matrix: nn.nce_loss(
            tf.zeros([20, 8]), tf.zeros([20]), tf.zeros([2, 1], tf.int64), matrix, 4, 20
        ),
        "nn.sampled_softmax_loss": lambda image, matrix: nn.sampled_softmax_loss(
            tf.zeros([20, 8]), tf.zeros([20]), tf.zeros([2, 1], tf.int64), matrix, 4, 20
        ),
        "random_uniform_initializer": initializer("random_uniform"),
        "random_uniform_initializer, a range": initializer("random_uniform", -0.1, 0.1),
        "random_normal_initializer": initializer("random_normal"),
        "truncated_normal_initializer": initializer("truncated_normal"),
        "variance_scaling_initializer": initializer("variance_scaling"),
        "uniform_unit_scaling_initializer": initializer("uniform_unit_scaling"),
        "orthogonal_initializer": initializer("orthogonal"),
        "glorot_uniform_initializer": initializer("glorot_uniform"),
        "glorot_normal_initializer": initializer("glorot_normal"),
        "get_variable": lambda image, matrix: tf.get_variable("v", [8, 4]),
        "Variable": lambda image, matrix: tf.Variable(tf.truncated_normal([8, 4], stddev=0.1)),
        "layers.dense": lambda image, matrix: layers.dense(matrix, 4),
        "layers.dense, relu": lambda image, matrix: layers.dense(matrix, 4, tf.nn.relu),
        "layers.conv1d": lambda image, matrix: layers.conv1d(image[0], 4, 3),
        "layers.conv2d": lambda image, matrix: layers.conv2d(image, 4, 3, activation=tf.nn.relu),
        "layers.separable_conv2d": lambda image, matrix: layers.separable_conv2d(image, 4, 3),
        "layers.conv2d_transpose": lambda image, matrix: layers.conv2d_transpose(image, 4, 3),
        "layers.conv2d_transpose, same": lambda image, matrix: layers.conv2d_transpose(image, 4, 3, 2, "same"),
        "layers.conv2d_transpose, an unknown batch": lambda image, matrix: layers.conv2d_transpose(
            tf.placeholder(tf.float32, [None, 8, 8, 3]), 4, 5, 2, "same"
        ),
        "layers.batch_normalization": lambda image, matrix: layers.batch_normalization(matrix),
        "layers.batch_normalization, training": lambda image, matrix: layers.batch_normalization(image, training=True),
        "layers.dropout": lambda image, matrix: layers.dropout(matrix, training=True),
        "layers.dropout, a tensor": lambda image, matrix: layers.dropout(
            matrix, training=tf.placeholder_with_default(True, [])
        ),
        "layers.flatten": lambda image, matrix: layers.flatten(image),
        "layers.max_pooling2d": lambda image, matrix: layers.max_pooling2d(image, 2, 2),
        "contrib.layers.fully_connected": lambda image, matrix: tf.contrib.layers.fully_connected(matrix, 4),
        "contrib.layers.conv2d": lambda image, matrix: tf.contrib.layers.conv2d(image, 4, 3),
        "contrib.layers.conv2d_transpose": lambda image, matrix: tf.contrib.layers.conv2d_transpose(image, 4, 3),
        "contrib.layers.batch_norm": lambda image, matrix: tf.contrib.layers.batch_norm(image),
        "contrib.layers.dropout": lambda image, matrix: tf.contrib.layers.dropout(matrix),
        "contrib.layers.flatten": lambda image, matrix: tf.contrib.layers.flatten(image),
        "nn.rnn_cell.BasicRNNCell": cell("BasicRNNCell"),
        "nn.rnn_cell.BasicLSTMCell": cell("BasicLSTMCell"),
        "nn.rnn_cell.LSTMCell": cell("LSTMCell", use_peepholes=True),
        "nn.rnn_cell.GRUCell": cell("GRUCell"),
        "nn.rnn_cell.DropoutWrapper": dropout_cell,
        "nn.dynamic_rnn": dynamic_rnn,
        "nn.static_rnn": static_rnn,
        "nn.softmax_cross_entropy_with_logits": lambda image, matrix: nn.softmax_cross_entropy_with_logits(
            labels=matrix, logits=matrix
        ),
        "nn.sigmoid_cross_entropy_with_logits": lambda image, matrix: nn.sigmoid_cross_entropy_with_logits(
            labels=matrix, logits=matrix
        ),
        "nn.sparse_softmax_cross_entropy_with_logits": (
            lambda image, matrix: nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 2], logits=matrix)
        ),
        "losses.mean_squared_error": lambda image, matrix: tf.losses.mean_squared_error(matrix, matrix),
        "losses.softmax_cross_entropy": lambda image, matrix: tf.losses.softmax_cross_entropy(matrix, matrix),
        "reduce_mean": lambda image, matrix: tf.reduce_mean(matrix),
        "split": lambda image, matrix: tf.split(matrix, 2, 1),
        "one_hot": lambda image, matrix: tf.one_hot([1, 2], 8),
        "nn.moments": lambda image, matrix: nn.moments(matrix, [0]),
        "nn.embedding_lookup": lambda image, matrix: nn.embedding_lookup(matrix, [1]),
        "distributions.Normal": lambda image, matrix: tf.distributions.Normal(matrix, 1.0).sample(),
        "distributions.Bernoulli": lambda image, matrix: tf.distributions.Bernoulli(logits=matrix).sample(),
        "distributions.Categorical": lambda image, matrix: tf.distributions.Categorical(logits=matrix).sample(),
        "keras.layers.Dense": lambda image, matrix: tf.keras.layers.Dense(4)(matrix),
        "keras.layers.LSTM": lambda image, matrix: tf.keras.layers.LSTM(4)(tf.reshape(matrix, [2, 4, 2])),
    }


def seeds(tf, function) -> list:
    """Type and operation seed of each random operation; the last one comes after the function."""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    image = tf.placeholder(tf.float32, [2, 8, 8, 3])
    matrix = tf.placeholder(tf.float32, [2, 8])
    with tf.variable_scope("first"):
        function(image, matrix)
    tf.random_normal([])
    operations = tf.get_default_graph().get_operations()
    return [[made.type, made.get_attr("seed2")] for made in operations if "seed2" in made.node_def.attr]


def all_seeds(tf) -> dict:
    return {name: seeds(tf, function) for name, function in functions(tf).items()}
