"""Self-scaled quasi-Newton methods with a dense inverse Hessian."""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from kanml._validation import choice
from kanml.optim.base import Geometry, State, TransferMaps
from kanml.optim.line_search import Trial
from kanml.optim.quasi_newton import QuasiNewton, Step, noise
from kanml.optim.soundness import require_finite, require_vector
from kanml.optim.vectors import Operations, Vector, initial_parameters, operations, packed_size

NAMES = {"ssbroyden": "SSBroyden", "ssbfgs": "SSBFGS", "bfgs": "BFGS"}

B = TypeVar("B", bound="SSBroydenState")


@dataclass(frozen=True, eq=False, kw_only=True)
class SSBroydenState(State):
    """A state with an inverse Hessian.

    Attributes
    ----------
    inverse_hessian : ndarray (n (n + 1) / 2,) or None
        The lower triangle of H, row after row; None for the identity, as long as no step has
        shown curvature.
    direction : ndarray (n,) or None
        -H g for the gradient g of this state; None if it has not been computed.
    scale : float
        The multiple s.y / y.y of the identity of the last pair that was kept.
    decrease : float
        How much smaller the last step made the value; 0 if there was none.
    """

    inverse_hessian: Vector | None = None
    direction: Vector | None = None
    scale: float = 1.0
    decrease: float = 0.0

    def stale(self: B) -> B:
        """Return the state for a changed objective; see `State.stale`."""
        return super().stale().changed(direction=None)


@dataclass(frozen=True)
class SSBroyden(QuasiNewton[SSBroydenState]):
    """A self-scaled quasi-Newton method with a dense inverse Hessian and a strong Wolfe search.

    Every step updates an approximation H of the inverse Hessian, n (n + 1) / 2 numbers for n
    parameters. A step takes one product with H and one pass over it, beside usually one evaluation.

    - ``"ssbroyden"`` is the self-scaled member of Broyden's family of M. Al-Baali, as J. F. Urban,
      P. Stefanou and J. A. Pons (arXiv:2405.04230) use it for physics-informed networks.
    - ``"ssbfgs"`` is BFGS with Al-Baali's self-scaling: H is multiplied by max(1, b) before it is
      updated, where b is the ratio of the curvature that H predicts along the step to the
      curvature found.
    - ``"bfgs"`` is BFGS.

    The formulas are in docs/mathematics.md, section 12. Beyond them:

    - H begins as the identity. The first pair makes it s.y / y.y times the identity, and updates
      that by BFGS. H starts anew if it turns out not to be positive, but not when the objective
      changes, as with points drawn anew.
    - Between levels H becomes P H P^T, with the prolongation P, and mu times the identity on what
      P does not reach: new directions begin with mu = s.y / y.y of the last pair, as all directions
      did at the start.
    - The first trial goes as far as a parabola needs for the decrease of the last step, but not
      beyond the unit step (Nocedal and Wright 2006, equation 3.60). Directions of self-scaled
      matrices are too long rather than too short: unit steps alone take about 1.6 evaluations a
      step.
    - The line search, the very first trial, what happens where a search fails, and which pairs are
      skipped are as in `LBFGS`. There is no `geometry`: the optimizer works in the network's own
      parameters.

    Parameters
    ----------
    update : {"ssbroyden", "ssbfgs", "bfgs"}
        The formula of the update.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import SSBroyden
    >>> scales = np.array([1.0, 10.0, 100.0])
    >>> optimizer = SSBroyden()
    >>> state = optimizer.init([3.0, 2.0, 1.0])
    >>> for _ in range(20):
    ...     state = optimizer.step(lambda x: (0.5 * scales @ x**2, scales * x), state)
    >>> bool(state.value < 1e-12)
    True
    """

    update: str = "ssbroyden"

    def __post_init__(self) -> None:
        choice(self.update, "update", tuple(NAMES))

    def init(self, parameters: ArrayLike) -> SSBroydenState:
        """Return an initial state; see `Optimizer.init`."""
        return SSBroydenState(parameters=initial_parameters(parameters))

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers a state needs; see `Optimizer.numbers`.

        A step begins with one matrix and ends with another.
        """
        return super().numbers(n, steps) + n + 2 * packed_size(n)

    def maps(self, geometry: Geometry | None) -> Geometry:
        """Return the given maps, or the identity; see `Optimizer.step`."""
        if geometry is not None and geometry.displacement is not None:
            raise ValueError("SSBroyden cannot step in other variables than those of its gradient")
        return super().maps(geometry)

    def require_sound(self, state: SSBroydenState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        super().require_sound(state)
        like = state.parameters
        require_finite(state.scale, "scale", positive=True)
        require_finite(state.decrease, "decrease")
        if state.direction is not None:
            require_vector(state.direction, "direction", like)
        if state.inverse_hessian is not None:
            name = "inverse_hessian"
            require_vector(state.inverse_hessian, name, like, size=packed_size(like.size))
            diagonal = operations(like).diagonal(state.inverse_hessian, like)
            require_vector(diagonal, f"diagonal of {name}", like, "positive finite numbers")

    @property
    def _name(self) -> str:
        return NAMES[self.update]

    def _remembers(self, state: SSBroydenState) -> bool:
        return state.inverse_hessian is not None

    def _forgotten(self, state: SSBroydenState) -> SSBroydenState:
        return state.changed(inverse_hessian=None, direction=None)

    def _direction(self, on: Operations, state: SSBroydenState, gradient: Vector) -> Vector:
        if state.direction is not None:
            return state.direction
        return on.scaled(-1.0, _product(on, state.inverse_hessian, gradient))

    def _first_trial(
        self, on: Operations, state: SSBroydenState, start: Trial, direction: Vector
    ) -> float:
        first = super()._first_trial(on, state, start, direction)
        known = state.decrease > noise(direction) * abs(start.value)
        if not (known and self._remembers(state) and start.slope < 0):
            return first
        return min(first, 1.01 * 2 * state.decrease / -start.slope)

    def _learned(self, on: Operations, state: SSBroydenState, step: Step) -> dict[str, Any]:
        """Return H after one more pair, and the direction, from one product with the H before."""
        matrix, y, curvature = state.inverse_hessian, step.y, step.curvature
        hg = _product(on, matrix, step.gradient)
        if curvature == 0:
            return {"direction": on.scaled(-1.0, hg), "decrease": step.decrease}
        scale = curvature / on.dot(y, y)  # Nocedal and Wright, equation (6.20)
        hy = on.axpy(1.0, step.direction, hg)
        h = on.dot(y, hy) / curvature
        b = -step.t * step.t * step.slope / curvature
        if matrix is not None and 0 < b * h < math.inf:
            tau, phi = self._factors(b, h, *y.shape)
        else:
            matrix = on.multiple_of_identity(scale, y)
            hg, hy = on.scaled(scale, step.gradient), on.scaled(scale, y)
            h = tau = phi = 1.0
        updated = _updated(on, matrix, step, hg=hg, hy=hy, h=h, tau=tau, phi=phi)
        return {"scale": scale, "decrease": step.decrease, **updated}

    def _factors(self, b: float, h: float, n: int) -> tuple[float, float]:
        """Return tau and phi of the update; see docs/mathematics.md, section 12.

        Parameters
        ----------
        b, h : float
            s.H^-1 s / s.y and y.H y / s.y.
        n : int
            The number of parameters.
        """
        if self.update == "bfgs":
            return 1.0, 1.0
        r = min(1.0, 1 / b)
        a = b * h - 1  # at least 0, but for rounding
        if self.update == "ssbfgs" or a <= 0:
            return r, 1.0
        c = math.sqrt(a / (1 + a))
        lowest = min(1.0, 1 / (b * (1 + c)))  # h (1 - c), without cancellation
        least = (lowest - 1) / a
        theta = max(least, min(1 / lowest, (1 - b) / b))
        # At its least sigma is `lowest`, which the sum would lose if it is below epsilon.
        sigma = lowest if theta == least else max(lowest, 1 + theta * a)
        q = sigma ** (1 / (1 - n)) if n > 1 else 1.0
        tau = min(r * q, sigma) if theta <= 0 else r * min(q, 1 / theta)
        return tau, (1 - theta) / sigma

    def _transferred_memory(self, state: SSBroydenState, maps: TransferMaps) -> dict[str, Any]:
        matrix, like, scale = state.inverse_hessian, state.parameters, state.scale
        if matrix is None:
            return {}
        moved = operations(like).symmetric_transfer(matrix, maps.primal, maps.dual, scale, like)
        return {"inverse_hessian": moved, "scale": scale}


def _product(on: Operations, matrix: Vector | None, x: Vector) -> Vector:
    """Return H x, where None is the identity."""
    return x if matrix is None else on.symmetric_product(matrix, x)


def _updated(
    on: Operations,
    matrix: Vector,
    step: Step,
    *,
    hg: Vector,
    hy: Vector,
    h: float,
    tau: float,
    phi: float,
) -> dict[str, Any]:
    """Return H+ and -H+ g for the gradient g after a step, given H g, H y and h = y.H y / s.y.

    H+ is H / tau and a matrix of rank two in s and H y.
    """
    s, rho = step.s, 1 / step.curvature
    ss, sy, yy = rho * (1 + phi * h / tau), -phi * rho / tau, (phi - 1) * rho / (h * tau)
    updated = on.symmetric_update(matrix, s, hy, scale=1 / tau, xx=ss, xy=sy, yy=yy)
    if updated is None:
        return {"inverse_hessian": None, "direction": None}
    along_s, along_hy = on.dot(s, step.gradient), on.dot(hy, step.gradient)
    direction = on.scaled(-1 / tau, hg)
    direction = on.axpy(-(ss * along_s + sy * along_hy), s, direction)
    direction = on.axpy(-(sy * along_s + yy * along_hy), hy, direction)
    return {"inverse_hessian": updated, "direction": direction}
