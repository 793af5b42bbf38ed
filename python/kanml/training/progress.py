"""The progress bar of a training run, on the standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

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
    """

    def __init__(self, schedule: Sequence[int], shown: bool) -> None:
        self.schedule = schedule
        # On a terminal the bar moves often; in a log file a line every other second is enough.
        interval = 0.1 if sys.stderr.isatty() else 2.0
        total = sum(schedule) if schedule else None
        self.bar = tqdm(total=total, disable=not shown, unit="step", mininterval=interval)

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
