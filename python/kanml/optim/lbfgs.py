"""Limited-memory BFGS."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from kanml._validation import choice, integer
from kanml.optim.base import State, TransferMaps, require_geometry
from kanml.optim.quasi_newton import QuasiNewton, Step
from kanml.optim.soundness import require_vector
from kanml.optim.vectors import Operations, Vector, initial_parameters, operations


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
class LBFGS(QuasiNewton[LBFGSState]):
    """Limited-memory BFGS with a strong Wolfe line search.

    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed. 2006, Algorithms 7.4 and 7.5. A
    step leaves value and gradient known at the new parameters, and usually takes one evaluation.

    - The pairs correct a diagonal matrix, which is updated with every pair. It starts as s.y / y.y
      of the first one and follows the diagonal of the BFGS update (J. C. Gilbert and C. Lemarechal,
      Some numerical experiments with variable-storage quasi-Newton algorithms, Math. Program. 45,
      1989, section 4). So weights and spline coefficients each find the scale of their steps.
    - Without pairs, the first trial is a step of length ``min(1, |g|)`` along steepest descent;
      afterwards it is the unit step.
    - A pair is kept only if ``s.y > eps |s| |y|``, where eps is the machine epsilon of the dtype:
      below that, the sign of s.y is rounding error.
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
    rounds = (25, 50, 100, 200)

    def __post_init__(self) -> None:
        integer(self.memory, "memory", 1)
        choice(self.line_search, "line_search", ("strong-wolfe",))
        require_geometry(self.geometry)

    def init(self, parameters: ArrayLike) -> LBFGSState:
        """Return an initial state; see `Optimizer.init`."""
        initial = initial_parameters(parameters)
        return LBFGSState(parameters=initial, diagonal=operations(initial).full(1.0, initial))

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers a state needs; see `Optimizer.numbers`."""
        return super().numbers(n, steps) + (2 * min(self.memory, steps) + 1) * n

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

    @property
    def _name(self) -> str:
        return "L-BFGS"

    def _remembers(self, state: LBFGSState) -> bool:
        return len(state.steps) > 0

    def _forgotten(self, state: LBFGSState) -> LBFGSState:
        ones = operations(state.parameters).full(1.0, state.parameters)
        return state.changed(steps=(), gradient_changes=(), diagonal=ones)

    def _direction(self, on: Operations, state: LBFGSState, gradient: Vector) -> Vector:
        return on.two_loop(state.steps, state.gradient_changes, state.diagonal, gradient)

    def _learned(self, on: Operations, state: LBFGSState, step: Step) -> dict[str, Any]:
        """Return the memory with one more pair; if it is full, without the oldest."""
        s, y = step.s, step.y
        if step.curvature == 0:
            return {}
        diagonal = state.diagonal
        if len(state.steps) == 0:
            diagonal = on.full(step.curvature / on.norm(y) ** 2, s)  # equation (7.20)
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
