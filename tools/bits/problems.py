"""Losses and gradients: regression and residuals, before and after training has moved them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import kanml
from bits.inputs import DTYPES, Array, by_threads, normal, uniform, with_numbers
from bits.record import Cases, Record

__all__ = ["burgers", "cases", "hard_condition", "pinns", "residual_network", "terms"]

INSIDE = uniform("inside", 150, 2)
EDGE = np.stack([uniform("edge", 30), np.full(30, -1.0)], axis=1)
OPPOSITE = EDGE * [1.0, -1.0]
MANY = uniform("many", 4500, 2)  # more than are evaluated at once
VECTORS = normal("vectors", 150, 2)
MEASURED = normal("measured", 150)


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for dtype in DTYPES:
        for name, (problem, net) in regressions(dtype).items():
            with record.within(f"regression, {name}, {dtype}"):
                record_problem(record, problem, net, ())
        for name, make in pinns().items():
            with record.within(f"{name}, {dtype}"):
                problem = make()
                unknowns = ({name: 0.7 for name in problem.unknowns},) if problem.unknowns else ()
                net = residual_network(problem, dtype)
                record_problem(record, problem, net, unknowns)
                record_solution(record, problem, net, unknowns)
    record_refusals(record)
    return record.cases


def regressions(dtype: str) -> dict[str, tuple[Any, Any]]:
    """Return data, each with a network to fit them."""
    x, y = uniform("x", 900, 2, within=(-1.3, 1.3)), normal("y", 900, 2)
    net = with_numbers(kanml.KAN([2, 6, 2], dtype=dtype), "net")
    wide = with_numbers(kanml.KAN([2, 30, 2], intervals=3, dtype=dtype), "wide")
    mlp = with_numbers(kanml.MLP([2, 20, 2], activation="tanh", dtype=dtype), "mlp")
    return {
        "full batch": (kanml.Regression(x, y), net),
        "minibatches": (kanml.Regression(x, y, batch_size=128, seed=3), net),
        "wide layers": (kanml.Regression(x, y), wide),
        "a perceptron": (kanml.Regression(x, y, batch_size=899), mlp),
        "a penalty": (kanml.Regression(x, y, penalty=kanml.Smoothness(0.01)), net),
        "logistic": (kanml.Regression(x, y > 0, loss="logistic"), net),
        "softmax": (kanml.Regression(x, (y[:, 0] > 0).astype(int), loss="softmax"), net),
        "Huber": (kanml.Regression(x, y, loss=kanml.Huber(0.5)), net),
    }


def residual_network(problem: Any, dtype: str) -> Any:
    """Return a network that fits a problem."""
    n_in, n_out = len(problem.inputs), len(problem.outputs)
    net = kanml.KAN([n_in, 4, n_out], degree=5, intervals=3, activation="tanh", dtype=dtype)
    return with_numbers(net, "residual")


def pinns() -> dict[str, Callable[[], Any]]:
    """Return makers of problems with every option."""

    def term(residual: Callable[..., Any] = burgers, points: Any = INSIDE, **options: Any) -> Any:
        return kanml.Term("pde", points, residual, **options)

    def one(*args: Any, **options: Any) -> Callable[[], Any]:
        return lambda: kanml.PINN("tx", [term(*args, **options)])

    makers = {
        "an equation": one(),
        "many points": one(points=MANY),
        "a sum": one(reduction="sum", weight=0.1),
        "attention": one(attention=kanml.RBA(mu=0.3)),
        "minibatches": one(batch_size=40, seed=5),
        "attention in minibatches": one(batch_size=40, attention=kanml.RBA(mu=0.3)),
        "every function": one(functions),
        "branches": one(branches),
        "fourth order": one(lambda u: u.xxxx + 2 * u.ttxx + u.tttt - 1),
        "derivatives of products": one(lambda u, x: (x * u.x).x + (u * u.t).t),
        "measurements": one(lambda u: u - MEASURED),
        "directions": one(
            lambda u: u.p - 2 * u.mm + u.pm, directions={"p": (1.0, 0.5), "m": (0.2, -1.0)}
        ),
        "directions of points": one(lambda u: u.n + u.nn, directions={"n": VECTORS}),
        "partners": one(
            lambda u, u_partner, x, x_partner: (u - u_partner + x * x_partner, u.x - u_partner.x),
            EDGE,
            partner=OPPOSITE,
        ),
    }
    for method in ("uniform", "sobol", "latin-hypercube", "residual"):
        sampler = kanml.Sampler([-1, -1], [1, 1], n=64, method=method, every=2, seed=1)
        makers[f"points drawn: {method}"] = one(points=sampler)
    resampled = kanml.Sampler([-1, -1], [1, 1], 64, "residual", every=1, k=2.0, c=0.5)
    makers["points drawn, attention"] = one(points=resampled, attention=kanml.RBA(mu=0.1))
    makers["soft conditions"] = lambda: kanml.PINN("tx", soft_terms())
    makers["a transform"] = lambda: kanml.PINN("tx", [term()], transform=hard_condition)
    makers["unknowns"] = lambda: kanml.PINN(
        "tx",
        [term(lambda u, a, b: u.t + a * u * u.x - b * u.xx), *soft_terms()[1:]],
        unknowns={"a": 1.0, "b": 0.5},
    )
    makers["unknowns in a transform"] = lambda: kanml.PINN(
        "tx", [term()], unknowns={"a": 1.0}, transform=lambda u, x, a: a * x + u
    )
    makers["two outputs"] = lambda: kanml.PINN(
        "tx",
        [term(lambda v, w: (v.t - w.x, w.t * v - v.xx))],
        outputs=["v", "w"],
        transform=lambda v, w, t: (t * v, w + v),
    )
    makers["a penalty"] = lambda: kanml.PINN("tx", [term()], penalty=kanml.Smoothness(0.01))
    makers["a subclass"] = lambda: Doubled("tx", [term()])
    return makers


def burgers(u: Any) -> Any:
    """Return the residual of Burgers' equation."""
    return u.t + u * u.x - 0.1 * u.xx


def hard_condition(u: Any, t: Any, x: Any) -> Any:
    """Return a solution with the right initial and boundary values."""
    return -np.sin(np.pi * x) + (t + 1) * (1 - x**2) * u


def soft_terms() -> list[Any]:
    """Return an equation with initial and boundary conditions."""
    return [
        kanml.Term("pde", INSIDE, burgers),
        kanml.Term("initial", EDGE[:, ::-1], lambda u, x: u + np.sin(np.pi * x), weight=10.0),
        kanml.Term("walls", EDGE, lambda u: u, weight=5.0, attention=kanml.RBA(mu=0.2)),
    ]


def functions(u: Any, t: Any, x: Any) -> Any:
    """Return an expression with functions of all kinds."""
    smooth = np.sin(u) * np.cos(t) + np.exp(-(u**2)) + np.tanh(u.x) - np.log1p(x**2)
    roots = np.sqrt(1 + u.x**2) + np.arctan(u) / (2 + np.cosh(x)) + np.hypot(u, x)
    kinks = abs(u.t) + np.maximum(u, x) - np.minimum(u.t, 0.5) + np.sign(x) * u.tx
    return smooth + roots + kinks + 2.0**u - u**3


def branches(u: Any, x: Any, t: Any) -> Any:
    """Return an expression that differs from place to place."""
    chosen = np.select([x < -0.5, (x > 0.5) & (t > 0)], [u.xx, u.x], u.t)
    return np.where(u > x, chosen, 2 * u), chosen - np.where(t > 0, 1.0, u)


class Doubled(kanml.PINN):
    """A problem with twice the loss."""

    def evaluation(self, *arguments: Any, **options: Any) -> kanml.Evaluation:
        """Return the evaluation, with value and gradient twice."""
        found = super().evaluation(*arguments, **options)
        gradient = None if found.gradient is None else 2 * found.gradient
        return replace(found, value=2 * found.value, gradient=gradient)


def terms(problem: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Return what an evaluation says of each term, with and without a gradient."""
    found = [
        problem.evaluation(*arguments, want=want, **options).terms for want in ("gradient", "value")
    ]
    return {name: [part[name] for part in found] for name in found[0]}


def record_problem(record: Record, problem: Any, net: Any, unknowns: tuple[Any, ...]) -> None:
    """Record a problem at its start, after some steps, and in copies."""
    values = problem.value_and_gradient
    record("description", lambda: (repr(problem), problem.fingerprint(), problem.state()))
    record("loss and gradient", by_threads, values, net, *unknowns)
    record("residuals", by_threads, problem.residuals, net, *unknowns)
    record_rows(record, problem, net, unknowns)
    moved = copy.copy(problem)
    for step in range(1, 10):
        changed = moved.advance(net, *unknowns)
        if step in (1, 2, 9):
            with record.within(f"step {step}"):
                record("state", lambda changed=changed: (changed, moved.state()))
                record("loss and gradient", by_threads, moved.value_and_gradient, net, *unknowns)
    for name, other in {
        "before": problem,
        "pickled": pickle.loads(pickle.dumps(moved)),
        "restored": _restored(problem, moved),
        "excerpt": moved.excerpt(50)[0],
    }.items():
        record(f"loss and gradient, {name}", other.value_and_gradient, net, *unknowns)


def record_rows(record: Record, problem: Any, net: Any, unknowns: tuple[Any, ...]) -> None:
    """Record derivatives of residuals, and their triangle."""
    columns = net.n_parameters + len(problem.unknowns)
    rows = problem.n_rows(net)
    direction, cotangent = normal("direction", columns), normal("cotangent", rows)
    record("jvp", by_threads, problem.jvp, net, direction, *unknowns)
    record("vjp", by_threads, problem.vjp, net, cotangent, *unknowns)
    if rows * columns < 10**6:
        record("jacobian", by_threads, problem.jacobian, net, *unknowns)
        record("triangle", by_threads, partial(_triangle, problem), net, *unknowns)


def _triangle(problem: Any, *arguments: Any, **options: Any) -> Array:
    matrix: Array = problem.evaluation(*arguments, want="least_squares", **options).triangle.matrix
    return matrix


def _restored(problem: Any, moved: Any) -> Any:
    again = copy.copy(problem)
    again.restore(moved.state())
    return again


def record_solution(record: Record, problem: Any, net: Any, unknowns: tuple[Any, ...]) -> None:
    """Record what a problem of residuals offers beside its loss."""
    points = uniform("elsewhere", 40, 2)
    first = problem.outputs[0]
    record("terms", by_threads, partial(terms, problem), net, *unknowns)
    record("solution", by_threads, problem.solution, net, points, *unknowns)
    derivatives = eval(f"lambda {first}: ({first}.x, {first}.tx, {first}.d)")
    directions = {"d": (0.5, -2.0)}
    record(
        "evaluate",
        lambda: problem.evaluate(net, points, derivatives, *unknowns, directions=directions),
    )


def record_refusals(record: Record) -> None:
    """Record what is refused, and how that is said."""

    def pinn(residual: Callable[..., Any], **options: Any) -> Any:
        return kanml.PINN("tx", [kanml.Term("pde", INSIDE, residual)], **options)

    problem, net = pinn(burgers), kanml.KAN([2, 1], degree=2)
    for name, call in {
        "an unknown field": lambda: pinn(lambda v: v),
        "an unknown letter": lambda: pinn(lambda u: u.y),
        "a fifth derivative": lambda: pinn(lambda u: u.xxxxx).evaluation(net),
        "a branch": lambda: pinn(lambda u: u if u > 0 else -u),
        "a sum over points": lambda: pinn(lambda u: np.sum(u)),
        "names twice": lambda: pinn(burgers, outputs="t"),
        "other widths": lambda: problem.value_and_gradient(kanml.KAN([3, 1])),
        "a low degree": lambda: pinn(lambda u: u.xxx).value_and_gradient(net),
        "no unknowns": lambda: pinn(lambda u, a: a * u, unknowns={"a": 1.0}).evaluation(net),
        "a number of rows": lambda: kanml.Regression([[1.0]], [[1.0], [2.0]]),
        "one axis": lambda: kanml.Regression([1.0], [1.0]),
        "a batch size": lambda: kanml.Regression([[1.0]], [[1.0]], batch_size=2),
        "a method of sampling": lambda: kanml.Sampler([0], [1], 3, "other"),
    }.items():
        record.refusal(f"refused: {name}", call)
