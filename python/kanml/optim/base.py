"""What all optimizers share: the state, the protocol, and the geometry they work through.

An optimizer holds hyperparameters and nothing else. Whatever changes during a run is in a `State`,
which is never modified: each step makes a new one, so that a state may be kept, saved, resumed
from, or dropped after a bad step. A training run is therefore ::

    state = optimizer.init(parameters)
    while not state.finished:
        state = optimizer.step(function, state)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kanml import _core
from kanml._validation import choice, finite, real_array

Vector: TypeAlias = NDArray[np.floating[Any]]
"""A float32 or float64 array."""

Function: TypeAlias = Callable[[Vector], tuple[float, Vector]]
"""What is minimised: parameters (n,) -> (value, gradient (n,))."""

VectorMap: TypeAlias = Callable[[Vector], Vector]
"""(..., n) -> (..., m), acting on the last axis."""

S = TypeVar("S", bound="State")


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """Where an optimizer stands.

    The arrays are read-only and belong to the state. Subclasses add an optimizer's memory, as
    array and integer fields only, so that any state can be saved field by field.

    Attributes
    ----------
    parameters : ndarray (n,)
        float32 or float64; everything else has the same dtype.
    value : float or None
        The objective at `parameters`; None if it has not been evaluated there.
    gradient : ndarray (n,) or None
        The gradient of the objective by `parameters`, likewise.
    step : int
        Accepted steps.
    level_step : int
        Accepted steps since the last transition between levels.
    evaluations : int
        Calls of the objective.
    ascents : int
        Accepted steps along directions that do not descend, which only mixed geometries have.
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

    def stale(self: S) -> S:
        """Forget what depends on the objective, which has changed: value, gradient, `finished`.

        The optimizer's memory is kept.
        """
        return replace(self, value=None, gradient=None, finished="")

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


def _same(vector: Vector) -> Vector:
    return vector


@dataclass(frozen=True, eq=False)
class Geometry:
    """The variables an optimizer works in, as linear maps of vectors; by default the parameters.

    An optimizer reads gradients through `gradient` and keeps its memory in that space; its
    direction becomes a step in the parameters through `step`. In variables z with parameters
    A z these are A^T and A. The maps return a contiguous array of the shape and dtype they are
    given, and leave that one as it is.

    Attributes
    ----------
    gradient : callable
        From the gradient by the parameters to that by other variables y.
    step : callable
        From a direction, which the optimizer took as a change of variables z, to the step in the
        parameters.
    displacement : callable or None
        From that direction to the change of the variables y. None where z and y are the same.
        Where they are not, the step of a positive definite method need not descend.
    n_unknowns : int
        Numbers at the end of the parameters that are no weights of a network, but unknowns of a
        problem: they do not decay.

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


IDENTITY = Geometry()

GEOMETRIES = ("spline", "relu", "relu-spline", "spline-relu")


@dataclass(frozen=True)
class TransferMaps:
    """How vectors of each kind go through a refinement of the parameter space.

    All but `parameters` act on the optimizer's memory, in the space of its geometry.

    Attributes
    ----------
    parameters : callable
        The prolongation of the parameters.
    primal : callable
        The prolongation P of the variables whose gradient the optimizer uses; acts on steps.
    dual : callable
        A right inverse of P^T; acts on gradients and their differences. Since
        <P s, dual(y)> = <s, y>, curvature along transferred steps is kept.
    second_moment : callable
        Acts on averages of squared gradient entries; must keep them non-negative.
    curvature : callable
        Acts on diagonals of Hessians; must keep them positive.
    """

    parameters: VectorMap
    primal: VectorMap
    dual: VectorMap
    second_moment: VectorMap
    curvature: VectorMap


class Optimizer(ABC, Generic[S]):
    """Hyperparameters, and how they turn one state into the next.

    Attributes
    ----------
    geometry : {None, "spline", "relu", "relu-spline", "spline-relu"}
        The basis of the spline layers in which steps are taken, and that of the gradient where it
        is another one; None: that of the network. `kanml.train` looks up the maps that this means.
    """

    geometry: str | None = None

    @abstractmethod
    def init(self, parameters: ArrayLike) -> S:
        """Return a state that starts at these parameters, not yet evaluated.

        Parameters
        ----------
        parameters : array_like (n,)
            float32 stays float32; every other real type becomes float64.

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

        Evaluates first where the value or the gradient is not known. If no step is possible, the
        parameters stay and `finished` says why; a finished state is returned as it is.

        Raises
        ------
        ValueError
            If the optimizer has a geometry by name and the maps of it are not given.
        """

    def vectors(self, steps: int) -> int:
        """Return how many vectors of the size of the parameters a state holds after some steps."""
        return 2

    def maps(self, geometry: Geometry | None) -> Geometry:
        """Return the maps to work through: those given, or the identity; see `step`."""
        if geometry is None and self.geometry is not None:
            raise ValueError(
                f"geometry {self.geometry!r} needs its maps: give step the result of "
                "kanml.multilevel.geometry.geometry_maps(net, name), as kanml.train does"
            )
        return IDENTITY if geometry is None else geometry

    def evaluate(self, function: Function, state: S) -> S:
        """Return the state with value and gradient known; calls `function` if they are not.

        Raises
        ------
        ValueError
            If the function's gradient has another shape than the parameters.
        """
        if state.value is not None and state.gradient is not None:
            return state
        value, gradient = evaluate(function, state.parameters)
        return replace(state, value=value, gradient=gradient, evaluations=state.evaluations + 1)

    def require_sound(self, state: S) -> None:
        """Raise ValueError unless a run could have reached this evaluated state.

        For states that were read from a file.
        """
        require_parameters(state)
        value, gradient = state.evaluation()
        require_vector(gradient, "gradient", state.parameters)
        if not (isinstance(value, float) and math.isfinite(value)):
            raise ValueError(f"the value of a state must be a finite number, got {value!r}")

    def transfer(self, state: S, maps: TransferMaps, how: Literal["prolong", "reset"]) -> S:
        """Carry a state through a refinement of the parameter space.

        Counters are kept, except that `level_step` starts again; value and gradient are forgotten,
        since the gradient has to be evaluated in the finer space in any case.

        Parameters
        ----------
        state : State
        maps : TransferMaps
        how : {"prolong", "reset"}
            Whether the optimizer's memory is carried over or emptied.

        Raises
        ------
        ValueError
            If `how` is something else.
        """
        choice(how, "how", ("prolong", "reset"))
        parameters = frozen(maps.parameters(state.parameters), state.parameters.dtype)
        moved = replace(
            self.init(parameters),
            step=state.step,
            evaluations=state.evaluations,
            ascents=state.ascents,
        )
        if how == "reset":
            return moved
        return replace(moved, **self._transferred_memory(state, maps))

    def _transferred_memory(self, state: S, maps: TransferMaps) -> dict[str, Any]:
        """Return the fields that hold the optimizer's memory, in the finer space."""
        return {}


def require_geometry(geometry: str | None) -> None:
    """Check the name of a geometry."""
    if geometry is not None:
        choice(geometry, "geometry", GEOMETRIES)


def frozen(array: ArrayLike, dtype: DTypeLike) -> Vector:
    """Return a read-only contiguous copy: nobody else can write to what a state holds."""
    copy: Vector = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def initial_parameters(parameters: ArrayLike) -> Vector:
    """Check and copy the parameters a state starts at; see `Optimizer.init`."""
    single = getattr(parameters, "dtype", None) == np.float32
    array = real_array(parameters, "parameters", np.float32 if single else np.float64)
    if array.ndim != 1:
        raise ValueError(f"parameters must have shape (n,), got shape {array.shape}")
    return frozen(finite(array, "parameters"), array.dtype)


def evaluate(function: Function, parameters: Vector) -> tuple[float, Vector]:
    """Call the objective; the gradient is copied, so that a function may reuse its buffer."""
    value, gradient = function(parameters)
    if np.shape(gradient) != parameters.shape:
        raise ValueError(
            f"the function's gradient has the shape {np.shape(gradient)}, "
            f"expected {parameters.shape} like the parameters"
        )
    return float(value), frozen(gradient, parameters.dtype)


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
        raise ValueError(f"finished must be a text, got {state.finished!r}")


def require_counter(value: object, name: str) -> None:
    """Raise ValueError unless a value read from a file counts something."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{name} must be an integer in [0, 2**53), got {value!r}")


def require_vector(array: object, name: str, like: Vector, rows: int | None = None) -> None:
    """Raise ValueError unless an array read from a file is a finite vector like another.

    With `rows` it has several of them, shape (rows, n).
    """
    shape = (like.size,) if rows is None else (rows, like.size)
    if not (
        isinstance(array, np.ndarray)
        and array.shape == shape
        and array.dtype == like.dtype
        and array.dtype in (np.float32, np.float64)
        and np.isfinite(array).all()
    ):
        raise ValueError(f"{name} must be finite numbers in {like.dtype}, of shape {shape}")


def obstacle(value: float, gradient: Vector) -> str:
    """Say why no step can start from an evaluation, or nothing."""
    if not math.isfinite(value):
        return f"the value is {value}"
    if not math.isfinite(_core.max_abs(gradient)):
        return "the gradient is not finite"
    return ""


def advanced(state: S, parameters: Vector, **changes: Any) -> S:
    """Return the state after one more accepted step; unless given, its evaluation is unknown."""
    parameters.flags.writeable = False
    known = {"value": None, "gradient": None} | changes
    return replace(
        state,
        parameters=parameters,
        step=state.step + 1,
        level_step=state.level_step + 1,
        **known,
    )
