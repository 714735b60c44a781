"""What NumPy has dropped since 2017, and what it does otherwise."""

import functools

import numpy as np

_RENAMED = {
    "alltrue": "all",
    "complex_": "complex128",
    "bool8": "bool_",
    "cumproduct": "cumprod",
    "float_": "float64",
    "in1d": "isin",
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


def restore() -> None:
    for module, name, value in [
        *((np, builtin.__name__, builtin) for builtin in (int, float, bool, object, str, complex)),
        (np, "unicode", str),
        (np, "asscalar", lambda a: a.item()),
        (np, "asfarray", lambda a, dtype=np.float64: np.asarray(a, dtype)),
        (np, "msort", lambda a: np.sort(a, axis=0)),
        *((np, name, np.inf) for name in ("Inf", "Infinity", "PINF", "infty")),
        (np, "NINF", -np.inf),
        (np.lib, "pad", np.pad),
        *((np, name, np.nan) for name in ("NaN", "NAN")),
        *((np, old, getattr(np, new)) for old, new in _RENAMED.items() if hasattr(np, new)),
    ]:
        if name not in vars(module):
            setattr(module, name, value)
    np.reshape = _reshape_with_newshape
