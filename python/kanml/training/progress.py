"""The progress bar of a training run, on the standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from tqdm import tqdm

from kanml.optim import State

__all__ = ["ProgressBar"]


class ProgressBar:
    """The number of steps done out of those of the schedule; a level that ends early counts fully.

    Parameters
    ----------
    schedule : sequence of int
        The steps on each level; empty if their number is not known.
    shown : bool
        Nothing is shown in a program without a standard error.
    """

    def __init__(self, schedule: Sequence[int], shown: bool) -> None:
        self.schedule = schedule
        shown = shown and _can_write()
        widgets = shown and _has_widgets()
        # What is drawn anew moves often; in a log file a line every other second is enough.
        interval = 0.1 if widgets or (shown and _is_terminal()) else 2.0
        kind = _without_monitor(_of_notebooks() if widgets else tqdm)
        total = sum(schedule) if schedule else None
        self.bar = kind(
            total=total, disable=not shown, unit="step", mininterval=interval, miniters=1
        )

    def show(self, level: int, state: State, loss: float) -> None:
        """Move to the step of a state on a level."""
        done, of = state.step, ""
        if self.schedule:
            done, of = sum(self.schedule[:level]) + state.level_step, f"/{len(self.schedule)}"
        self.bar.set_postfix_str(f"level {level + 1}{of}, loss {loss:.3e}", refresh=False)
        self.bar.update(done - self.bar.n)

    def remark(self, text: str) -> None:
        """Show a text while no steps are taken."""
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(0)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _can_write() -> bool:
    """Say whether there is a standard error, which programs without a console lack or close."""
    return sys.stderr is not None and not getattr(sys.stderr, "closed", False)


def _is_terminal() -> bool:
    return bool(getattr(sys.stderr, "isatty", bool)())  # what replaces it may have no `isatty`


def _without_monitor(kind: type[tqdm[Any]]) -> type[tqdm[Any]]:
    """Return a kind of bar that starts no thread, which tqdm would leave running for ever."""
    return type(kind.__name__, (kind,), {"monitor_interval": 0})


def _of_notebooks() -> type[tqdm[Any]]:
    from tqdm.auto import tqdm

    return tqdm


def _has_widgets() -> bool:
    """Say whether this is a notebook that can show widgets.

    `tqdm.auto` looks for the same, but warns where ipywidgets is missing.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ()) and find_spec("ipywidgets") is not None
