"""Delays interrupts (Ctrl-C, a notebook's stop button) until the work in progress is complete."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_noted: list[int] = []


@contextlib.contextmanager
def defer() -> Iterator[None]:
    """Delays interrupts that arrive inside the block to its end, so that no iteration is left half done."""
    before = signal.getsignal(signal.SIGINT)
    # Python delivers signals to the main thread only; a handler of the caller stays in effect.
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    _noted.clear()
    signal.signal(signal.SIGINT, lambda number, frame: _noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        interrupted = pending()
        _noted.clear()
    if interrupted:
        raise KeyboardInterrupt


def pending() -> bool:
    """Whether `defer` has noted an interrupt, which it will raise at the end of its block."""
    return bool(_noted)
