"""Runs the original's mathematics under TensorFlow 1.15.5 and records the results.

For Python 3.7 with `tensorflow==1.15.5`; it imports nothing of vae_tf1. README.md has the commands.

    python record.py train DATA_DIR SEED ITERATIONS OUT.json [CHECKPOINT]
    python record.py seeds DIGITS_DIR MNIST_DIR OUT.json
    python record.py batches OUT.json
    python record.py programs OUT.json
    python record.py models DIGITS_DIR OUT.json
    python record.py distributions OUT.json
    python record.py contrib OUT.json
    python record.py operations OUT.json
    python record.py numerics OUT.json
    python record.py restore CHECKPOINT DATA_DIR OUT.json
"""

import base64
import hashlib
import json
import sys

import contrib_parts
import distributions
import numpy as np
import old_programs
import programs
import random_operations
import tensorflow as tf
from tensorflow.contrib import slim
from tensorflow.contrib.learn.python.learn.datasets import mnist
from tensorflow.examples.tutorials.mnist import input_data

LOSSES, BATCHES = 1000, 1200
ONE_THREAD = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
TWO_THREADS = tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2)


def encoder(x):
    initial = tf.truncated_normal_initializer(stddev=0.1)
    hidden = slim.fully_connected(x, 128, weights_initializer=initial, scope="fc1")
    return slim.fully_connected(hidden, 128, activation_fn=None, weights_initializer=initial, scope="fc2")


def decoder(mu_logvar):
    initial = tf.truncated_normal_initializer(stddev=0.1)
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    stddev = tf.sqrt(tf.exp(logvar))
    epsilon = tf.random_normal(tf.shape(stddev))
    z = mu + stddev * epsilon
    hidden = slim.fully_connected(z, 128, weights_initializer=initial, scope="fc1")
    x_logits = slim.fully_connected(hidden, 784, activation_fn=None, weights_initializer=initial, scope="fc2")
    return x_logits, tf.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def build(seed):
    tf.reset_default_graph()
    tf.set_random_seed(seed)
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    with tf.variable_scope("encoder"):
        mu_logvar = encoder(x)
    with tf.variable_scope("decoder"):
        x_logits, x_dist = decoder(mu_logvar)
        x_hat = x_dist.sample()
    with tf.variable_scope("unlabeled"), tf.variable_scope("optimizer"):
        reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_logits), 1)
        mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
        kl_divergence = -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), 1)
        loss = tf.reduce_mean(reconstruction + kl_divergence)
        train_step = tf.train.AdamOptimizer().minimize(loss)
    return {
        "x": x,
        "mu_logvar": mu_logvar,
        "x_logits": x_logits,
        "x_hat": x_hat,
        "epsilon": tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0"),
        "reconstruction": reconstruction,
        "kl_divergence": kl_divergence,
        "loss": loss,
        "train_step": train_step,
    }


def binarize(images):
    return (images > 0.5).astype(np.float32)


def sha256(arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def floats(array):
    return [float(value) for value in np.ravel(array)]


def test_terms(sess, vae, images):
    """Means of the loss's terms over all test images, 1000 at a time."""
    terms = [
        sess.run([vae["reconstruction"], vae["kl_divergence"]], {vae["x"]: binarize(images[i : i + 1000])})
        for i in range(0, len(images), 1000)
    ]
    reconstruction, kl_divergence = (np.concatenate(term).astype(np.float64) for term in zip(*terms))
    return {
        "negative_elbo": float((reconstruction + kl_divergence).mean()),
        "reconstruction": float(reconstruction.mean()),
        "kl_divergence": float(kl_divergence.mean()),
    }


def on_ten_images(sess, vae, images):
    """The model's values for the first ten test images, with epsilon = 0; then five steps on the first hundred."""
    ten, hundred = binarize(images[:10]), binarize(images[:100])
    names = ["mu_logvar", "kl_divergence", "reconstruction"]
    values = sess.run([vae[name] for name in names], {vae["x"]: ten, vae["epsilon"]: np.zeros([10, 64])})
    record = {name: floats(value) for name, value in zip(names, values)}
    feed = {vae["x"]: hundred, vae["epsilon"]: np.zeros([100, 64])}
    record["five_losses"] = [float(sess.run([vae["loss"], vae["train_step"]], feed)[0]) for _ in range(5)]
    return record


def train(data_dir, seed, iterations, checkpoint=None):
    data = input_data.read_data_sets(data_dir, one_hot=True, seed=seed)
    vae = build(seed)
    operations = tf.get_default_graph().get_operations()
    record = {
        "tensorflow": tf.__version__,
        "seed": seed,
        "iterations": iterations,
        "op_seeds": {op.name: op.get_attr("seed2") for op in operations if "seed2" in op.node_def.attr},
        "variables": {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()},
    }
    batches, validation_batches, losses = hashlib.sha256(), hashlib.sha256(), []
    with tf.Session(config=ONE_THREAD) as sess:
        sess.run(tf.global_variables_initializer())
        record["initial_weights_sha256"] = sha256(sess.run(tf.trainable_variables()))
        for i in range(iterations):
            images, labels = data.train.next_batch(100)
            if i < BATCHES:
                batches.update(images.tobytes() + labels.tobytes())
            loss, _ = sess.run([vae["loss"], vae["train_step"]], {vae["x"]: binarize(images)})
            if i < LOSSES:
                losses.append(float(loss))
            if i % 1000 == 0:
                images, labels = data.validation.next_batch(5)
                validation_batches.update(images.tobytes() + labels.tobytes())
                x_hat = sess.run(vae["x_hat"], {vae["x"]: binarize(images)})
                if i == 0:
                    record["first_x_hat"] = base64.b64encode(np.packbits(x_hat.astype(np.uint8)).tobytes()).decode()
        record["train_batches_sha256"] = batches.hexdigest()
        record["validation_batches_sha256"] = validation_batches.hexdigest()
        record["losses"] = losses
        if checkpoint:
            tf.train.Saver().save(sess, checkpoint, write_meta_graph=False)
            record["on_ten_images"] = on_ten_images(sess, vae, data.test.images)
        else:
            record["test"] = test_terms(sess, vae, data.test.images)
    return record


def first_losses(data_dir, seed, config):
    """The first 100 losses of a run, float32, as base64."""
    data = input_data.read_data_sets(data_dir, one_hot=True, seed=seed)
    vae = build(seed)
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        feeds = ({vae["x"]: binarize(data.train.next_batch(100)[0])} for _ in range(100))
        losses = [sess.run([vae["loss"], vae["train_step"]], feed)[0] for feed in feeds]
    return base64.b64encode(np.array(losses, np.float32).tobytes()).decode()


def seeds(digits_dir, mnist_dir):
    """Twenty runs, each with one thread and with two: how close the original comes to itself."""
    return [
        {
            "data": name,
            "seed": seed,
            "losses": first_losses(data_dir, seed, ONE_THREAD),
            "losses_with_two_threads": first_losses(data_dir, seed, TWO_THREADS),
        }
        for name, data_dir in [("digits", digits_dir), ("mnist", mnist_dir)]
        for seed in [*range(8), 123, 2024]
    ]


def batches():
    """Rows that `next_batch` gives for sequences of batch sizes, of sets whose row i has the label i."""
    cases = []
    choose = np.random.RandomState(0)
    for seed in range(20):
        rows = int(choose.randint(1, 60))
        sizes = [int(choose.randint(1, rows + 1)) for _ in range(30)]
        shuffle = [bool(choose.randint(4)) for _ in sizes]
        images = np.zeros([rows, 1, 1, 1], np.uint8)
        data_set = mnist.DataSet(images, np.arange(rows), dtype=tf.uint8, seed=seed)
        drawn = [data_set.next_batch(size, shuffle=s)[1].tolist() for size, s in zip(sizes, shuffle)]
        epochs = data_set.epochs_completed
        cases.append({"seed": seed, "rows": rows, "sizes": sizes, "shuffle": shuffle, "drawn": drawn, "epochs": epochs})
    return cases


def run_programs():
    """What programs see that edit a set, set its attributes, and seed the graph or NumPy's global generator."""

    def new_data_set(images, labels, program):
        tf.reset_default_graph()
        tf.set_random_seed(program["graph_seed"])
        return mnist.DataSet(images, labels, seed=program["seed"])

    # As a digest: what is seen is 2 MB, and is compared step by step.
    return [
        [hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:4] for seen in programs.run(program, new_data_set)]
        for program in programs.programs()
    ]


def models(data_dir):
    """Models of tf.layers, tf.nn.rnn_cell and tf.contrib.slim."""
    return {
        model.__name__: old_programs.run(model, tf, slim, input_data.read_data_sets(data_dir, seed=1), ONE_THREAD)
        for model in old_programs.MODELS
    }


def numerics():
    """The results for extreme values: the loss in nats, and which gradients are not finite."""
    vae = build(0)
    weights = tf.trainable_variables()
    x_logits, mu_logvar = vae["x_logits"], vae["mu_logvar"]
    names = ["mu_logvar", "x_logits"] + [variable.op.name for variable in weights]
    gradients = dict(zip(names, tf.gradients(vae["loss"], [mu_logvar, x_logits, *weights])))
    black, white = np.zeros([2, 784], np.float32), np.ones([2, 784], np.float32)
    noise = np.tile(np.float32([-1, 1]), 64).reshape(2, 64)
    cases = {"black images": {vae["x"]: black}, "white images": {vae["x"]: white}}
    for logvar in -120, -104, -103, -89, -88, -87, -50, 50, 87, 88:
        posterior = np.concatenate([np.zeros([2, 64]), np.full([2, 64], logvar)], axis=1)
        cases[f"log-variances of {logvar}"] = {vae["x"]: black, mu_logvar: posterior}
    for logit in -1e4, 1e4:
        for name, x in ("black", black), ("white", white):
            cases[f"logits of {logit:+.0e}, {name} images"] = {vae["x"]: x, x_logits: np.full([2, 784], logit)}
    record = {}
    with tf.Session(config=ONE_THREAD) as sess:
        sess.run(tf.global_variables_initializer())
        for name, feed in cases.items():
            feed[vae["epsilon"]] = noise
            loss, values = sess.run([vae["loss"], gradients], feed)
            not_finite = sorted(what for what, value in values.items() if not np.isfinite(value).all())
            record[name] = {"loss": str(loss), "not finite": not_finite}
    return record


def restore(checkpoint, data_dir):
    data = input_data.read_data_sets(data_dir)
    vae = build(0)
    with tf.Session(config=ONE_THREAD) as sess:
        tf.train.Saver().restore(sess, checkpoint)
        return {"tensorflow": tf.__version__, "on_ten_images": on_ten_images(sess, vae, data.test.images)}


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "train":
        data_dir, seed, iterations, out = arguments[:4]
        result = train(data_dir, int(seed), int(iterations), *arguments[4:])
    elif command == "seeds":
        digits_dir, mnist_dir, out = arguments
        result = seeds(digits_dir, mnist_dir)
    elif command == "batches":
        (out,) = arguments
        result = batches()
    elif command == "programs":
        (out,) = arguments
        result = run_programs()
    elif command == "models":
        data_dir, out = arguments
        result = models(data_dir)
    elif command == "numerics":
        (out,) = arguments
        result = numerics()
    elif command == "distributions":
        (out,) = arguments
        result = distributions.evaluate(tf)
    elif command == "contrib":
        (out,) = arguments
        result = contrib_parts.evaluate(tf)
    elif command == "operations":
        (out,) = arguments
        result = random_operations.all_seeds(tf)
    elif command == "restore":
        checkpoint, data_dir, out = arguments
        result = restore(checkpoint, data_dir)
    else:
        sys.exit(__doc__)
    with open(out, "w") as file:
        json.dump(result, file, indent=None, separators=(",", ":"))
        file.write("\n")
