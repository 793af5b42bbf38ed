"""Limited-memory BFGS."""

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from kanml._validation import choice, integer
from kanml.optim.base import (
    Function,
    Geometry,
    Optimizer,
    State,
    TransferMaps,
    advanced,
    obstacle,
    require_geometry,
)
from kanml.optim.line_search import Search, Trial, along, smaller_gradient, strong_wolfe
from kanml.optim.vectors import (
    EPSILON,
    Operations,
    Vector,
    initial_parameters,
    operations,
    require_vector,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class LBFGSState(State):
    """A state with curvature pairs, in the variables of the mapped gradient.

    Attributes
    ----------
    steps, gradient_changes : tuple of m ndarrays (n,)
        The pairs s, y of the last m <= memory steps that were kept, oldest first.
    diagonal : ndarray (n,)
        The diagonal inverse Hessian that the pairs correct; ones if there are no pairs.
    """

    steps: tuple[Vector, ...] = ()
    gradient_changes: tuple[Vector, ...] = ()
    diagonal: Vector


@dataclass(frozen=True)
class LBFGS(Optimizer[LBFGSState]):
    """Limited-memory BFGS with a strong Wolfe line search.

    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed. 2006, Algorithms 7.4 and 7.5. A
    step leaves value and gradient known at the new parameters, and usually takes one evaluation.

    - The pairs correct a diagonal matrix, which is updated with every pair. It starts as s.y / y.y
      of the first one and follows the diagonal of the BFGS update (J. C. Gilbert and C. Lemarechal,
      Some numerical experiments with variable-storage quasi-Newton algorithms, Math. Program. 45,
      1989, section 4). So weights and spline coefficients each find the scale of their steps.
    - Without pairs, the first trial is a step of length min(1, |g|) along steepest descent;
      afterwards it is the unit step.
    - A pair is kept only if s.y > eps |s| |y|, where eps is the machine epsilon of the dtype: below
      that, the sign of s.y is rounding error.
    - If the direction does not descend, or the line search finds no point where the value or the
      largest entry of the gradient is lower, the pairs are dropped and steepest descent is tried
      from the same point. The state is finished only if that fails too.
    - If the line search finds a lower point but none with the Wolfe conditions, that point is
      taken. An example is a minimum at the edge of the region where the objective is finite.
    - In a mixed geometry the direction may ascend. Then the step is halved until the gradient that
      the geometry uses has become smaller, whatever the value; the state counts such steps in
      `ascents`.
    - Values that agree to the square root of eps count as equal in the line search, which then
      uses the slopes alone (see `line_search`). So the value may rise by that much in a step.

    Parameters
    ----------
    memory : int
        The largest number of pairs that are kept, at least 1.
    line_search : {"strong-wolfe"}
        The conditions of the line search.
    geometry : {None, "spline", "relu", "relu-spline", "spline-relu"}
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import LBFGS
    >>> scales = np.array([1.0, 10.0, 100.0])
    >>> optimizer = LBFGS()
    >>> state = optimizer.init([3.0, 2.0, 1.0])
    >>> for _ in range(20):
    ...     state = optimizer.step(lambda x: (0.5 * scales @ x**2, scales * x), state)
    >>> bool(state.value < 1e-12)
    True
    """

    memory: int = 20
    line_search: str = "strong-wolfe"
    geometry: str | None = None

    def __post_init__(self) -> None:
        integer(self.memory, "memory", 1)
        choice(self.line_search, "line_search", ("strong-wolfe",))
        require_geometry(self.geometry)

    def init(self, parameters: ArrayLike) -> LBFGSState:
        """Return an initial state; see `Optimizer.init`."""
        initial = initial_parameters(parameters)
        return LBFGSState(parameters=initial, diagonal=operations(initial).full(1.0, initial))

    def step(
        self, function: Function, state: LBFGSState, geometry: Geometry | None = None
    ) -> LBFGSState:
        """Return the state after one step; see `Optimizer.step`.

        A value that is not finite never enters a state: if the objective is not finite at the
        parameters, no step is taken and the evaluation is dropped.
        """
        maps, on = self.maps(geometry), operations(state.parameters)
        if state.finished:
            return state
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        if reason := obstacle(on, value, gradient):
            return state.changed(value=None, gradient=None, finished=reason)
        if on.max_abs(gradient) == 0:
            return state.changed(finished="gradient is zero")

        after = self._search(on, function, state, maps)
        if after.finished and len(state.steps) > 0:
            ones = on.full(1.0, state.parameters)
            fresh = after.changed(steps=(), gradient_changes=(), diagonal=ones, finished="")
            after = self._search(on, function, fresh, maps)
        return after

    def vectors(self, steps: int) -> int:
        """Return how many vectors a state holds; see `Optimizer.vectors`."""
        return super().vectors(steps) + 2 * min(self.memory, steps) + 1

    def require_sound(self, state: LBFGSState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        super().require_sound(state)
        pairs = {"steps": state.steps, "gradient_changes": state.gradient_changes}
        for name, vectors in pairs.items():
            if not (isinstance(vectors, tuple) and len(vectors) == len(state.steps)):
                raise ValueError("steps and gradient_changes must be pairs of vectors")
            for vector in vectors:
                require_vector(vector, name, state.parameters)
        if len(state.steps) > self.memory:  # even at step 0: a run may begin with pairs
            raise ValueError(f"{len(state.steps)} pairs cannot be kept with memory={self.memory}")
        require_vector(state.diagonal, "diagonal", state.parameters, "positive finite numbers")

    def _search(
        self, on: Operations, function: Function, state: LBFGSState, geometry: Geometry
    ) -> LBFGSState:
        """Take a step along the two-loop direction; `finished` says why if there is none."""
        value, gradient = state.evaluation()
        mapped = geometry.gradient(gradient)
        direction = on.two_loop(state.steps, state.gradient_changes, state.diagonal, mapped)
        step = geometry.step(direction)
        start = Trial(0.0, value, on.dot(gradient, step), state.parameters, gradient)
        line = along(function, state.parameters, step)
        name = "L-BFGS" if len(state.steps) > 0 else "steepest descent"
        described = f"the {name} direction"
        first = 1.0
        if len(state.steps) == 0:
            first = 1.0 / max(1.0, on.norm(direction))

        ascent = geometry.displacement is not None and 0 <= start.slope < math.inf
        if ascent:
            found = smaller_gradient(line, start, first, lambda g: on.norm(geometry.gradient(g)))
        elif -math.inf < start.slope < 0:
            noise = math.sqrt(EPSILON[gradient.dtype])
            found = strong_wolfe(line, start, first, noise)
        else:
            return state.changed(finished=f"{described} is not one of descent")

        evaluations = state.evaluations + found.evaluations
        if reason := _failure(on, start, found, ascent):
            return state.changed(evaluations=evaluations, finished=reason.format(described))
        s = on.scaled(found.trial.t, direction)
        if geometry.displacement is not None:
            s = geometry.displacement(s)
        y = on.axpy(-1.0, mapped, geometry.gradient(found.trial.gradient))
        return advanced(
            state,
            found.trial.parameters,
            value=found.trial.value,
            gradient=found.trial.gradient,
            evaluations=evaluations,
            ascents=state.ascents + ascent,
            **self._remember(on, state, s, y),
        )

    def _remember(self, on: Operations, state: LBFGSState, s: Vector, y: Vector) -> dict[str, Any]:
        """Return the memory with one more pair; if it is full, without the oldest."""
        curvature, y_norm = on.dot(s, y), on.norm(y)
        if not curvature > EPSILON[s.dtype] * on.norm(s) * y_norm:
            return {}
        diagonal = state.diagonal
        if len(state.steps) == 0:
            diagonal = on.full(curvature / y_norm**2, s)  # equation (7.20)
        return {
            "steps": (*state.steps, s)[-self.memory :],
            "gradient_changes": (*state.gradient_changes, y)[-self.memory :],
            "diagonal": on.update_diagonal(s, y, diagonal),
        }

    def _transferred_memory(self, state: LBFGSState, maps: TransferMaps) -> dict[str, Any]:
        if len(state.steps) == 0:
            return {}
        on, like = operations(state.parameters), state.parameters
        return {
            "steps": tuple(on.vector(maps.primal(s), like) for s in state.steps),
            "gradient_changes": tuple(
                on.vector(maps.dual(y), like) for y in state.gradient_changes
            ),
            "diagonal": on.vector(maps.inverse_curvature(state.diagonal), like),
        }


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
