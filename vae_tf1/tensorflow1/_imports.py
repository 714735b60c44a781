"""Gives a program's imports of TensorFlow what TensorFlow 1.15 had under that name.

A program's own code sees TensorFlow 1; installed packages, the standard library and vae_tf1 see the installed
TensorFlow, which they were written for.
"""

import builtins
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
import types
from pathlib import Path

from vae_tf1.tensorflow1 import _missing, _pictures

_TENSORFLOW_1 = __package__
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_NOT_A_PROGRAM = (sysconfig.get_path("stdlib") + os.sep, str(Path(__file__).parents[1]) + os.sep, "<frozen")


class Module(types.ModuleType):
    """A module of TensorFlow 1.15: some attributes of its own, and the modules of today that have the rest."""

    def __init__(self, name: str, *sources: str | types.ModuleType, **attributes):
        super().__init__(f"tensorflow.{name}")
        self.__path__: list[str] = []
        self._sources = sources
        vars(self).update(attributes)

    def _packages(self) -> list[types.ModuleType]:
        return [importlib.import_module(source) if isinstance(source, str) else source for source in self._sources]

    def __getattr__(self, name: str):
        own_names = ("python", "ops", self.__name__.rpartition(".")[2])  # of contrib.learn.python.learn, for one
        if name in own_names and not self.__name__.startswith("tensorflow.python"):
            return self
        if not name.startswith("__"):
            packages = self._packages()
            for package in packages:
                found = getattr(package, name, None)
                if found is not None and not isinstance(found, types.ModuleType):
                    return found
                if hasattr(package, "__path__") and importlib.util.find_spec(f"{package.__name__}.{name}"):
                    return importlib.import_module(f"{package.__name__}.{name}")
            for package in packages:  # last, a module that the package imported for its own use
                if hasattr(package, name):
                    return getattr(package, name)
        raise AttributeError(_missing.describe(f"{self.__name__}.{name}"))

    def __setattr__(self, name: str, value):
        # Importing contrib.framework.python.ops.arg_scope would put that module in place of the function arg_scope.
        if not (isinstance(value, types.ModuleType) and hasattr(self, name)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        own = (name for name in vars(self) if not name.startswith("_"))
        return sorted({*own, *(name for package in self._packages() for name in dir(package) if name[0] != "_")})


# Modules of TensorFlow 1.15, and of the tf-keras that tf-slim expects, that have another name today.
_moved: dict[str, types.ModuleType] = {}


# Libraries that are changed when a program imports them.
_LIBRARIES = {
    "imageio": functools.cache(_pictures.restore_imageio),
    "matplotlib": functools.cache(_pictures.restore_matplotlib),
    "scipy": None,
}


def provide(name: str, module: types.ModuleType) -> None:
    """Makes `name`, and the submodules that `module` has as attributes, importable."""
    _moved[name] = module


def find(name: str) -> types.ModuleType | None:
    """The module that `provide` was given for this name or for a package above it."""
    parent, _, last = name.rpartition(".")
    if name in _moved:
        return _moved[name]
    if not parent or (package := find(parent)) is None:
        return None
    found = getattr(package, last, None)
    if isinstance(found, types.ModuleType):
        return found
    # A module named after its function, such as arg_scope, or one that tf-keras has split differently: its package
    # stands for it.
    is_here = isinstance(package, Module) and (found is not None or name.startswith("tensorflow.python.keras."))
    return package if is_here else None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        # TensorFlow imports its own tensorflow.python from here, too.
        if fullname.startswith("tensorflow.python.") or find(fullname) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def exec_module(self, module):
        sys.modules[module.__name__] = find(module.__name__)


def is_program(variables: dict | None) -> bool:
    """Whether a module with these globals belongs to the program, not to an installed package."""
    if variables is None:
        return False
    path = variables.get("__file__") or ""
    return not (path.startswith(_NOT_A_PROGRAM) or any(directory in path for directory in _INSTALLED))


def _import_for_program(name: str) -> types.ModuleType:
    """The module that TensorFlow 1.15 had under this name.

    Raises:
        ImportError: there is none; the message says what to write instead.
    """
    module = find(name)
    if module is None:
        module = sys.modules[_TENSORFLOW_1]
        for attribute in name.split(".")[1:]:
            module = getattr(module, attribute, None)
    return module if isinstance(module, types.ModuleType) else _import_or_describe(name)


def _import_or_describe(name: str, package: str | None = None, _import=importlib.import_module) -> types.ModuleType:
    try:
        return _import(name, package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}.") or not name.startswith("tensorflow."):
            raise
        raise ModuleNotFoundError(_missing.describe(name), name=name) from None


def _is_tensorflow(name: str) -> bool:
    return name == "tensorflow" or name.startswith("tensorflow.")


@functools.wraps(builtins.__import__)
def _import_statement(name, globals=None, locals=None, fromlist=(), level=0, _import=builtins.__import__):
    if level or not (_is_tensorflow(name) or name.partition(".")[0] in _LIBRARIES) or not is_program(globals):
        return _import(name, globals, locals, fromlist, level)
    if not _is_tensorflow(name):
        return _import_library(name, functools.partial(_import, name, globals, locals, fromlist, level))
    module = _import_for_program(name)
    if not fromlist:
        return sys.modules[_TENSORFLOW_1]
    for attribute in fromlist:
        if attribute != "*" and not hasattr(module, attribute):
            _import_submodule(f"{name}.{attribute}", module, attribute)
    return module


def _import_library(name: str, import_it):
    """Runs a program's import of a library, and restores the library at the first one."""
    if name.startswith("scipy.sparse.linalg.eigen"):  # a module that was a package
        for moved in ("scipy.sparse.linalg.eigen", "scipy.sparse.linalg.eigen.arpack"):
            sys.modules[moved] = importlib.import_module("scipy.sparse.linalg")
    module = import_it()
    restore = _LIBRARIES.get(name.partition(".")[0])
    if restore is not None:
        restore()
    return module


def _import_submodule(name: str, package: types.ModuleType, attribute: str) -> None:
    """Imports what `from package import attribute` asks for, as a submodule."""
    try:
        submodule = _import_for_program(name)
    except ModuleNotFoundError as error:
        raise ImportError(str(error), name=name) from None
    if not hasattr(package, attribute):
        setattr(package, attribute, submodule)


@functools.wraps(importlib.import_module)
def _import_module(name, package=None):
    if not _is_tensorflow(name):
        return _real_import_module(name, package)
    return _import_for_program(name) if is_program(sys._getframe(1).f_globals) else _import_or_describe(name)


_real_import_module = importlib.import_module


def install() -> None:
    """Replaces Python's import machinery by the functions above, for the rest of the process."""
    sys.meta_path.insert(0, _Finder())
    builtins.__import__ = _import_statement
    importlib.import_module = _import_module
