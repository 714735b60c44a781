"""Every public function, called with arguments that are almost right, of a strange type, or nonsense.

One argument at a time is replaced. The outcome must be a right result (the same as for the value in its plain form) or
an error of one sentence that this package raises. Errors that a library raises are counted; few are allowed. Any other
result is silently wrong: none is allowed.
"""

import collections
import contextlib
import inspect
import io
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vae_tf1
from vae_tf1 import input_data

PACKAGE = os.path.dirname(vae_tf1.__file__)
RAW_SHARE = 0.05  # the largest allowed share of calls that end in a library's error


class Strange:
    """An object of a foreign type, whose conversions fail."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no array")

    def __index__(self):
        raise ValueError("no number")

    def __repr__(self):
        return "Strange()"


NUMBERS: list[Any] = [
    *(True, np.True_, 0, -1, 3, 1.0, 1.5, float("nan"), float("inf"), 2**40, 2**70, -(2**70), 3j),
    *(np.uint8(3), np.int8(-3), np.int64(3), np.float32(3), np.array(3), np.array([3]), np.array([3, 4])),
    *("3", b"3", "", None, [], [3], {}, range(3), object, Strange()),
]
PATHS = [
    *(None, 3, True, b"run", "", "a\0b", "gs://bucket/run", "~nobody-of-this-name/run", ["run"], object, Strange()),
    *("x" * 300, "/proc/nothing/run", "/dev/null", "/dev/null/run", "run [1]", "two words", "Zürich", "*", "."),
]
TEXTS = [None, "", 3, b"text", ["text"], "nothing of this name", object, Strange()]
OBJECTS: list[Any] = [None, 3, "text", [], {}, (), np.zeros(3), object, Strange()]


def arrays_like(array: np.ndarray) -> list[Any]:
    """Arrays that are wrong or unusual in some way, made from a right one."""
    array = np.asarray(array)
    wrong: list[Any] = [*OBJECTS, [[1, 2], [3]], Strange(), np.array("text"), np.array([None, 1]), iter([1])]
    wrong += [array[:0], array[:1], array.ravel(), array[np.newaxis], array[..., :-1], array.T, array.sum()]
    dtypes = bool, np.uint8, np.int64, np.float16, np.float64, ">f4", complex, object
    wrong += [array.astype(dtype) for dtype in dtypes]
    wrong += [array.astype(str), array.tolist(), np.asfortranarray(array), np.ma.masked_array(array, array > 0)]
    wrong += [array.astype(float) - 1, array * 300.0]
    if array.dtype.kind == "f":
        wrong += [np.where(array > 0.5, value, array) for value in (np.nan, np.inf)]
    return wrong


class Call(NamedTuple):
    """A call that is right, and for each of its parameters the values to replace it with."""

    function: Callable
    right: dict[str, Any]
    hostile: dict[str, list[Any]]


def outcome(call: Call, name: str, value: Any) -> str:
    """The outcome of the call with one argument replaced: "right", "refused", "warned", "raw" or "silent"."""
    try:
        with in_an_empty_directory():
            result = finished(call.function(**{**call.right, name: value}))
    except Exception as error:
        return kind_of(error)
    try:
        with in_an_empty_directory():
            expected = finished(call.function(**{**call.right, name: plain(value)}))
    except Exception:
        return "silent"  # refused in its plain form, but accepted in this one
    return "right" if same(result, expected) else "silent"


@contextlib.contextmanager
def in_an_empty_directory() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        try:
            yield
        finally:
            plt.close("all")


def kind_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return "refused"  # the operating system's sentence names the file
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = str(error)
    if not frame.filename.startswith(PACKAGE) or "\n" in message or not message.endswith("."):
        return "raw"
    return "warned" if isinstance(error, Warning) else "refused"


def plain(value: Any) -> Any:
    """The same value in a form that is unambiguous."""
    if (isinstance(value, np.ndarray) and value.ndim == 0) or isinstance(value, np.integer):
        return value.item()
    if isinstance(value, np.ndarray | list):
        array = np.asarray(value)
        return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else None)
    return Path(value) if isinstance(value, str) and value in PATHS else value


def finished(result: Any) -> Any:
    """The result of a call in a form that can be compared: generators have run, figures are drawn."""
    if isinstance(result, plt.Figure):
        drawn = io.BytesIO()
        result.savefig(drawn, format="rgba", dpi=20)
        return drawn.getvalue()
    if isinstance(result, Iterator):
        return [[report.iteration, report.loss, report.kl_divergence] for report in result]
    if isinstance(result, vae_tf1.DataSet):
        return [result.images, result.labels, *result.next_batch(2)]
    if isinstance(result, vae_tf1.Datasets):
        return [finished(part) for part in result]
    if isinstance(result, tf.Tensor | vae_tf1.VAE | tuple):
        return [repr(each) for each in result] if isinstance(result, tuple) else repr(result)
    return result


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | float):
        return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
    return a == b


PIXELS = 16
_RANDOM = np.random.RandomState(0)
IMAGES = _RANDOM.rand(12, PIXELS).astype(np.float32)
BYTES, LABELS = _RANDOM.randint(0, 256, [12, 4, 4]).astype(np.uint8), np.arange(12) % 3
MU_LOGVAR = _RANDOM.normal(size=[12, 4]).astype(np.float32)
REPORTS = [vae_tf1.Report(i, 5.0, 4.0, 1.0, IMAGES[:5], IMAGES[:5]) for i in range(3)]
BOOLS = ("fake_data", "one_hot", "reshape", "shuffle", "overwrite", "compiled", "fake")  # Python's truth values


def data_set() -> vae_tf1.DataSet:
    return vae_tf1.DataSet(BYTES, LABELS, seed=0)


def without_none(values: list[Any]) -> list[Any]:
    """The values except None, for a parameter that documents None."""
    return [value for value in values if value is not None]


def quick_calls() -> Iterator[Call]:
    """Calls of functions of NumPy arrays and files, which take milliseconds."""
    rows, three = arrays_like(IMAGES), arrays_like(BYTES)
    seeds = without_none(NUMBERS)
    yield Call(vae_tf1.binarize, {"images": IMAGES}, {"images": rows})
    yield Call(vae_tf1.kl_per_dimension, {"mu_logvar": MU_LOGVAR}, {"mu_logvar": arrays_like(MU_LOGVAR)})
    yield Call(vae_tf1.Estimate.of, {"values": IMAGES[0]}, {"values": arrays_like(IMAGES[0])})
    sizes = dict.fromkeys(("batch_size", "hidden_units"), NUMBERS)
    yield Call(vae_tf1.session_config, {}, sizes)
    yield Call(
        vae_tf1.DataSet,
        {"images": BYTES, "labels": LABELS, "seed": 0},
        {
            "images": three,
            "labels": without_none(arrays_like(LABELS)),
            "dtype": [*OBJECTS, np.float64, "float32", "int", tf.uint8, np.dtype("u1")],
            "seed": seeds,
            "random_state": seeds,
        },
    )
    for method in vae_tf1.DataSet.next_batch, vae_tf1.DataSet.next_rows:
        function = fresh(method)
        yield Call(function, {"batch_size": 2}, {"batch_size": NUMBERS})
    part = fresh(vae_tf1.DataSet.part)
    chosen = [*without_none(arrays_like(np.arange(3))), slice(0, 3), slice(0, "3"), [True] * 12, [13], [-1], [0.5]]
    yield Call(part, {"random_state": 0}, {"labels": chosen, "rows": chosen, "random_state": seeds})
    yield Call(
        vae_tf1.read_data_sets,
        {"train_dir": "data", "source": "builtin", "seed": 0, "validation_size": 5},
        {
            "dtype": OBJECTS,
            "validation_size": NUMBERS,
            "seed": seeds,
            "source": TEXTS,
            "source_url": [],
        },
    )
    yield Call(input_data.load_dataset, {"name": "mnist"}, {"name": TEXTS})
    yield Call(
        input_data.dense_to_one_hot,
        {"labels_dense": LABELS, "num_classes": 3},
        {"labels_dense": arrays_like(LABELS), "num_classes": NUMBERS},
    )
    for reader in input_data.extract_images, input_data.extract_labels:
        yield Call(reader, {"f": "images.gz"}, {"f": PATHS, "num_classes": []})
    yield Call(vae_tf1.past_reports, {"checkpoint_dir": "run"}, {"checkpoint_dir": PATHS})


def fresh(method: Callable) -> Callable:
    """A method of `DataSet`, called on a set from which nothing has been drawn."""

    def function(**arguments: Any) -> Any:
        return method(data_set(), **arguments)

    parameters = list(inspect.signature(method).parameters.values())[1:]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__name__ = method.__qualname__
    return function


def drawing_calls() -> Iterator[Call]:
    """Calls that draw a figure."""
    rows = arrays_like(IMAGES)
    yield Call(
        vae_tf1.visualize_row,
        {"image": IMAGES, "reconstruction": IMAGES, "img_width": 4},
        {"image": rows, "reconstruction": rows, "img_width": NUMBERS, "cmap": without_none(TEXTS)},
    )
    grid = IMAGES.reshape(3, 4, PIXELS)
    names = [*without_none(OBJECTS), ["a", "b", "c", "d"], range(3), "abc"]
    yield Call(
        vae_tf1.visualize_grid,
        {"images": grid, "title": "Digits"},
        {
            "images": arrays_like(grid),
            "row_labels": names,
            "column_labels": names,
            "img_width": without_none(NUMBERS),
            "title": [],
            "xlabel": [],
        },
    )
    yield Call(vae_tf1.plot_losses, {"reports": REPORTS}, {"reports": [*OBJECTS, tuple(REPORTS), REPORTS[0], [1, 2]]})
    yield Call(
        vae_tf1.plot_latent_means,
        {"mu": MU_LOGVAR, "labels": LABELS},
        {"mu": arrays_like(MU_LOGVAR), "labels": arrays_like(LABELS)},
    )
    kl_divergence = np.abs(MU_LOGVAR[0])
    yield Call(
        vae_tf1.plot_kl_per_dimension,
        {"kl_divergence": kl_divergence},
        {"kl_divergence": arrays_like(kl_divergence), "active_from": []},
    )


def model_calls(stage: "Stage") -> Iterator[Call]:
    """Calls that take a model and a session, which take tenths of a second."""
    small = [value for value in NUMBERS if not isinstance(value, int) or value < 100]  # that many would take forever
    measured = {"sess": stage.sess, "vae": stage.vae, "images": IMAGES}
    hostile = {
        "sess": stage.wrong_sessions,
        "vae": stage.wrong_vaes,
        "images": arrays_like(IMAGES),
        "seed": NUMBERS,
        "feed": without_none([*OBJECTS, {"x": 1}, {stage.vae.z: 1}, {stage.vae.x: IMAGES[:, :3]}]),
    }
    yield Call(vae_tf1.evaluate, measured, {**hostile, "batch_size": NUMBERS})
    yield Call(vae_tf1.log_likelihood, {**measured, "num_samples": 2}, {**hostile, "num_samples": small})
    del hostile["images"], hostile["seed"], measured["images"]
    yield Call(exported, {**measured, "path": "model"}, {**hostile, "path": PATHS})
    numbers = dict.fromkeys(("iterations", "batch_size", "report_every"), NUMBERS)
    yield Call(
        trained,
        {"sess": stage.sess, "vae": stage.vae, "data": stage.data(), "iterations": 2, "batch_size": 3},
        {
            **numbers,
            "iterations": small,
            "sess": stage.wrong_sessions,
            "vae": stage.wrong_vaes,
            "data": [*OBJECTS, data_set(), stage.data().train.images],
            "checkpoint_every": without_none(NUMBERS),
            **{name: without_none(PATHS) for name in ("checkpoint_dir", "initial_checkpoint", "log_dir")},
        },
    )


def builder_calls() -> Iterator[Call]:
    """Calls that build parts of a graph."""
    tensors = {"x": IMAGES, "z": MU_LOGVAR, "mu_logvar": MU_LOGVAR, "x_logits": IMAGES}
    hostile: dict[str, list[Any]] = {name: [*OBJECTS, *arrays_like(value)[-6:]] for name, value in tensors.items()}
    hostile |= dict.fromkeys(("hidden_units", "latent_dimensions", "image_pixels"), NUMBERS)
    model = vae_tf1.encoder, vae_tf1.sample_latent, vae_tf1.decode, vae_tf1.decoder
    for function in (*model, vae_tf1.negative_elbo, vae_tf1.optimizer):
        names = inspect.signature(function).parameters
        right = {name: value for name, value in tensors.items() if name in names}
        yield Call(in_a_graph(function), right, {name: hostile[name] for name in names})
    yield Call(
        in_a_graph(vae_tf1.build_vae),
        {"image_pixels": PIXELS, "hidden_units": 8, "latent_dimensions": 2},
        {
            **dict.fromkeys(("hidden_units", "latent_dimensions", "image_pixels"), NUMBERS),
            "seed": without_none(NUMBERS),
            "beta": NUMBERS,
            **{name: without_none(OBJECTS) for name in ("encoder", "decode", "prior", "optimizer")},
        },
    )


def in_a_graph(function: Callable) -> Callable:
    """Makes a builder run in a new graph, and return the shapes of the tensors that it builds."""

    def build(**arguments: Any) -> Any:
        with tf.Graph().as_default():
            right = {
                name: tf.constant(value) for name, value in arguments.items() if value is IMAGES or value is MU_LOGVAR
            }
            built = function(**{**arguments, **right})
            built = built if isinstance(built, tuple | list) else [built]
            return [each.shape.as_list() for each in built if isinstance(each, tf.Tensor)]

    build.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    build.__name__ = function.__name__
    return build


class Stage:
    """A small model and its session, and objects that can be mistaken for them."""

    def __init__(self, sess: tf.Session, vae: vae_tf1.VAE):
        self.sess, self.vae = sess, vae
        closed = tf.Session()
        closed.close()
        self.wrong_sessions = [*OBJECTS, closed, tf.Session(graph=tf.Graph()), tf.Session]
        numbers = tf.constant(1.0)
        feeders: list[Any] = [3, lambda *data: None, lambda *data: {"x": data[0]}]
        self.wrong_vaes = [
            *OBJECTS,
            tuple(vae),
            vae._asdict(),
            *(vae._replace(**{name: numbers}) for name in ("x", "z", "mu_logvar", "reconstruction", "kl_divergence")),
            *(vae._replace(**{name: None}) for name in ("x", "z", "mu_logvar", "reconstruction", "x_logits", "x_dist")),
            *(vae._replace(inputs=value) for value in feeders),
            *(vae._replace(log_prior=value) for value in (3, vae.loss)),
        ]

    @staticmethod
    def data() -> vae_tf1.Datasets:
        return vae_tf1.Datasets(data_set(), data_set(), data_set())


def exported(**arguments: Any) -> list[str]:
    vae_tf1.export_saved_model(**arguments, overwrite=True)
    return sorted(file.name for file in Path(arguments["path"]).expanduser().rglob("*"))


exported.__signature__ = inspect.signature(vae_tf1.export_saved_model)  # type: ignore[attr-defined]


def trained(**arguments: Any) -> list[Any]:
    tf.get_default_session().run(tf.global_variables_initializer())
    if isinstance(arguments["data"], vae_tf1.Datasets):
        arguments["data"] = Stage.data()
    return [[report.iteration, bool(np.isfinite(report.loss))] for report in vae_tf1.train(**arguments)]


trained.__signature__ = inspect.signature(vae_tf1.train)  # type: ignore[attr-defined]


def check(calls: Iterator[Call]) -> None:
    """Makes each call with each of its arguments replaced by each hostile value, and counts the outcomes."""
    counted: collections.Counter[str] = collections.Counter()
    failures = []
    for call in calls:
        parameters = set(inspect.signature(call.function).parameters) - set(BOOLS)
        assert parameters <= set(call.hostile) | set(call.right), f"{call.function.__name__} has more parameters"
        for name, values in call.hostile.items():
            for value in values:
                found = outcome(call, name, value)
                counted[found] += 1
                if found in ("silent", "raw"):
                    failures.append(f"{found}: {call.function.__name__}({name}={value!r:.80})")
    print(dict(counted), *failures, sep="\n")
    assert not [failure for failure in failures if failure.startswith("silent")]
    assert len(failures) <= RAW_SHARE * counted.total()


def test_arrays_and_files():
    check(quick_calls())


@pytest.mark.slow
def test_pictures():
    check(drawing_calls())


def test_builders():
    check(builder_calls())


@pytest.mark.slow
def test_models():
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
        vae = vae_tf1.build_vae(seed=0, image_pixels=PIXELS, hidden_units=8, latent_dimensions=2)
        sess.run(tf.global_variables_initializer())
        check(model_calls(Stage(sess, vae)))
