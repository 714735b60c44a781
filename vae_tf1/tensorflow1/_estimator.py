"""`tf.estimator`: the package tensorflow-estimator 2.15, with stand-ins for what TensorFlow has dropped since."""

import functools
import importlib
import importlib.util
import logging
import sys
import types

PACKAGE = "tensorflow_estimator.python.estimator"
_V1 = f"{PACKAGE}.api._v1.estimator"


def is_installed() -> bool:
    return importlib.util.find_spec("tensorflow_estimator") is not None


def prepare() -> None:
    """Puts stand-ins where tensorflow-estimator imports what TensorFlow has dropped."""
    training = types.ModuleType("tensorflow.python.distribute.estimator_training")
    vars(training).update(init_run_config=lambda *_, **__: None, should_run_distribute_coordinator=lambda _: False)
    sys.modules["tensorflow.python.distribute"].estimator_training = training  # type: ignore[attr-defined]
    export = types.ModuleType(f"{PACKAGE}.estimator_export")
    vars(export).update(estimator_export=lambda *_, **__: lambda exported: exported)
    for module in (
        training,
        export,
        types.ModuleType("tensorflow_estimator._api.v1.estimator.tpu"),
        types.ModuleType(f"{_V1}.tpu"),
    ):
        sys.modules.setdefault(module.__name__, module)


def load() -> types.ModuleType:
    """The module `tf.estimator`."""
    estimator = importlib.import_module(_V1)
    estimator.Estimator.fit = property(_refuse_fit)
    logging.getLogger("tensorflow").addFilter(_has_stopped)
    return estimator


_stood_still: list[str] = []  # the last such message


def _has_stopped(record: logging.LogRecord) -> bool:
    """Drops the first of two equal warnings that the global step stands still.

    TensorFlow reads the step while another thread increases it, so two readings can be equal, but not three.
    """
    message = record.getMessage()
    if not message.startswith("It seems that global step"):
        return True
    again = _stood_still == [message]
    _stood_still[:] = [message]
    return again


def _refuse_fit(estimator):
    raise AttributeError(
        "tf.estimator lacks the fit of tf.contrib.learn's estimators; write train(input_fn, steps=...), with "
        "tf.estimator.inputs.numpy_input_fn for arrays."
    )


# What `tf.estimator` has taken over from `tf.contrib.learn`.
_MODELS = (
    *("DNNClassifier", "DNNRegressor", "DNNLinearCombinedClassifier", "DNNLinearCombinedRegressor"),
    *("LinearClassifier", "LinearRegressor"),
)
_SAME = ("Estimator", "NanLossDuringTrainingError", "RunConfig")


class Learn(types.ModuleType):
    """The models of `tf.contrib.learn`, which train on the mean loss, where `tf.estimator` takes the sum."""

    def __getattr__(self, name: str):
        if name not in _MODELS + _SAME or not is_installed():
            raise AttributeError(name)
        found = getattr(load(), name)
        return functools.partial(found, loss_reduction="weighted_sum_over_batch_size") if name in _MODELS else found
