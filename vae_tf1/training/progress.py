"""Shows the progress of training in the terminal or the notebook; if that fails, training continues without it."""

import contextlib
import os
from collections.abc import Callable

from tqdm.auto import tqdm

# Python raises ValueError for a closed file, and tqdm AttributeError if there is no stderr at all.
_UNWRITABLE = (OSError, ValueError, AttributeError)


class Progress:
    """A progress bar on stderr. It disappears if stderr can't be written (a closed terminal, a full disk).

    Args:
        done: iterations done so far.
        iterations: total iterations.
    """

    def __init__(self, done: int, iterations: int):
        # TQDM_DISABLE is tqdm's own switch, which its notebook bar ignores.
        disable = bool(os.environ.get("TQDM_DISABLE"))
        self._bar: tqdm | None = None
        with contextlib.suppress(*_UNWRITABLE):
            self._bar = tqdm(total=iterations, initial=done, unit="iteration", desc="Training", disable=disable)

    def update(self, done: int) -> None:
        self._try(lambda bar: bar.update(done - bar.n))

    def pause(self, loss: float) -> None:
        """Clears the bar, so that what the caller prints gets a line of its own."""
        self._try(lambda bar: bar.set_postfix_str(f"{loss:.2f} nats", refresh=False))
        self._try(lambda bar: bar.clear())

    def resume(self) -> None:
        self._try(lambda bar: bar.refresh())

    def close(self) -> None:
        self._try(lambda bar: bar.close())

    def _try(self, action: Callable[[tqdm], object]) -> None:
        if self._bar is None:
            return
        try:
            action(self._bar)
        except _UNWRITABLE:
            self._bar.disable = True  # otherwise it would write once more when it is collected
            self._bar = None


def say(line: str) -> None:
    """Prints a line on stdout, above the progress bars; it is lost if stdout can't be written."""
    with contextlib.suppress(*_UNWRITABLE):
        tqdm.write(line)
