"""How far to go along a direction: a line search for the strong Wolfe conditions.

With phi(t) = f(x + t p) and phi'(0) < 0, a point t is accepted when

    phi(t) <= phi(0) + c1 t phi'(0)      (sufficient decrease)
    |phi'(t)| <= c2 |phi'(0)|            (curvature)

(J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed. 2006, equations 3.7). Near a minimiser
phi(t) - phi(0) drowns in the rounding error of phi long before the slopes do. If the two values
agree to a relative `noise`, the first condition is therefore replaced by that of W. W. Hager and
H. Zhang, A new conjugate gradient method with guaranteed descent and an efficient line search,
SIAM J. Optim. 16, 2005, equation 4.1: phi'(t) <= (2 c1 - 1) phi'(0), which is sufficient decrease
of the parabola through phi(0), phi'(0) and phi'(t), and follows from the curvature condition since
c2 <= 1 - 2 c1.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from kanml.optim.base import Function, evaluate
from kanml.optim.vectors import Vector, operations

SUFFICIENT_DECREASE = 1e-4  # c1
CURVATURE = 0.9  # c2
MAX_EVALUATIONS = 25


class Trial(NamedTuple):
    """A point x + t p on the search line, with phi(t), phi'(t), and the gradient of f there."""

    t: float
    value: float
    slope: float
    parameters: Vector
    gradient: Vector

    def finite(self) -> bool:
        """Say whether f is finite here; the slope is not if an entry of the gradient is not."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


class Search(NamedTuple):
    """The result: a trial, and whether it meets the conditions.

    If it does not, it is the lowest trial with sufficient decrease, or the one at t = 0.
    """

    trial: Trial
    accepted: bool
    evaluations: int


def along(function: Function, parameters: Vector, step: Vector) -> Callable[[float], Trial]:
    """Return t -> Trial at parameters + t * step."""
    on = operations(parameters)

    def trial(t: float) -> Trial:
        point = on.axpy(t, step, parameters)
        value, gradient = evaluate(function, point)
        return Trial(t, value, on.dot(gradient, step), point, gradient)

    return trial


def strong_wolfe(
    line: Callable[[float], Trial], start: Trial, first: float, noise: float
) -> Search:
    """Search for a point that meets the strong Wolfe conditions.

    This is Nocedal and Wright's Algorithms 3.5 and 3.6 in one loop. Acceptable points lie between
    `low`, the lowest point so far with sufficient decrease, and `high`, which is unknown
    (infinitely far) as long as every trial went downhill. A trial where f is not finite counts as
    too high.

    Parameters
    ----------
    line : callable
        t -> Trial.
    start : Trial
        The trial at t = 0, finite, with a negative slope.
    first : float
        The t of the first trial, positive.
    noise : float
        Values that agree to this relative accuracy differ by rounding only.

    Returns
    -------
    Search
        After at most `MAX_EVALUATIONS` trials.
    """
    previous, low, high = start, start, None
    t = first
    widths = [math.inf, math.inf]  # of the bracket, one and two trials ago
    for evaluations in range(1, MAX_EVALUATIONS + 1):
        trial = line(t)
        if (
            not trial.finite()
            or not _sufficient_decrease(trial, start, noise)
            or (trial.value > low.value and not _same_value(trial, low, noise))
        ):
            high = trial
        elif abs(trial.slope) <= CURVATURE * abs(start.slope):
            return Search(trial, True, evaluations)
        else:
            beyond = math.inf if high is None else high.t - low.t
            previous, low = low, trial
            if low.slope * beyond >= 0:  # uphill towards `high`: the minimiser is behind
                high = previous

        if high is None:
            t = _extrapolate(previous, low, noise)
            continue
        t = _interpolate(low, high, noise)
        width = abs(high.t - low.t)
        if width > 2 / 3 * widths[1]:  # too slow (More and Thuente 1994, section 4): bisect
            t = 0.5 * (low.t + high.t)
        widths = [width, widths[0]]
        if t in (low.t, high.t):
            break
    return Search(low, False, evaluations)


def smaller_gradient(
    line: Callable[[float], Trial], start: Trial, first: float, norm: Callable[[Vector], float]
) -> Search:
    """Search for a point with a smaller gradient, along a direction that need not descend.

    It halves t until ``norm(gradient at t) <= (1 - c1 t) norm(gradient at 0)``, the condition of
    sufficient decrease for the residual of a Newton-like method (C. T. Kelley, Iterative Methods
    for Linear and Nonlinear Equations, 1995, equation 8.1).

    Parameters
    ----------
    line, start, first
        As in `strong_wolfe`, except that the slope may have any sign.
    norm : callable
        Gradient -> the number that must decrease.

    Returns
    -------
    Search
        After at most `MAX_EVALUATIONS` trials.
    """
    initial_norm = norm(start.gradient)
    t = first
    for evaluations in range(1, MAX_EVALUATIONS + 1):
        trial = line(t)
        if trial.finite() and norm(trial.gradient) <= (1 - SUFFICIENT_DECREASE * t) * initial_norm:
            return Search(trial, True, evaluations)
        t *= 0.5
    return Search(start, False, MAX_EVALUATIONS)


def _sufficient_decrease(trial: Trial, start: Trial, noise: float) -> bool:
    bound = start.value + SUFFICIENT_DECREASE * trial.t * start.slope
    return trial.value <= bound or _same_value(trial, start, noise)


def _same_value(a: Trial, b: Trial, noise: float) -> bool:
    return abs(a.value - b.value) <= noise * max(abs(a.value), abs(b.value))


def _extrapolate(previous: Trial, low: Trial, noise: float) -> float:
    """Return the t of a trial beyond `low`, where the slope is still negative."""
    guess = _minimiser(previous, low, noise)
    if not guess > low.t:  # no minimiser ahead
        return 10 * low.t
    return min(max(guess, 2 * low.t), 10 * low.t)


def _interpolate(low: Trial, high: Trial, noise: float) -> float:
    """Return the t of a trial between `low` and `high`, not too close to either."""
    width = high.t - low.t
    if not high.finite():
        return low.t + 0.25 * width  # no values to interpolate; the edge may be near
    fraction = (_minimiser(low, high, noise) - low.t) / width
    if not 0 < fraction < 1:
        fraction = 0.5
    return low.t + min(max(fraction, 0.1), 0.9) * width


def _minimiser(a: Trial, b: Trial, noise: float) -> float:
    """Return the minimiser of the cubic with values and slopes of two points, NaN if there is none.

    Nocedal and Wright, equation 3.59. If the values differ only by rounding, return the zero of the
    linear interpolant of the slopes instead.
    """
    width = b.t - a.t
    if _same_value(a, b, noise):
        return _divide(a.t * b.slope - b.t * a.slope, b.slope - a.slope)
    d1 = a.slope + b.slope - 3 * ((b.value - a.value) / width)
    discriminant = d1 * d1 - a.slope * b.slope
    if not discriminant >= 0:
        return math.nan
    d2 = math.copysign(math.sqrt(discriminant), width)
    return b.t - width * _divide(b.slope + d2 - d1, b.slope - a.slope + 2 * d2)


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else math.nan
