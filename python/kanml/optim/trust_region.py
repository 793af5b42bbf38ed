"""How far to go: the longest damped step whose prediction can be trusted.

The step p(radius) minimises the model |J p + r|^2 among all steps of at most that length. Its
ratio, the actual decrease of the value over the predicted one, is 1 for short steps and falls where
the function bends. `longest_trusted` looks for the longest step whose ratio has not fallen below
what is demanded, among radii between a third and three times the present one. DSGNAR tries every
one of them (arXiv:2607.02194). Where the ratio falls with growing radius, bisection finds the same
step with the logarithm of their number of evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from kanml.optim.base import State
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.matrices import DampedSteps, Triangle
from kanml.optim.units import Units
from kanml.optim.vectors import Vector, operations

__all__ = ["SPREAD", "Attempts", "Model", "longest_trusted", "radii"]

SPREAD = 3.0


class Step(NamedTuple):
    """A damped step."""

    radius: float  # in the units of the model
    damping: float
    vector: Vector
    decrease: float  # of the model


class Trial(NamedTuple):
    """A step that was tried."""

    step: Step
    parameters: Vector
    value: float
    ratio: float  # -inf where the function is not finite


class Model:
    """The model |J p + r|^2 of a sum of squares, in all parameters or in a subspace.

    Parameters
    ----------
    triangle : Triangle
        Of J, or of J V with the matrix V of the basis; finite.
    like : vector (n,)
        Steps are like it.
    units : Units
        Those of J, of steps p and their lengths.
    basis : tuple of vectors (n,), optional
        Orthonormal columns of V.

    Attributes
    ----------
    rank : int
        That of the triangle.
    columns : int
        Those of the basis; 0 without one.
    negligible : float
        A damping below all squares of singular values that count; smaller ones change no step.
    undamped : float
        The length of the undamped step.
    """

    def __init__(
        self,
        triangle: Triangle,
        like: Vector,
        units: Units,
        basis: tuple[Vector, ...] | None = None,
    ) -> None:
        self._steps = DampedSteps(triangle)
        self._like, self._basis, self.units = like, basis, units
        self.rank = self._steps.rank
        self.columns = 0 if basis is None else len(basis)
        self.negligible = triangle.epsilon * self._steps.smallest**2
        _, (undamped,), _ = self._steps.solve([0.0])
        self.undamped = float(undamped)

    def step(self, radius: float) -> Step:
        """Return the step within a radius."""
        (damping,) = self._steps.dampings([radius])
        (numbers,), _, (decrease,) = self._steps.solve([damping])
        vector = self.units.unmeasured(self._vector(numbers))
        return Step(radius, damping, vector, float(decrease))

    def _vector(self, numbers: Vector) -> Vector:
        on = operations(self._like)
        if self._basis is None:
            return on.vector(numbers, self._like)
        vector = on.full(0.0, self._like)
        for weight, direction in zip(numbers.tolist(), self._basis, strict=True):
            vector = on.axpy(weight, direction, vector)
        return vector


class Attempts:
    """Tries the steps of a model from a state, and counts the evaluations."""

    def __init__(self, function: SumOfSquares, state: State, model: Model) -> None:
        self._function, self._state, self._model = function, state, model
        self.evaluations = 0

    def __call__(self, radius: float) -> Trial:
        """Try the step within a radius."""
        start, step = self._state.parameters, self._model.step(radius)
        before, _ = self._state.evaluation()
        parameters = operations(start).axpy(1.0, step.vector, start)
        value = self._function.value(parameters)
        self.evaluations += 1
        fall = before - value
        trusted = math.isfinite(value) and step.decrease > 0
        return Trial(step, parameters, value, fall / step.decrease if trusted else -math.inf)


def radii(radius: float, count: int) -> list[float]:
    """Return `count` radii around one, ascending."""
    return [radius * SPREAD ** (2 * i / (count - 1) - 1) for i in range(count)]


def longest_trusted(
    attempt: Callable[[float], Trial], around: list[float], undamped: float, demanded: float
) -> Trial | None:
    """Return the longest trial whose ratio is as demanded, and that of all shorter ones too.

    That holds if ratios fall with growing radius, which is assumed. None if there is no such trial.
    No step is longer than the undamped one, which is tried first if it is near: close to a solution
    it can be trusted.
    """
    near = undamped <= around[-1]
    if near:
        around = [*(radius for radius in around if radius < undamped), undamped]
    best, low, high = None, 0, len(around)
    middle = high - 1 if near else high // 2
    while low < high:
        trial = attempt(around[middle])
        if trial.ratio >= demanded:
            best, low = trial, middle + 1
        else:
            high = middle
        middle = (low + high) // 2
    return best
