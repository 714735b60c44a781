"""Interrupts a function at one line after another, to see what it leaves behind."""

import contextlib
import os
import signal
import sys

import vae_tf1

PACKAGE = os.path.dirname(vae_tf1.__file__)


class InterruptAtLine:
    """Sends Ctrl-C before the nth line that runs in some files of the package."""

    def __init__(self, files, n):
        self._files, self._n, self.lines = {os.path.join(PACKAGE, file) for file in files}, n, 0

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _trace(self, frame, event, _):
        if frame.f_code.co_filename not in self._files:
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self._n:
                signal.raise_signal(signal.SIGINT)
        return self._trace


def sweep(files, step, interrupted, handler=signal.default_int_handler):
    """Calls `interrupted(n)` with Ctrl-C at line n of those that run in `files`, for n = 1, 1 + step, ...; yields n."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        n = 1
        while True:
            with InterruptAtLine(files, n) as tracer, contextlib.suppress(KeyboardInterrupt):
                interrupted(n)
            yield n
            if tracer.lines < n:
                return
            n += step
    finally:
        signal.signal(signal.SIGINT, before)
