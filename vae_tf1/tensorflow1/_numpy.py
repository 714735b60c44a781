"""Restores what NumPy has dropped or changed since 2017."""

import functools
import sys
import warnings

import numpy as np

from vae_tf1.tensorflow1 import _imports

_RENAMED = {
    "alltrue": "all",
    "complex_": "complex128",
    "bool8": "bool_",
    "cumproduct": "cumprod",
    "float_": "float64",
    "mat": "asmatrix",
    "product": "prod",
    "round_": "round",
    "sometrue": "any",
    "string_": "bytes_",
    "trapz": "trapezoid",
    "unicode_": "str_",
}


@functools.wraps(np.reshape)
def _reshape_with_newshape(a, *arguments, newshape=None, _reshape=np.reshape, **named):
    return _reshape(a, *arguments, **named) if newshape is None else _reshape(a, newshape, *arguments, **named)


def _fromstring(string, dtype=float, count=-1, *arguments, sep="", _fromstring=np.fromstring, **named):
    """`np.fromstring` that reads bytes, too."""
    if arguments or sep:
        return _fromstring(string, dtype, count, *arguments, sep=sep, **named)
    data = string.encode("latin-1") if isinstance(string, str) else string
    return np.frombuffer(data, dtype, count).copy()


def _accepting_ragged(make_array):
    """Makes `np.array` or `np.asarray` return objects where a program's rows differ in shape, as before NumPy 1.24."""

    @functools.wraps(make_array)
    def make(*arguments, **named):
        try:
            return make_array(*arguments, **named)
        except ValueError:
            if len(arguments) > 1 or named or not _imports.is_program(sys._getframe(1).f_globals):
                raise
            return make_array(*arguments, dtype=object)

    return make


@functools.wraps(np.save)
def _save(file, arr, *arguments, _save=np.save, **named):
    _save(file, _as_array(arr), *arguments, **named)


def _as_array(arr):
    try:
        return np.asanyarray(arr)
    except ValueError:
        return np.asanyarray(arr, dtype=object)


def _savez(savez):
    @functools.wraps(savez)
    def save_ragged(file, *arrays, **named):
        savez(file, *map(_as_array, arrays), **{name: _as_array(arr) for name, arr in named.items()})

    return save_ragged


def _asfarray(a, dtype=np.float64) -> np.ndarray:
    return np.asarray(a, dtype if np.issubdtype(dtype, np.inexact) else np.float64)


def restore() -> None:
    """Changes NumPy."""
    np.fromstring, np.save = _fromstring, _save
    np.array, np.asarray = _accepting_ragged(np.array), _accepting_ragged(np.asarray)  # type: ignore[assignment]
    np.savez, np.savez_compressed = _savez(np.savez), _savez(np.savez_compressed)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        np.set_printoptions(legacy="1.25")  # 2.5, not np.float32(2.5)
    warnings.filterwarnings("ignore", message="overflow encountered in cast")  # of 1e99 > a float32
    for module, name, value in [
        *((np, builtin.__name__, builtin) for builtin in (int, float, bool, object, str, complex)),
        (np, "unicode", str),
        (np, "asscalar", lambda a: a.item()),
        (np, "asfarray", _asfarray),
        (np, "in1d", lambda ar1, ar2, *arguments, **named: np.isin(np.ravel(ar1), ar2, *arguments, **named)),
        (np, "msort", lambda a: np.sort(a, axis=0)),
        *((np, name, np.inf) for name in ("Inf", "Infinity", "PINF", "infty")),
        (np, "NINF", -np.inf),
        (np.lib, "pad", np.pad),
        *((np, name, np.nan) for name in ("NaN", "NAN")),
    ]:
        if name not in vars(module):
            setattr(module, name, value)
    for old, new in _RENAMED.items():
        if hasattr(np, new):
            setattr(np, old, getattr(np, new))  # NumPy 1.25 and 1.26 still have some of them, which warn
    np.reshape = _reshape_with_newshape
