"""Interrupts (Ctrl-C, a notebook's stop button) that wait until what is under way is whole."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_noted: list[int] = []


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """An interrupt inside is raised at the end: no iteration is left half done."""
    before = signal.getsignal(signal.SIGINT)
    # Interrupts come to the main thread alone, and a handler of the caller's own is left alone.
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    _noted.clear()
    signal.signal(signal.SIGINT, lambda number, frame: _noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    raise_noted()


def raise_noted() -> None:
    """Raises the interrupt that `deferred` has noted, if there is one; for a wait that could be long."""
    if _noted:
        _noted.clear()
        raise KeyboardInterrupt
