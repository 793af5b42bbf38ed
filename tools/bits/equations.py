"""The reference problems: solutions, points, terms, losses and gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import kanml
from bits.inputs import DTYPES, by_threads, uniform, with_numbers
from bits.problems import terms
from bits.record import Cases, Record

__all__ = ["cases"]

ROOM = getattr(kanml, "equations", kanml.problems)  # earlier revisions have them with the problems
EQUATIONS: dict[str, dict[str, float]] = {  # as the library calls them
    "Advection": {"c": 2.5},
    "AllenCahn": {},
    "Biharmonic": {},
    "Burgers": {"nu": 0.05},
    "Heat": {"waves": 2},
    "Helmholtz": {"a1": 2, "a2": 3, "k": 1.5},
    "KortewegDeVries": {},
    "KuramotoSivashinsky": {},
    "Poisson": {"waves": 2},
    "PoissonInterface": {},
}


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for name, parameters in EQUATIONS.items():
        with record.within(name):
            record_equation(record, getattr(ROOM, name)(**parameters))
    for seed in (0, 3):
        record(f"RotatedWaves, seed {seed}", _waves, seed)
    return record.cases


def record_equation(record: Record, equation: Any) -> None:
    """Record all that a reference problem offers."""
    points = equation.grid((7, 9))
    record("description", lambda: (repr(equation), equation.inputs, equation.domain))
    record("grid", lambda: points)
    record("solution", equation.solution, points)
    record("network points", lambda: (equation.network_inputs, equation.network_points(points)))
    for condition in equation.conditions:
        record(f"equispaced, {condition}", equation.equispaced, condition, 5)
    record.refusal("points of an unknown condition", equation.equispaced, "other", 5)
    n_in = len(equation.network_inputs)
    for name in ("relative_l2", "maximum_error"):
        record(name, getattr(equation, name), lambda x: x[:, :1] * x[:, 1:2] ** 2, 15)
    for dtype, reduction in product(DTYPES, ("mean", "sum")):
        net = kanml.KAN([n_in, 3, 1], degree=5, intervals=3, activation="tanh", dtype=dtype)
        net = with_numbers(net, "equation")
        given = {
            "random points": dict.fromkeys(equation.conditions, 90),
            "a grid": {name: equation.equispaced(name, 12) for name in equation.conditions},
        }
        for what, at in given.items():
            with record.within(f"{dtype}, {reduction}, {what}"):
                problem = equation.pinn(at, reduction=reduction, weights={"volume": 0.5}, seed=2)
                record("loss and gradient", by_threads, problem.value_and_gradient, net)
                record("terms", terms, problem, net)
                record("fingerprint", problem.fingerprint)


def _waves(seed: int) -> Any:
    data = ROOM.RotatedWaves(seed, n=100)
    x = uniform("waves", 20, 2, within=(0, 1))
    return data.x, data.y, data.x_test, data.y_test, data(x)
