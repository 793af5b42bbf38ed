"""Adam with decoupled weight decay."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from kanml._validation import number
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
from kanml.optim.schedules import Schedule, learning_rate, require_learning_rate
from kanml.optim.soundness import require_counter, require_vector
from kanml.optim.vectors import Vector, initial_parameters, operations


@dataclass(frozen=True, eq=False, kw_only=True)
class AdamState(State):
    """A state with Adam's memory, in the variables of the mapped gradient.

    Attributes
    ----------
    first_moment, second_moment : ndarray (n,)
        Running averages of the gradient and of its elementwise square, before bias correction.
    updates : int
        The number of gradients in the averages.
    """

    first_moment: Vector
    second_moment: Vector
    updates: int = 0


@dataclass(frozen=True)
class Adam(Optimizer[AdamState]):
    """Adam, optionally with decoupled weight decay (AdamW).

    The direction d is that of D. P. Kingma and J. Ba, Adam: a method for stochastic optimization,
    2015, Algorithm 1. The decay, theta <- theta - lr * weight_decay * theta + d, is that of
    I. Loshchilov and F. Hutter, Decoupled weight decay regularization, 2019, Algorithm 2. It acts
    on the network's parameters in every geometry, and never on the unknowns of a problem.

    A step leaves value and gradient unknown, so that the next minibatch can be drawn first.

    Parameters
    ----------
    lr : float or Schedule
        The learning rate, positive.
    betas : (float, float)
        The decay factors of the running averages, in [0, 1).
    eps : float
        Added to the square root of the second moment; positive.
    weight_decay : float
        The rate of decay, not negative.
    geometry : {None, "spline", "relu", "relu-spline", "spline-relu"}
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from kanml.optim import Adam
    >>> optimizer = Adam(lr=0.5)
    >>> state = optimizer.init([4.0, -3.0])
    >>> state = optimizer.step(lambda x: (x @ x, 2 * x), state)
    >>> state.parameters.round(6)
    array([ 3.5, -2.5])
    """

    lr: float | Schedule
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    geometry: str | None = None
    window = 500

    def __post_init__(self) -> None:
        require_learning_rate(self.lr)
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise TypeError(f"betas must be two numbers in [0, 1), got {self.betas!r}")
        for i, beta in enumerate(self.betas):
            number(beta, f"betas[{i}]", "a number in [0, 1)", lambda beta: 0 <= beta < 1)
        number(self.eps, "eps", "a number > 0", lambda eps: eps > 0)
        number(self.weight_decay, "weight_decay", "a number >= 0", lambda decay: decay >= 0)
        require_geometry(self.geometry)

    def init(self, parameters: ArrayLike) -> AdamState:
        """Return an initial state; see `Optimizer.init`."""
        initial = initial_parameters(parameters)
        zero = operations(initial).full(0.0, initial)
        return AdamState(parameters=initial, first_moment=zero, second_moment=zero)

    def step(
        self, function: Function, state: AdamState, geometry: Geometry | None = None
    ) -> AdamState:
        """Return the state after one step; see `Optimizer.step`."""
        maps, on = self.maps(geometry), operations(state.parameters)
        if state.finished:
            return state
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        if reason := obstacle(on, value, gradient):
            return state.changed(finished=reason)

        rate = learning_rate(self.lr, state)
        direction, first_moment, second_moment = on.adam(
            maps.gradient(gradient),
            state.first_moment,
            state.second_moment,
            learning_rate=rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            updates=state.updates + 1,
        )
        decay = 1 - rate * self.weight_decay
        return advanced(
            state,
            on.axpy(decay, state.parameters, maps.step(direction), tail=maps.n_unknowns),
            first_moment=first_moment,
            second_moment=second_moment,
            updates=state.updates + 1,
        )

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers a state needs; see `Optimizer.numbers`."""
        return super().numbers(n, steps) + 2 * n

    def require_sound(self, state: AdamState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        super().require_sound(state)
        require_vector(state.first_moment, "first_moment", state.parameters)
        require_counter(state.updates, "updates")
        if state.updates > state.step:
            raise ValueError(
                f"{state.step} steps cannot make {state.updates} updates of the moments"
            )
        # Squares may overflow although gradients do not.
        require_vector(state.second_moment, "second_moment", state.parameters, "numbers >= 0")

    def _transferred_memory(self, state: AdamState, maps: TransferMaps) -> dict[str, Any]:
        def vector(moved: Vector) -> Vector:
            return operations(state.parameters).vector(moved, state.parameters)

        return {
            "first_moment": vector(maps.dual(state.first_moment)),
            "second_moment": vector(maps.second_moment(state.second_moment)),
            "updates": state.updates,
        }
