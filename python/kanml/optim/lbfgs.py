"""Limited-memory BFGS."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kanml import _core
from kanml._validation import choice, integer
from kanml.optim.base import (
    Function,
    Geometry,
    Optimizer,
    State,
    TransferMaps,
    Vector,
    advanced,
    frozen,
    initial_parameters,
    obstacle,
    require_geometry,
    require_vector,
)
from kanml.optim.line_search import Trial, along, smaller_gradient, strong_wolfe


@dataclass(frozen=True, eq=False, kw_only=True)
class LBFGSState(State):
    """A state with curvature pairs, in the variables of the mapped gradient.

    Attributes
    ----------
    steps, gradient_changes : ndarray (m, n)
        The pairs s, y of the last m <= memory steps that were kept, oldest first.
    diagonal : ndarray (n,)
        The diagonal inverse Hessian that the pairs correct; ones if there are no pairs.
    """

    steps: Vector
    gradient_changes: Vector
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
        empty = frozen(np.empty((0, initial.size)), initial.dtype)
        ones = frozen(np.ones(initial.size), initial.dtype)
        return LBFGSState(parameters=initial, steps=empty, gradient_changes=empty, diagonal=ones)

    def step(
        self, function: Function, state: LBFGSState, geometry: Geometry | None = None
    ) -> LBFGSState:
        """Return the state after one step; see `Optimizer.step`.

        A value that is not finite never enters a state: if the objective is not finite at the
        parameters, no step is taken and the evaluation is dropped.
        """
        maps = self.maps(geometry)
        if state.finished:
            return state
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        if reason := obstacle(value, gradient):
            return replace(state, value=None, gradient=None, finished=reason)
        if _core.max_abs(gradient) == 0:
            return replace(state, finished="gradient is zero")

        after = self._search(function, state, maps)
        if after.finished and len(state.steps) > 0:
            after = self._search(function, _without_memory(after), maps)
        return after

    def vectors(self, steps: int) -> int:
        """Return how many vectors a state holds; see `Optimizer.vectors`."""
        return super().vectors(steps) + 2 * min(self.memory, steps) + 1

    def require_sound(self, state: LBFGSState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        super().require_sound(state)
        pairs = len(state.steps) if np.ndim(state.steps) == 2 else 0
        if pairs > self.memory:  # even at step 0: a run may begin with pairs
            raise ValueError(f"{pairs} pairs cannot be kept with memory={self.memory}")
        require_vector(state.steps, "steps", state.parameters, pairs)
        require_vector(state.gradient_changes, "gradient_changes", state.parameters, pairs)
        require_vector(state.diagonal, "diagonal", state.parameters)
        if not (state.diagonal > 0).all():
            raise ValueError("diagonal must be positive")

    def _search(self, function: Function, state: LBFGSState, geometry: Geometry) -> LBFGSState:
        """Take a step along the two-loop direction; `finished` says why if there is none."""
        value, gradient = state.evaluation()
        mapped = geometry.gradient(gradient)
        direction = np.empty_like(mapped)
        _core.two_loop(state.steps, state.gradient_changes, state.diagonal, mapped, direction)
        step = geometry.step(direction)
        start = Trial(0.0, value, _core.dot(gradient, step), state.parameters, gradient)
        line = along(function, state.parameters, step)
        name = "L-BFGS" if len(state.steps) > 0 else "steepest descent"
        described = f"the {name} direction"
        first = 1.0
        if len(state.steps) == 0:
            first = 1.0 / max(1.0, norm(direction))

        ascent = geometry.displacement is not None and 0 <= start.slope < math.inf
        if ascent:
            found = smaller_gradient(line, start, first, lambda g: norm(geometry.gradient(g)))
        elif -math.inf < start.slope < 0:
            noise = math.sqrt(np.finfo(gradient.dtype).eps)
            found = strong_wolfe(line, start, first, noise)
        else:
            return replace(state, finished=f"{described} is not one of descent")

        state = replace(state, evaluations=state.evaluations + found.evaluations)
        if ascent and not found.accepted:
            reason = f"{described} of the mixed geometry ascends, and no step along it"
            return replace(state, finished=f"{reason} makes the gradient smaller")
        if not (found.accepted or found.trial.value < value):
            return replace(state, finished=f"line search failed along {described}")
        if not ascent and not (
            found.trial.value < value
            or _core.max_abs(found.trial.gradient) < _core.max_abs(gradient)
        ):
            return replace(state, finished=f"only rounding error along {described}")
        s = found.trial.t * direction
        if geometry.displacement is not None:
            s = geometry.displacement(s)
        y = geometry.gradient(found.trial.gradient) - mapped
        return advanced(
            state,
            found.trial.parameters,
            value=found.trial.value,
            gradient=found.trial.gradient,
            ascents=state.ascents + ascent,
            **self._remember(state, s, y),
        )

    def _remember(self, state: LBFGSState, s: Vector, y: Vector) -> dict[str, Any]:
        """Return the memory with one more pair; if it is full, without the oldest."""
        eps = float(np.finfo(s.dtype).eps)
        curvature, y_norm = _core.dot(s, y), norm(y)
        if not curvature > eps * norm(s) * y_norm:
            return {}
        if len(state.steps) == 0:
            diagonal = np.full_like(s, curvature / y_norm**2)  # equation (7.20)
        else:
            diagonal = state.diagonal.copy()
        _core.update_diagonal(s, y, diagonal)
        oldest = max(0, len(state.steps) + 1 - self.memory)
        steps = np.concatenate([state.steps[oldest:], s[np.newaxis]])
        gradient_changes = np.concatenate([state.gradient_changes[oldest:], y[np.newaxis]])
        memory = {"steps": steps, "gradient_changes": gradient_changes, "diagonal": diagonal}
        for array in memory.values():
            array.flags.writeable = False
        return memory

    def _transferred_memory(self, state: LBFGSState, maps: TransferMaps) -> dict[str, Any]:
        if len(state.steps) == 0:
            return {}
        dtype = state.parameters.dtype
        return {
            "steps": frozen(maps.primal(state.steps), dtype),
            "gradient_changes": frozen(maps.dual(state.gradient_changes), dtype),
            "diagonal": frozen(1 / maps.curvature(1 / state.diagonal), dtype),
        }


def norm(x: Vector) -> float:
    """Return the Euclidean norm."""
    return math.sqrt(_core.dot(x, x))


def _without_memory(state: LBFGSState) -> LBFGSState:
    return replace(
        state,
        steps=state.steps[:0],
        gradient_changes=state.gradient_changes[:0],
        diagonal=frozen(np.ones(state.parameters.size), state.parameters.dtype),
        finished="",
    )
