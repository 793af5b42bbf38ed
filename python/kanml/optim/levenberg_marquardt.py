"""The method of Levenberg and Marquardt, for sums of squares."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from kanml._validation import integer, require_memory
from kanml.optim.base import IDENTITY, Function, Geometry, Optimizer, State, TransferMaps, advanced
from kanml.optim.krylov import subspace
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.soundness import require_counter, require_vector
from kanml.optim.trust_region import SPREAD, Attempts, Model, longest_trusted, radii
from kanml.optim.units import InUnits, Units
from kanml.optim.vectors import EPSILON, Vector, initial_parameters, operations

TRUSTED, STRICT = 0.075, 0.5  # the ratio of actual to predicted decrease that a step must have
PATIENCE = 80  # steps on a level before the damping is watched
RECENT, EARLIER = 6, 24  # steps in the two averages of the damping
FLOAT64_BYTES = 8
MATRICES = 5  # as large as the triangle, which a step needs at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class LevenbergMarquardtState(State):
    """A state with what is known about the length of steps.

    Attributes
    ----------
    radius : float
        The length of the last step on this level; 0 if there is none.
    damping : float
        That of the last step.
    rank : int
        The rank of the Jacobian of the last step, of that in the subspace if there is one.
    columns : int
        The dimension of the subspace of the last step; 0 if it was taken in all parameters.
    last : ndarray (n,) or None
        The last step, which the next subspace includes; None without subspaces.
    recent, earlier : float
        Running averages of the logarithm of the damping, over a few steps and over more.
    trusted : float
        The ratio of actual to predicted decrease that a step must have.
    """

    radius: float = 0.0
    damping: float = 0.0
    rank: int = 0
    columns: int = 0
    last: Vector | None = None
    recent: float = 0.0
    earlier: float = 0.0
    trusted: float = TRUSTED

    @property
    def report(self) -> dict[str, float]:
        """Radius, damping, rank and the number of inner iterations of the last step.

        The radius is NaN before the first step on a level.
        """
        return {
            "radius": self.radius or math.nan,
            "damping": self.damping,
            "rank": self.rank,
            "inner iterations": self.columns,
        }


@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer[LevenbergMarquardtState]):
    """Levenberg-Marquardt, with control of the length of steps.

    For residuals r with the Jacobian J, a step p minimises ``|J p + r|^2 + damping |p|^2``. One
    factorisation of J gives the steps of all dampings, so what is controlled is the length of the
    step, its radius. A step takes one evaluation with the Jacobian and, mostly, five of the value
    alone. It leaves the value known, and the gradient unknown.

    - Of 24 radii between a third and three times that of the last step, the longest is taken whose
      actual decrease is at least 0.075 of what the model ``|J p + r|^2`` predicts; bisection finds
      it. If there is none, shorter radii are tried. So steps are as long as they can be: a shorter
      one often lowers the value more, but leads to less in the end along a curved valley. This is
      the rule of DSGNAR (arXiv:2607.02194), which tries every radius.
    - After 80 steps on a level, once the damping has begun to rise, 0.5 of the prediction is
      demanded instead.
    - The first radius on each level is the norm of the parameters, or 1 if that is zero. Where all
      steps of such lengths are lost in rounding, longer radii are tried.
    - Unknowns of a problem may have any size. Each is measured in a unit that makes its column of J
      about as long as those of the network, to a power of two.
    - Singular values of J that are rounding, below 4 sqrt(n) eps times the largest, count as zero,
      and no step has a component there. The Jacobian of a KAN has such: a constant may move between
      the functions that meet in a sum.
    - Up to `largest_triangle` parameters, J is reduced to a triangle, whatever the number of its
      rows. With more parameters, steps are taken in a Krylov subspace of at most `columns`
      dimensions, which takes as many products with J and with J^T, and eight more with J^T for a
      preconditioner: estimated diagonals of J^T J on this grid and, within `kanml.train`, on all
      coarser ones. It includes the last step, and grows as long as a column gains at least half
      of what columns gain on average. The history's "inner iterations" is its dimension, 0 with a
      triangle.
    - With minibatches or points drawn anew, a step fits the rows of the moment alone, and forgets
      others unless these are many times as many as parameters.
    - The state is finished when the predicted decrease, or the step itself, is rounding.

    Parameters
    ----------
    largest_triangle : int
        The largest number of parameters for which a triangle is made. It takes the memory of five
        matrices of that size, 160 MB for 2000.
    columns : int
        The largest dimension of a subspace, at least 2; each takes the memory of the parameters
        and of the residuals.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import LeastSquares, LevenbergMarquardt
    >>> rosenbrock = LeastSquares(
    ...     residuals=lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]),
    ...     jacobian=lambda x: np.array([[-20 * x[0], 10.0], [-1.0, 0.0]]),
    ... )
    >>> optimizer = LevenbergMarquardt()
    >>> state = optimizer.init([-1.2, 1.0])
    >>> for _ in range(20):
    ...     state = optimizer.step(rosenbrock, state)
    >>> state.parameters.round(6)
    array([1., 1.])
    """

    largest_triangle: int = 2000
    columns: int = 60
    needs_squares = True
    window = 20
    radii = 24  # 25 outcomes: at most five evaluations

    def __post_init__(self) -> None:
        integer(self.largest_triangle, "largest_triangle", 0)
        integer(self.columns, "columns", 2)

    def init(self, parameters: ArrayLike) -> LevenbergMarquardtState:
        """Return an initial state; see `Optimizer.init`."""
        return LevenbergMarquardtState(parameters=initial_parameters(parameters))

    def step(
        self,
        function: Function,
        state: LevenbergMarquardtState,
        geometry: Geometry | None = None,
    ) -> LevenbergMarquardtState:
        """Return the state after one step; see `Optimizer.step`.

        A value that is not finite never enters a state.

        Parameters
        ----------
        function : SumOfSquares
        state : LevenbergMarquardtState
        geometry : Geometry, optional
            Only the identity: steps are taken in the parameters. Its unknowns get units, and its
            coarser grids serve the preconditioner.

        Returns
        -------
        LevenbergMarquardtState

        Raises
        ------
        TypeError
            If the function is no `SumOfSquares`.
        ValueError
            If the geometry is another one, or there is not enough memory for a triangle or a
            subspace.
        """
        function = require_squares(self, function, geometry)
        if state.finished:
            return state
        state = self.evaluate_start(function, state)
        if state.finished:
            return state
        model = self._model(function, state, geometry or IDENTITY)
        if isinstance(model, str):
            return state.changed(finished=model)
        return _longest_step(function, state, model, self.radii)

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers a step needs; see `Optimizer.numbers`.

        The images of a subspace, up to `columns` vectors of residuals, are left out, as n does not
        tell the number of rows. A step raises ValueError if there is no memory for them.
        """
        return super().numbers(n, steps) + n + self._numbers_of_model(n)

    def require_sound(self, state: LevenbergMarquardtState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        super().require_sound(state)
        for name in ("radius", "damping", "recent", "earlier"):
            number = getattr(state, name)
            if not (isinstance(number, float) and math.isfinite(number)):
                raise ValueError(f"{name} must be a finite number, got {number!r}")
            if name in ("radius", "damping") and number < 0:
                raise ValueError(f"{name} must not be negative, got {number}")
        if state.last is not None:
            require_vector(state.last, "last", state.parameters)
        for name in ("rank", "columns"):
            require_counter(getattr(state, name), name)
        if state.trusted not in (TRUSTED, STRICT):
            raise ValueError(f"trusted must be {TRUSTED} or {STRICT}, got {state.trusted!r}")

    def _numbers_of_model(self, n: int) -> int:
        """Return how many numbers a triangle needs, or the basis of a subspace."""
        if n <= self.largest_triangle:
            return MATRICES * (n + 1) ** 2
        return min(self.columns, n) * n

    def _model(
        self, function: SumOfSquares, state: LevenbergMarquardtState, geometry: Geometry
    ) -> Model | str:
        """Return the model at the parameters of an evaluated state, or why there is none."""
        theta, (_, gradient) = state.parameters, state.evaluation()
        n, unknowns = theta.shape[0], geometry.n_unknowns
        needed = self._numbers_of_model(n) * FLOAT64_BYTES
        require_memory(needed, f"{self!r} needs for {n} parameters")
        if n <= self.largest_triangle:
            triangle, basis = function.triangle(theta), None
            units = Units.of_triangle(triangle, unknowns, theta)
            triangle = units.of_columns(triangle)
        else:
            units = Units.of_products(function, theta, unknowns)
            triangle, basis = subspace(
                InUnits(function, units),
                theta,
                units.unmeasured(gradient),
                _radius(state, units),
                min(self.columns, n),
                None if state.last is None else units.measured(state.last),
                state.damping,
                geometry.coarser,
            )
        if triangle.n == 0:
            return "the length of the gradient underflows"
        if not triangle.is_finite():
            return "the Jacobian is not finite"
        return Model(triangle, theta, units, basis)

    def _transferred_memory(
        self, state: LevenbergMarquardtState, maps: TransferMaps
    ) -> dict[str, Any]:
        """Forget the radius.

        Where the coarser level has converged, its last steps were tiny, and say nothing of those in
        directions that are new.
        """
        if state.last is None:
            return {"radius": 0.0}
        like = state.parameters
        return {"radius": 0.0, "last": operations(like).vector(maps.primal(state.last), like)}


def require_squares(
    optimizer: Optimizer[Any], function: Function, geometry: Geometry | None
) -> SumOfSquares:
    """Return the function if it is a sum of squares; check that there are no other variables."""
    name = type(optimizer).__name__
    if not isinstance(function, SumOfSquares):
        raise TypeError(
            f"{name} minimises sums of squares: function must be a kanml.optim.SumOfSquares, "
            f"got {function!r}"
        )
    if geometry is not None and geometry.step is not IDENTITY.step:
        raise ValueError(f"geometry must be None or the identity for {name}, got {geometry!r}")
    return function


def _longest_step(
    function: SumOfSquares, state: LevenbergMarquardtState, model: Model, count: int
) -> LevenbergMarquardtState:
    """Take the longest step that can be trusted; `finished` says why if there is none.

    It is looked for among `count` radii at a time.
    """
    attempts = Attempts(function, state, model)
    radius, found = _radius(state, model.units), None
    while found is None:
        around = radii(radius, count)
        if reason := _lost_in_rounding(state, model, around[-1]):
            if attempts.evaluations == 0 and around[-1] < model.undamped:
                radius = _telling_radius(state, model, around[-1])
                continue
            return state.changed(
                finished=reason, evaluations=state.evaluations + attempts.evaluations
            )
        found = longest_trusted(attempts, around, model.undamped, state.trusted)
        radius = min(around[0], model.undamped) / SPREAD
    return advanced(
        state,
        found.parameters,
        value=found.value,
        evaluations=state.evaluations + attempts.evaluations,
        radius=found.step.radius,
        damping=found.step.damping,
        rank=model.rank,
        columns=model.columns,
        last=found.step.vector if model.columns else None,
        **_trend(state, max(found.step.damping, model.negligible)),
    )


def _radius(state: LevenbergMarquardtState, units: Units) -> float:
    """Return the radius of the last step, or else that of the parameters."""
    measured = units.measured(state.parameters)
    return state.radius or operations(measured).norm(measured) or 1.0


def _telling_radius(state: LevenbergMarquardtState, model: Model, least: float) -> float:
    """Return a radius, no less than this, whose step rounding does not hide, if one does not."""
    theta, (value, _) = state.parameters, state.evaluation()
    clear = math.sqrt(EPSILON[theta.dtype]) * abs(value)
    while least < model.undamped and not model.step(least).decrease > clear:
        least *= SPREAD
    return least


def _lost_in_rounding(state: LevenbergMarquardtState, model: Model, longest: float) -> str:
    """Say what of the longest step is lost in rounding; an empty string if it is not."""
    theta, (value, _) = state.parameters, state.evaluation()
    on, step = operations(theta), model.step(longest)
    if not step.decrease > EPSILON[theta.dtype] * abs(value):
        return "the predicted decrease is lost in the rounding of the value"
    if on.max_abs(on.axpy(-1.0, theta, on.axpy(1.0, step.vector, theta))) == 0:
        return "steps are lost in the rounding of the parameters"
    return ""


def _trend(state: LevenbergMarquardtState, damping: float) -> dict[str, Any]:
    """Return the averages with one more damping, and the ratio to demand from now on."""
    log = math.log(max(damping, sys.float_info.min))
    recent, earlier = (state.recent, state.earlier) if state.level_step else (log, log)
    recent += (log - recent) / RECENT
    earlier += (log - earlier) / EARLIER
    rises = state.level_step >= PATIENCE and recent > earlier
    return {
        "recent": recent,
        "earlier": earlier,
        "trusted": STRICT if rises else state.trusted,
    }
