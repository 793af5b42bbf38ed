"""What quasi-Newton methods share: a step along -H g, with an inverse Hessian H that they learn."""

import math
from abc import abstractmethod
from typing import Any, NamedTuple, TypeVar

from kanml.optim.base import Function, Geometry, Optimizer, State, advanced
from kanml.optim.line_search import Search, Trial, along, smaller_gradient, strong_wolfe
from kanml.optim.vectors import EPSILON, Operations, Vector, operations

S = TypeVar("S", bound=State)


class Step(NamedTuple):
    """An accepted step, in the variables of the mapped gradient.

    Attributes
    ----------
    t : float
        How far it goes along the direction.
    slope : float
        The derivative of the objective along the direction, where the step begins.
    decrease : float
        How much smaller the value is where the step ends.
    direction : ndarray (n,)
    s : ndarray (n,)
        The step; t times the direction, unless the geometry is mixed.
    y : ndarray (n,)
        The change of the gradient.
    gradient : ndarray (n,)
        The gradient where the step ends.
    curvature : float
        s.y if s.y > eps |s| |y|, where eps is the machine epsilon of the dtype; else 0: below
        that, its sign is rounding error.
    """

    t: float
    slope: float
    decrease: float
    direction: Vector
    s: Vector
    y: Vector
    gradient: Vector
    curvature: float


class QuasiNewton(Optimizer[S]):
    """An optimizer that learns from steps and changes of the gradient.

    Subclasses say what they remember, how it turns a gradient into a direction, and what an
    accepted step adds.
    """

    @property
    @abstractmethod
    def _name(self) -> str:
        """What the method is called in `State.finished`."""

    @abstractmethod
    def _remembers(self, state: S) -> bool:
        """Say whether there is a memory; without one the method is steepest descent."""

    @abstractmethod
    def _forgotten(self, state: S) -> S:
        """Return the state without its memory."""

    @abstractmethod
    def _direction(self, on: Operations, state: S, gradient: Vector) -> Vector:
        """Return -H g for the mapped gradient g of the state."""

    def _first_trial(self, on: Operations, state: S, start: Trial, direction: Vector) -> float:
        """Return the t that the search tries first; `start` is the trial at t = 0."""
        return 1.0 if self._remembers(state) else 1.0 / max(1.0, on.norm(direction))

    @abstractmethod
    def _learned(self, on: Operations, state: S, step: Step) -> dict[str, Any]:
        """Return the fields of the memory that change with an accepted step."""

    def step(self, function: Function, state: S, geometry: Geometry | None = None) -> S:
        """Return the state after one step; see `Optimizer.step`.

        A value that is not finite never enters a state: if the objective is not finite at the
        parameters, no step is taken and the evaluation is dropped.
        """
        maps, on = self.maps(geometry), operations(state.parameters)
        if state.finished:
            return state
        state = self.evaluate_start(function, state)
        if state.finished:
            return state

        after = self._search(on, function, state, maps)
        if after.finished and self._remembers(state):
            fresh = self._forgotten(after.changed(finished=""))
            after = self._search(on, function, fresh, maps)
        return after

    def _search(self, on: Operations, function: Function, state: S, geometry: Geometry) -> S:
        """Take a step along -H g; `finished` says why if there is none."""
        value, gradient = state.evaluation()
        mapped = geometry.gradient(gradient)
        direction = self._direction(on, state, mapped)
        step = geometry.step(direction)
        start = Trial(0.0, value, on.dot(gradient, step), state.parameters, gradient)
        line = along(function, state.parameters, step)
        first = self._first_trial(on, state, start, direction)
        described = f"the {self._name if self._remembers(state) else 'steepest descent'} direction"

        ascent = geometry.displacement is not None and 0 <= start.slope < math.inf
        if ascent:
            found = smaller_gradient(line, start, first, lambda g: on.norm(geometry.gradient(g)))
        elif -math.inf < start.slope < 0:
            found = strong_wolfe(line, start, first, noise(gradient))
        else:
            return state.changed(finished=f"{described} is not one of descent")

        evaluations = state.evaluations + found.evaluations
        if reason := _failure(on, start, found, ascent):
            return state.changed(evaluations=evaluations, finished=reason.format(described))
        trial = found.trial
        s = on.scaled(trial.t, direction)
        if geometry.displacement is not None:
            s = geometry.displacement(s)
        after = geometry.gradient(trial.gradient)
        y = on.axpy(-1.0, mapped, after)
        taken = Step(
            t=trial.t,
            slope=start.slope,
            decrease=value - trial.value,
            direction=direction,
            s=s,
            y=y,
            gradient=after,
            curvature=_curvature(on, s, y),
        )
        return advanced(
            state,
            trial.parameters,
            value=trial.value,
            gradient=trial.gradient,
            evaluations=evaluations,
            ascents=state.ascents + ascent,
            **self._learned(on, state, taken),
        )


def noise(like: Vector) -> float:
    """Return the relative accuracy to which values count as equal in the search."""
    return math.sqrt(EPSILON[like.dtype])


def _curvature(on: Operations, s: Vector, y: Vector) -> float:
    """Return s.y, or 0 if that is rounding error."""
    curvature, rounding = on.dot(s, y), EPSILON[s.dtype] * on.norm(s) * on.norm(y)
    return curvature if 0 < rounding < curvature else 0.0


def _failure(on: Operations, start: Trial, found: Search, ascent: bool) -> str:
    """Say why a search did not find a step, with {} for the direction; empty if it did."""
    lower = found.trial.value < start.value
    if ascent:
        ascends = (
            "{} of the mixed geometry ascends, and no step along it makes the gradient smaller"
        )
        return "" if found.accepted else ascends
    if not (found.accepted or lower):
        return "line search failed along {}"
    if not (lower or on.max_abs(found.trial.gradient) < on.max_abs(start.gradient)):
        return "only rounding error along {}"
    return ""
