"""Ctrl-C during a run: the first one is noted, a second one raises."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType

__all__ = ["CtrlC"]

LATEST = 1.0  # seconds from the Ctrl-C of one process to that of another


class CtrlC:
    """A context in which the first Ctrl-C is only noted; a second raises if it is `armed`.

    It works where Python would raise KeyboardInterrupt: in the main thread, while the handler of
    SIGINT is Python's own. Elsewhere nothing changes. At the end the handler is restored, unless
    another one has been installed in the meantime.

    Attributes
    ----------
    noted : bool
        Whether there was a Ctrl-C, in this process or in one that it works with.
    armed : bool
        Whether the next one raises KeyboardInterrupt, if one was noted. Raising disarms, so that
        its handling is not interrupted in turn.

    Examples
    --------
    >>> import signal
    >>> with CtrlC() as ctrl_c:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print("noted" if ctrl_c.noted else "raised")
    noted
    """

    def __init__(self) -> None:
        self.noted = False
        self.armed = False
        self._handler = self._note  # one object, so that it can be recognised

    def note_another(self) -> None:
        """Note a Ctrl-C of another process, after a moment for it to reach this one too.

        Otherwise it could come after the end, and would be taken for a new one.
        """
        last = time.monotonic() + LATEST
        installed = signal.getsignal(signal.SIGINT) is self._handler
        while installed and not self.noted and time.monotonic() < last:
            time.sleep(0.01)
        self.noted = True

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted and self.armed:
            self.armed = False
            raise KeyboardInterrupt
        self.noted = True

    def __enter__(self) -> CtrlC:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.noted and isinstance(error, Exception):
            self._restore()
            raise KeyboardInterrupt  # with the error as its context, since nothing has reported it
        self._restore()

    def _restore(self) -> None:
        if signal.getsignal(signal.SIGINT) is self._handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
