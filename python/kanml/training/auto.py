"""The rule of ``schedule="auto"``: when a level ends, and whether a finer one follows.

A level ends when the loss no longer falls, so that a finer grid is not asked to do what a coarse
one does at less cost. Whether a finer one follows is decided by the loss at fresh samples, which
says what the loss itself cannot: whether it is the grid that limits the accuracy, or rather the
number of points, noise, or the equation.
"""

from __future__ import annotations

import numpy as np

from kanml._validation import Float64Array
from kanml.problems import FreshLoss
from kanml.training.history import History
from kanml.training.settings import ENOUGH

__all__ = ["is_stalled", "reason_to_stop"]

PROGRESS = 0.9  # a level continues while a window of steps lowers the loss below this part of it
PAID = 0.8  # a refinement paid if its level brought the loss at fresh samples below this part
CLOSE = 2.0  # the most that the loss at fresh samples may be, of that at the given ones


def is_stalled(history: History, level: int, steps: int, window: int) -> bool:
    """Say whether the loss has stalled after some steps on a level; never within two windows.

    In the first window after a refinement an optimizer may still be learning what is new. The
    validation loss, if there is one, takes the place of the loss.
    """
    if steps < 2 * window or steps % window:
        return False
    losses = _deciding(history)[history.level == level]
    return not fell(losses[:-window].min(), losses[-window:].min(), PROGRESS)


def reason_to_stop(history: History, estimate: FreshLoss | None, parameters: int) -> str:
    """Say why no finer level should follow; an empty string if one should.

    Parameters
    ----------
    history : History
        Its last row is the end of a level.
    estimate : FreshLoss or None
        That of the last row, if there is one.
    parameters : int
        The number of parameters and unknowns on the finer level.
    """
    validated = history.validation.size > 0
    what = "the validation loss" if validated else "the loss at fresh samples"
    levels = range(int(history.level[-1]) + 1)
    ends = history.validation if validated else history.fresh
    found = [float(np.nanmin(ends[history.level == level])) for level in levels]
    if len(found) > 1 and not fell(found[-2], found[-1], PAID):
        return (
            f"the refinement to level {levels[-1]} did not pay: {what} went from {found[-2]:.3g} "
            f"to {found[-1]:.3g}, so something other than the grid limits it"
        )
    if estimate is None:
        return ""
    value, present = estimate.value, estimate.present
    if not value <= present + (CLOSE - 1) * abs(present):
        return (
            f"the points limit the accuracy: the loss at fresh samples is {value:.3g}, at the "
            f"given ones {present:.3g}"
        )
    if estimate.rows < ENOUGH * parameters:
        return (
            f"{estimate.rows} rows are too few for a finer level, which has {parameters} "
            f"parameters and needs {ENOUGH * parameters}"
        )
    return ""


def fell(before: float, after: float, part: float) -> bool:
    """Say whether a loss fell to at most a part of what it was; losses below zero fall likewise."""
    return bool(after < before and after <= before - (1 - part) * abs(before))


def _deciding(history: History) -> Float64Array:
    """Return the loss that decides which network is best; infinite where it is not finite."""
    losses = history.validation if history.validation.size else history.loss
    return np.where(np.isfinite(losses), losses, np.inf)
