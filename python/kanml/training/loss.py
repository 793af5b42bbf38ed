"""The loss of a run as the function that an optimizer minimises."""

from __future__ import annotations

from collections.abc import Callable

from kanml.network import Network
from kanml.optim import Vector
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.matrices import Triangle
from kanml.problems import Evaluation, Problem
from kanml.problems.evaluation import Want, gradient_in_place
from kanml.training.objective import Objective, like, value_and_gradient

__all__ = ["Loss"]


class Loss(SumOfSquares):
    """The loss of a problem on a grid: values, gradients and, for squares, what rows tell.

    Parameters
    ----------
    objective : Objective
    problem : Problem
    net : Network
        It determines the grid.
    start : Vector
        A vector that never changes, such as that of a state. Nothing is evaluated twice there.
    known : Evaluation, optional
        What is known at `start`.
    before : callable
        It is called before each evaluation, and may raise.
    trial : bool
        Whether all are those of trials: infinite or NaN where a layer refuses its inputs. By
        default that raises OutsideDomain.
    """

    def __init__(
        self,
        objective: Objective,
        problem: Problem,
        net: Network,
        start: Vector,
        known: Evaluation | None = None,
        *,
        before: Callable[[], None] = lambda: None,
        trial: bool = False,
    ) -> None:
        self._objective, self._problem, self._net = objective, problem, net
        self._before, self._trial = before, trial
        self._start, self._known = start, known
        self._others: list[tuple[Vector, Evaluation]] = []

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """Return value and gradient (n,)."""
        return value_and_gradient(self._evaluation(theta, "gradient"))

    def value(self, theta: Vector) -> float:
        """Return the value."""
        return self._evaluation(theta, "value").value

    def triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of the rows and their Jacobian."""
        triangle = self._evaluation(theta, "least_squares").triangle
        assert triangle is not None
        return triangle

    @property
    def linear(self) -> slice:
        """The parameters in which the rows are affine."""
        return self._problem.linear_parameters(self._net)

    def linear_triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of these columns alone."""
        self._before()
        return self._objective.linear_triangle(self._problem, self._net, theta, self._trial)

    def jvp(self, theta: Vector, v: Vector) -> Vector:
        """Return the product (m,) of the Jacobian of the rows with a vector (n,)."""
        self._before()
        net, unknowns = self._objective.split(self._net, theta)
        threads = self._objective.settings.num_threads
        along = self._problem.jvp(net, v, unknowns, num_threads=threads)
        return like(theta, along)

    def vjp(self, theta: Vector, u: Vector) -> Vector:
        """Return the product (n,) of the transposed Jacobian with a vector (m,)."""
        self._before()
        net, unknowns = self._objective.split(self._net, theta)
        threads = self._objective.settings.num_threads
        pulled = self._problem.vjp(net, u, unknowns, num_threads=threads)
        return like(theta, pulled)

    def at(self, theta: Vector) -> Evaluation | None:
        """Return the last evaluation at this vector, the same object, if there was one."""
        if theta is self._start:
            return self._known
        for other, evaluation in reversed(self._others):
            if other is theta:
                return evaluation
        return None

    def _evaluation(self, theta: Vector, want: Want) -> Evaluation:
        known = self._known if theta is self._start else None
        if known is not None and _tells(known, want):
            return known
        self._before()
        evaluate = self._objective.trial if self._trial else self._objective.evaluation
        found = evaluate(self._problem, self._net, theta, want)
        if theta is self._start:
            self._known = found
        else:
            self._others.append((theta, found))
        return found


def _tells(evaluation: Evaluation, want: Want) -> bool:
    """Say whether an evaluation has what is wanted."""
    if want == "gradient":
        return gradient_in_place(evaluation) is not None
    return want == "value" or evaluation.triangle is not None
