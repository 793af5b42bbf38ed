"""What all optimizers share: state, interface and geometry.

An optimizer holds only hyperparameters. Everything that changes during a run is in a `State`, which
is never modified: each step makes a new one, so a state can be kept, saved, resumed from, or
dropped after a bad step. A training run is therefore ::

    state = optimizer.init(parameters)
    while not state.finished:
        state = optimizer.step(function, state)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from kanml._validation import choice
from kanml.optim.soundness import require_counter, require_finite, require_vector
from kanml.optim.vectors import Operations, Vector, operations

Function: TypeAlias = Callable[[Vector], tuple[float, Vector]]
"""What is minimised: parameters (n,) -> (value, gradient (n,))."""

VectorMap: TypeAlias = Callable[[Vector], Vector]
"""(n,) -> (m,)."""

S = TypeVar("S", bound="State")


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """The state of an optimization between two steps.

    Its vectors never change. Subclasses add the optimizer's memory as fields that are vectors of
    any length, numbers, strings, None, or tuples of vectors of one length or of numbers, so that
    every state can be saved field by field.

    Attributes
    ----------
    parameters : ndarray (n,)
        In float32 or float64; all other vectors have the same dtype.
    value : float or None
        The objective at `parameters`; None if it has not been evaluated there.
    gradient : ndarray (n,) or None
        The gradient of the objective at `parameters`; None if it has not been evaluated there.
    step : int
        The number of accepted steps.
    level_step : int
        The number of accepted steps since the last transition between levels.
    evaluations : int
        The number of calls of the objective.
    ascents : int
        The number of accepted steps along directions that do not descend, which occur only in mixed
        geometries.
    finished : str
        Why no further step is possible, or the empty string.
    """

    parameters: Vector
    value: float | None = None
    gradient: Vector | None = None
    step: int = 0
    level_step: int = 0
    evaluations: int = 0
    ascents: int = 0
    finished: str = ""

    @property
    def report(self) -> dict[str, float]:
        """What is worth recording of the last step beside its value, by name."""
        return {}

    @property
    def memory(self) -> dict[str, Any]:
        """The fields that are the optimizer's memory, by name."""
        known = {field.name for field in fields(State)}
        return {name: value for name, value in self.__dict__.items() if name not in known}

    def stale(self: S) -> S:
        """Return the state for a changed objective: without value, gradient and `finished`.

        The optimizer's memory is kept.
        """
        return self.changed(value=None, gradient=None, finished="")

    def with_vectors(self: S, convert: VectorMap) -> S:
        """Return the state with ``convert(vector)`` in place of every vector."""
        fields: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            if _is_vector(value):
                fields[name] = convert(value)
            elif isinstance(value, tuple) and all(map(_is_vector, value)):
                fields[name] = tuple(map(convert, value))
        return self.changed(**fields)

    def changed(self: S, **changes: Any) -> S:
        """Return the state with other values of some fields.

        This is `dataclasses.replace`, which takes a good part of a small network's step, in a
        fraction of its time: no `__init__` is called.
        """
        fields = {**self.__dict__, **changes}
        if len(fields) > len(self.__dict__):
            raise TypeError(f"{type(self).__name__} has no field {[*fields][len(self.__dict__)]!r}")
        other = object.__new__(type(self))
        other.__dict__.update(fields)
        return other

    def evaluation(self) -> tuple[float, Vector]:
        """Return the value and the gradient.

        Raises
        ------
        ValueError
            If the state has not been evaluated.
        """
        if self.value is None or self.gradient is None:
            raise ValueError("the state has not been evaluated at its parameters")
        return self.value, self.gradient


def _is_vector(value: object) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _same(vector: Vector) -> Vector:
    return vector


@dataclass(frozen=True, eq=False)
class Coarser:
    """The maps between the parameters of a grid (n,) and those of the next coarser one (m,).

    Attributes
    ----------
    prolong : callable
        The prolongation P, (m,) -> (n,).
    restrict : callable
        Its transpose, (n,) -> (m,), which restricts gradients.
    """

    prolong: VectorMap
    restrict: VectorMap


@dataclass(frozen=True, eq=False)
class Geometry:
    """The variables of an optimizer, as linear maps of vectors; by default the parameters.

    An optimizer reads gradients through `gradient`, and its memory consists of such mapped vectors.
    Its direction becomes a step in the parameters through `step`. For variables z with parameters
    A z these maps are A^T and A. The maps return a contiguous vector of the shape and dtype of
    their argument, which they do not change.

    Attributes
    ----------
    gradient : callable
        Maps the gradient with respect to the parameters to that with respect to variables y.
    step : callable
        Maps a direction, which is a change of variables z, to the step in the parameters.
    displacement : callable or None
        Maps that direction to the change of the variables y; None if z and y are the same. If they
        differ, the step of a positive definite method need not descend.
    n_unknowns : int
        The number of unknowns of a problem at the end of the parameters. They do not decay, and
        `LevenbergMarquardt` finds their units.
    coarser : tuple of Coarser
        The maps from grid to grid, from the present one to the coarsest, in the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import Geometry, GradientDescent
    >>> scaled = Geometry(gradient=lambda g: 10 * g, step=lambda d: 10 * d)
    >>> optimizer = GradientDescent(lr=0.001)
    >>> state = optimizer.init([4.0])
    >>> optimizer.step(lambda x: (x @ x, 2 * x), state, scaled).parameters
    array([3.2])
    """

    gradient: VectorMap = _same
    step: VectorMap = _same
    displacement: VectorMap | None = None
    n_unknowns: int = 0
    coarser: tuple[Coarser, ...] = ()


IDENTITY = Geometry()

GEOMETRIES = ("spline", "relu", "relu-spline", "spline-relu")


@dataclass(frozen=True)
class TransferMaps:
    """The maps that carry vectors of each kind through a refinement.

    All but `parameters` act on the optimizer's memory, in the variables of its geometry.

    Attributes
    ----------
    parameters : callable
        The prolongation of the parameters.
    primal : callable
        The prolongation P of the variables whose gradient the optimizer uses; acts on steps.
    dual : callable
        A right inverse of P^T; acts on gradients and their differences. It preserves curvature
        along transferred steps, since <P s, dual(y)> = <s, y>.
    second_moment : callable
        Acts on averages of squared gradient entries; keeps them nonnegative.
    inverse_curvature : callable
        Acts on diagonals of inverse Hessians; keeps them positive.
    """

    parameters: VectorMap
    primal: VectorMap
    dual: VectorMap
    second_moment: VectorMap
    inverse_curvature: VectorMap


class Optimizer(ABC, Generic[S]):
    """Hyperparameters, with a method that turns one state into the next.

    Attributes
    ----------
    geometry : {None, "spline", "relu", "relu-spline", "spline-relu"}
        The basis of spline layers in which steps are taken, followed by that of the gradient if it
        differs; None: that of the network. `kanml.train` supplies the corresponding maps.
    needs_squares : bool
        Whether `step` needs a `SumOfSquares`, and not only a function.
    needs_linear : bool
        Whether `step` needs to know parameters in which the residuals are affine.
    window : int
        The number of steps after which ``schedule="auto"`` of `kanml.train` looks at progress.
    rounds : tuple of int
        The steps of each start in the rounds of the contest with which `kanml.train` begins. If
        empty, the starts take steps of `LBFGS` instead.
    evaluations : int
        The number of evaluations that a step mostly takes.
    """

    geometry: str | None = None
    needs_squares: bool = False
    needs_linear: bool = False
    window: int = 50
    rounds: tuple[int, ...] = ()
    evaluations: int = 1

    @abstractmethod
    def init(self, parameters: ArrayLike) -> S:
        """Return an initial state at these parameters, which is not evaluated.

        Parameters
        ----------
        parameters : array_like (n,)
            float32 stays float32; every other real type becomes float64.

        Returns
        -------
        State

        Raises
        ------
        TypeError
            If the parameters are not real numbers.
        ValueError
            If they are not a vector, or not finite.
        """

    @abstractmethod
    def step(self, function: Function, state: S, geometry: Geometry | None = None) -> S:
        """Return the state after one accepted step.

        The function is evaluated first if value or gradient are unknown. If no step is possible,
        the parameters stay and `finished` says why; a finished state is returned unchanged.

        Parameters
        ----------
        function : callable
            Returns value and gradient at parameters.
        state : State
        geometry : Geometry, optional
            The maps of the named geometry of the optimizer; by default the identity.

        Returns
        -------
        State

        Raises
        ------
        ValueError
            If the optimizer names a geometry but its maps are not given.
        """

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers the states of n parameters need within `steps` steps.

        Raises
        ------
        ValueError
            If the optimizer cannot train n parameters.
        """
        return 2 * n

    def maps(self, geometry: Geometry | None) -> Geometry:
        """Return the given maps, or the identity; see `step`."""
        if geometry is None and self.geometry is not None:
            raise ValueError(
                f"geometry {self.geometry!r} needs its maps: pass to step the result of "
                "kanml.multilevel.geometry.geometry_maps(net, name), as kanml.train does"
            )
        return IDENTITY if geometry is None else geometry

    def evaluate(self, function: Function, state: S) -> S:
        """Return the state with value and gradient; call `function` if they are unknown.

        Raises
        ------
        ValueError
            If the function's gradient has another shape than the parameters.
        """
        if state.value is not None and state.gradient is not None:
            return state
        value, gradient = evaluate(function, state.parameters)
        return state.changed(value=value, gradient=gradient, evaluations=state.evaluations + 1)

    def evaluate_start(self, function: Function, state: S) -> S:
        """Return the state as `evaluate` does; finished, with the reason, if no step can start.

        A value that is not finite is dropped, and so is a gradient.
        """
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        on = operations(gradient)
        if reason := obstacle(on, value, gradient):
            return state.changed(value=None, gradient=None, finished=reason)
        if on.max_abs(gradient) == 0:
            return state.changed(finished="gradient is zero")
        return state

    def require_sound(self, state: S) -> None:
        """Raise ValueError unless a run could have reached this evaluated state.

        This is for states read from a file.
        """
        require_parameters(state)
        value, gradient = state.evaluation()
        require_vector(gradient, "gradient", state.parameters)
        require_finite(value, "the value of a state")

    def transfer(self, state: S, maps: TransferMaps, how: Literal["prolong", "reset"]) -> S:
        """Carry a state through a refinement of the parameter space.

        Counters are kept, but `level_step` restarts at 0. Value and gradient are dropped, since the
        gradient has to be evaluated in the finer space anyway.

        Parameters
        ----------
        state : State
            To reset, it may be a state of another optimizer, from which this one takes over.
        maps : TransferMaps
        how : {"prolong", "reset"}
            Whether the optimizer's memory is carried over or emptied.

        Returns
        -------
        State

        Raises
        ------
        ValueError
            If `how` has another value.
        """
        choice(how, "how", ("prolong", "reset"))
        parameters = operations(state.parameters).vector(
            maps.parameters(state.parameters), state.parameters
        )
        moved = self.init(parameters).changed(
            step=state.step,
            evaluations=state.evaluations,
            ascents=state.ascents,
        )
        if how == "reset":
            return moved
        return moved.changed(**self._transferred_memory(state, maps))

    def _transferred_memory(self, state: S, maps: TransferMaps) -> dict[str, Any]:
        """Return the fields of the optimizer's memory in the finer space."""
        return {}


def require_geometry(geometry: str | None) -> None:
    """Check the name of a geometry."""
    if geometry is not None:
        choice(geometry, "geometry", GEOMETRIES)


def evaluate(function: Function, parameters: Vector) -> tuple[float, Vector]:
    """Call the objective and copy the gradient, so that the function may reuse its buffer."""
    value, given = function(parameters)
    gradient = operations(parameters).vector(given, parameters)
    if gradient.shape != parameters.shape:
        raise ValueError(
            f"the function's gradient has the shape {gradient.shape}, "
            f"expected {parameters.shape} like the parameters"
        )
    return float(value), gradient


COUNTERS = ("step", "level_step", "evaluations", "ascents")


def require_parameters(state: State) -> None:
    """Raise ValueError unless parameters and counters could be those of a run."""
    require_vector(state.parameters, "parameters", state.parameters)
    for name in COUNTERS:
        require_counter(getattr(state, name), name)
    if state.level_step > state.step or state.ascents > state.step:
        raise ValueError(
            f"of {state.step} steps a state cannot count {state.level_step} on its level "
            f"and {state.ascents} ascents"
        )
    if not isinstance(state.finished, str):
        raise ValueError(f"finished must be a string, got {state.finished!r}")


def obstacle(on: Operations, value: float, gradient: Vector) -> str:
    """Say why no step can start from an evaluation; an empty string if one can."""
    if not math.isfinite(value):
        return f"the value is {value}"
    if not on.is_finite(gradient):
        return "the gradient is not finite"
    return ""


def advanced(
    state: S,
    parameters: Vector,
    *,
    value: float | None = None,
    gradient: Vector | None = None,
    **changes: Any,
) -> S:
    """Return the state after one more accepted step, not evaluated unless arguments say so."""
    return state.changed(
        parameters=parameters,
        value=value,
        gradient=gradient,
        step=state.step + 1,
        level_step=state.level_step + 1,
        **changes,
    )
