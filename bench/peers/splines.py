"""Splines without networks: SciPy's BSpline and NdBSpline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from timing import in_turn

import kanml
from peers import libraries
from peers.table import Options, Table

DEGREE = 3
POINTS = 100_000
TOLERANCE = 1e-12

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def splines(options: Options, table: Table) -> None:
    table.title(f"Splines of degree {DEGREE} at {POINTS} random points, float64")
    interpolate = libraries.load("scipy.interpolate", "scipy")
    if interpolate is None:
        return
    for intervals in (8, 512):
        for what, (ours, theirs) in pairs(interpolate, intervals).items():
            name = f"{what}, n = {intervals}"
            against = "SciPy NdBSpline" if what.startswith("two inputs") else "SciPy BSpline"
            if not table.check(name, against, {"values": (ours(), theirs())}, TOLERANCE):
                continue
            times = in_turn({"ours": ours, "theirs": theirs}, options.rounds)
            table.times(name, times["ours"], against, times["theirs"], factor=True)


def pairs(interpolate: Any, intervals: int) -> dict[str, Pair]:
    """The same computation by kanml and by SciPy."""
    rng = np.random.default_rng(0)
    space = kanml.SplineSpace.uniform(-1, 1, intervals, DEGREE)
    x, y = rng.uniform(-1, 1, (2, POINTS))
    one, many = rng.normal(size=space.dim), rng.normal(size=(8, space.dim))
    table = rng.normal(size=(min(space.dim, 67),) * 2)
    grid = kanml.SplineSpace.uniform(-1, 1, len(table) - DEGREE, DEGREE)
    single = interpolate.BSpline(space.knots, one, DEGREE)
    several = interpolate.BSpline(space.knots, np.ascontiguousarray(many.T), DEGREE)
    product = interpolate.NdBSpline((grid.knots, grid.knots), table, DEGREE)
    both = np.stack([x, y], axis=1)
    found: dict[str, Pair] = {
        "nonzero basis functions": (
            lambda: space.basis(x)[1],
            lambda: interpolate.BSpline.design_matrix(x, space.knots, DEGREE).data,
        ),
        "one spline": (lambda: space.evaluate(one, x), lambda: single(x)),
        "its second derivative": (
            lambda: space.evaluate(one, x, derivative=2),
            lambda: single(x, nu=2),
        ),
        "8 splines": (lambda: space.evaluate(many, x), lambda: several(x).T),
    }
    if len(table) == space.dim:
        found["two inputs, by NumPy"] = (
            lambda: tensor_product(grid, table, x, y),
            lambda: product(both),
        )
    return found


def tensor_product(
    space: kanml.SplineSpace, coefficients: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """A spline of two inputs; kanml has the basis of each, and NumPy does the rest."""
    (i, by_x), (j, by_y) = space.basis(x), space.basis(y)
    offsets = np.arange(space.order)
    rows, columns = i[:, None] + offsets, j[:, None] + offsets
    block = coefficients[rows[:, :, None], columns[:, None, :]]
    return np.einsum("na,nab,nb->n", by_x, block, by_y)
