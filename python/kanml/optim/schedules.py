"""Learning rates that change from step to step."""

from dataclasses import dataclass
from typing import Protocol

from kanml._validation import integer, number
from kanml.optim.base import State


class Schedule(Protocol):
    """A callable that returns the learning rate of a step."""

    def __call__(self, step: int, level_step: int) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : int
            The number of steps already taken in all.
        level_step : int
            The number of steps already taken since the last transition between levels.
        """


@dataclass(frozen=True)
class Ramp:
    """A learning rate that is linear from `initial` to `final` over `steps` steps, then constant.

    Parameters
    ----------
    initial, final : float
        The rates at both ends, not negative.
    steps : int
        The number of steps of the ramp, at least 1.
    restart : bool
        Whether the ramp restarts on each level.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from kanml.optim import Ramp
    >>> ramp = Ramp(0.0, 0.1, steps=4)
    >>> [ramp(step, step) for step in (0, 2, 4, 100)]
    [0.0, 0.05, 0.1, 0.1]
    """

    initial: float
    final: float
    steps: int
    restart: bool = True

    def __post_init__(self) -> None:
        for name in ("initial", "final"):
            number(getattr(self, name), name, "a number >= 0", lambda rate: rate >= 0)
        integer(self.steps, "steps", 1)
        if not isinstance(self.restart, bool):
            raise TypeError(f"restart must be True or False, got {self.restart!r}")

    def __call__(self, step: int, level_step: int) -> float:
        """Return the learning rate of a step; see `Schedule`."""
        position = level_step if self.restart else step
        if position >= self.steps:
            return self.final
        return self.initial + (self.final - self.initial) * (position / self.steps)


@dataclass(frozen=True)
class CyclicDecay:
    """A learning rate in triangular cycles between `low` and `high`, with decaying amplitude.

    The rate is low + (high - low) tri(step) decay^step, where tri rises from 0 to 1 and falls back
    within each period: the "exp_range" policy of L. N. Smith, Cyclical learning rates for training
    neural networks, 2017 (arXiv:1506.01186).

    Parameters
    ----------
    low, high : float
        The ends of its range, 0 <= low <= high.
    period : int
        The number of steps in one cycle, up and down together; at least 1.
    decay : float
        The factor by which each step reduces the amplitude, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from kanml.optim import CyclicDecay
    >>> cycle = CyclicDecay(0.0, 1.0, period=4, decay=0.5)
    >>> [cycle(step, 0) for step in range(5)]
    [0.0, 0.25, 0.25, 0.0625, 0.0]
    """

    low: float
    high: float
    period: int
    decay: float

    def __post_init__(self) -> None:
        number(self.low, "low", "a number >= 0", lambda low: low >= 0)
        number(self.high, "high", f"a number >= low = {self.low}", lambda x: x >= self.low)
        integer(self.period, "period", 1)
        number(self.decay, "decay", "a number in (0, 1]", lambda decay: 0 < decay <= 1)

    def __call__(self, step: int, level_step: int) -> float:
        """Return the learning rate of a step; see `Schedule`. It does not depend on levels."""
        phase = (step % self.period) / self.period
        triangle = 1 - abs(2 * phase - 1)
        return self.low + (self.high - self.low) * triangle * self.decay**step


def require_learning_rate(lr: float | Schedule) -> None:
    """Raise unless `lr` is a positive number or a schedule."""
    if not callable(lr):
        number(lr, "lr", "a number > 0 or a schedule", lambda rate: rate > 0)


def learning_rate(lr: float | Schedule, state: State) -> float:
    """Return the learning rate of the next step of a state."""
    if not callable(lr):
        return float(lr)
    rate = lr(state.step, state.level_step)
    number(rate, f"the learning rate of step {state.step}", "a number >= 0", _not_negative)
    return float(rate)


def _not_negative(rate: float) -> bool:
    return rate >= 0
