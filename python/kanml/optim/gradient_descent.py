"""Gradient descent."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from kanml.optim.base import (
    Function,
    Geometry,
    Optimizer,
    State,
    advanced,
    obstacle,
    require_geometry,
)
from kanml.optim.schedules import Schedule, learning_rate, require_learning_rate
from kanml.optim.vectors import initial_parameters, operations


@dataclass(frozen=True)
class GradientDescent(Optimizer[State]):
    """Gradient descent: theta <- theta - lr * gradient.

    A step leaves value and gradient unknown, so that the next minibatch can be drawn first.

    Parameters
    ----------
    lr : float or Schedule
        The learning rate, positive.
    geometry : {None, "spline", "relu", "relu-spline", "spline-relu"}
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from kanml.optim import GradientDescent
    >>> optimizer = GradientDescent(lr=0.25)
    >>> state = optimizer.init([4.0])
    >>> state = optimizer.step(lambda x: (x @ x, 2 * x), state)
    >>> state.parameters
    array([2.])
    """

    lr: float | Schedule
    geometry: str | None = None
    window = 500

    def __post_init__(self) -> None:
        require_learning_rate(self.lr)
        require_geometry(self.geometry)

    def init(self, parameters: ArrayLike) -> State:
        """Return an initial state; see `Optimizer.init`."""
        return State(parameters=initial_parameters(parameters))

    def step(self, function: Function, state: State, geometry: Geometry | None = None) -> State:
        """Return the state after one step; see `Optimizer.step`."""
        maps, on = self.maps(geometry), operations(state.parameters)
        if state.finished:
            return state
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        if reason := obstacle(on, value, gradient):
            return state.changed(finished=reason)
        step = maps.step(maps.gradient(gradient))
        return advanced(state, on.axpy(-learning_rate(self.lr, state), step, state.parameters))
