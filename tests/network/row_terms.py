"""Terms of least squares for the core, and the same in NumPy.

A function of Taylor coefficients, columns and unknowns gives the rows at a point. It is traced for
the core and called with arrays for the oracle, whose derivatives are a complex step through power
series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from helpers import reference_layers
from kanml import _core
from kanml.expressions import Leaf, Program, Trace, as_number, partials
from reference import networks, series


@dataclass
class RowTerm:
    """Rows at samples of points.

    `rows(*places, *columns, *unknowns)` returns a tuple; a place is a list of planes, a plane a
    list of outputs. `places` are (x, orders, vectors), `chosen` the points of the batch, or None.
    """

    rows: Callable
    places: list
    n_out: int
    columns: list = field(default_factory=list)
    chosen: np.ndarray | None = None
    n_unknowns: int = 0

    @property
    def n(self):
        return len(self.places[0][0]) if self.chosen is None else len(self.chosen)

    def core(self, dtype, where=""):
        trace = Trace("x")
        coefficients = {
            Leaf("plane", str(q), f"{p}.{m}"): (p, m, q)
            for p, (_, orders, _) in enumerate(self.places)
            for m in range(1 + sum(orders))
            for q in range(self.n_out)
        }
        planes = [
            [
                [trace.leaf(Leaf("plane", str(q), f"{p}.{m}")) for q in range(self.n_out)]
                for m in range(1 + sum(orders))
            ]
            for p, (_, orders, _) in enumerate(self.places)
        ]
        columns = [Leaf("column", str(i)) for i in range(len(self.columns))]
        unknowns = [Leaf("unknown", str(i)) for i in range(self.n_unknowns)]
        rows = self.rows(*planes, *map(trace.leaf, columns), *map(trace.leaf, unknowns))
        results, differentiated = list(rows), []
        for row in rows:
            slopes = dict(zip(coefficients, partials(row, coefficients), strict=True))
            kept = [leaf for leaf, slope in slopes.items() if as_number(slope) != 0]
            differentiated.append([coefficients[leaf] for leaf in kept])
            results += [slopes[leaf] for leaf in kept] + partials(row, unknowns)
        program = Program(results, [*coefficients, *columns, *unknowns])
        formula = _core.PointRows(
            program.core,
            list(coefficients.values()),
            len(columns),
            len(unknowns),
            differentiated,
        )
        kind = {"float32": _core.RowTermFloat32, "float64": _core.RowTermFloat64}[dtype]
        places = [
            (x.astype(dtype), orders, vectors.astype(dtype)) for x, orders, vectors in self.places
        ]
        columns = [column.astype(dtype) for column in self.columns]
        return kind(formula, self.n, self.chosen, places, columns, where)

    def expected(self, layers, unknowns):
        """The rows (n, number of rows)."""
        chosen = slice(None) if self.chosen is None else self.chosen
        places = []
        for x, orders, vectors in self.places:
            planes = [networks.evaluate(layers, x[chosen]).T]
            for order, v in zip(orders, vectors, strict=True):
                v = v[chosen] if np.ndim(v) == 2 else v
                planes += [plane.T for plane in series.taylor(layers, x[chosen], v, order)[1:]]
            places.append(planes)
        columns = [column[chosen] for column in self.columns]
        rows = self.rows(*places, *columns, *unknowns)
        return np.stack([row + np.zeros(self.n) for row in rows], axis=1)


@dataclass
class LeastSquares:
    """Terms at a network, with one set of unknowns for all of them."""

    net: object
    terms: list
    scales: list
    unknowns: tuple = ()

    def __post_init__(self):
        self.core = [term.core(self.net.dtype.name) for term in self.terms]

    @property
    def n(self):
        return self.net.n_parameters + len(self.unknowns)

    def call(self, name, *arguments, threads=1):
        function = getattr(self.net._core_network(), name)
        return function(
            self.core, self.scales, self.net.parameters, list(self.unknowns), *arguments, threads
        )

    def rows(self, **options):
        return self.call("rows", True, **options)

    def expected_values(self, theta):
        layers = reference_layers(self.net, theta[: self.net.n_parameters])
        unknowns = theta[self.net.n_parameters :]
        return np.concatenate([
            scale * term.expected(layers, unknowns).ravel()
            for term, scale in zip(self.terms, self.scales, strict=True)
        ])  # fmt: skip

    def theta(self):
        return np.concatenate([np.float64(self.net.parameters), self.unknowns])

    def expected_along(self, direction):
        """The derivative of the rows along a direction in parameters and unknowns."""
        return networks.complex_step(self.expected_values, self.theta(), direction)
