"""What stands without a network: spaces, prolongations, changes of basis, their analysis."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import kanml
from bits.inputs import BASES, DEGREES, DTYPES, Array, normal, uniform, with_numbers
from bits.record import Cases, Record

__all__ = ["cases"]


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for degree in DEGREES:
        for name, space in some_spaces(degree).items():
            with record.within(f"{name}, degree {degree}"):
                record_space(record, space)
                record_operators(record, space)
                record_spectrum(record, space)
    record_kernels(record)
    record_layers(record)
    record_settings(record)
    return record.cases


def some_spaces(degree: int) -> dict[str, Any]:
    """Return spaces on equal and on unequal intervals."""
    return {
        "one interval": kanml.SplineSpace([0.0, 0.3], degree),
        "equal intervals": kanml.SplineSpace.uniform(-1, 1, 6, degree),
        "elsewhere": kanml.SplineSpace.uniform(10.0, 1e3, 4, degree),
        "unequal intervals": kanml.SplineSpace([-1.0, -0.8, 0.1, 0.15, 1.0, 1.5], degree),
    }


def record_space(record: Record, space: Any) -> None:
    """Record the properties of a space, and its methods at points and at knots."""
    a, b = space.domain
    x = np.concatenate([a + (b - a) * uniform("points", 50, within=(0, 1)), space.breakpoints])
    coefficients = normal("coefficients", 2, space.dim)
    record("arrays", lambda: (space.breakpoints, space.knots))
    record(
        "properties",
        lambda: (space.degree, space.order, space.intervals, space.dim, space.domain, repr(space)),
    )
    for order in range(space.degree + 1):
        record(f"basis, derivative {order}", space.basis, x, order)
        record(f"design_matrix, derivative {order}", space.design_matrix, x, order)
        record(f"evaluate, derivative {order}", space.evaluate, coefficients, x, order)
    for name, finer in finer_spaces(space).items():
        record(name, lambda finer=finer: (finer.breakpoints, repr(finer), finer == space))
    record("pickled", lambda: pickle.loads(pickle.dumps(space)) == space)
    record.refusal("outside", space.basis, [b + 1.0])
    record.refusal("a derivative too many", space.basis, x, space.degree + 1)
    record.refusal("a breakpoint twice", space.insert, space.breakpoints[:1])


def finer_spaces(space: Any) -> dict[str, Any]:
    """Return refinements of a space."""
    middle = space.breakpoints[:1] + 0.3 * np.diff(space.breakpoints)[:1]
    return {
        "refined": space.refine(),
        "refined in three": space.refine(3),
        "with a breakpoint": space.insert(middle),
    }


def record_operators(record: Record, space: Any) -> None:
    """Record prolongations to finer spaces, and the change of basis."""
    for (name, finer), basis in product(finer_spaces(space).items(), BASES):
        with record.within(f"prolongation, {name}, {basis}"):
            operator = kanml.prolongation(space, finer, basis=basis)
            record("whole", operator.toarray)
            for dtype in DTYPES:
                coarse = normal("coarse", space.dim, 2).astype(dtype)
                fine = normal("fine", finer.dim, 2).astype(dtype)
                record(f"products, {dtype}", _products, operator, coarse, fine)
    record.refusal("prolongation to a coarser space", kanml.prolongation, space.refine(), space)
    transform = kanml.relu_transform(space)
    for dtype in DTYPES:
        u = normal("weights", space.dim, 2).astype(dtype)
        record(f"relu_transform, {dtype}", _changes, transform, u)
    record("relu_transform", lambda: (transform.toarray(), repr(transform), transform.condition))
    record("relu_basis", kanml.relu_basis, space, uniform("points", 40, within=(-3, 3)))


def _products(operator: Any, coarse: Array, fine: Array) -> list[Array]:
    moments = [operator.second_moment(coarse**2), operator.curvature(coarse**2)]
    return [operator @ coarse, operator.T @ fine, operator.dual(coarse), *moments]


def _changes(operator: Any, u: Array) -> list[Array]:
    sides = (operator, operator.T, operator.inverse)
    return [result for side in sides for result in (side @ u, side.solve(u))]


def record_spectrum(record: Record, space: Any) -> None:
    """Record the spectrum of the change of basis."""
    spectrum = kanml.analysis.transform_spectrum(space)
    record("transform_spectrum", lambda: (spectrum, spectrum.condition))
    record("transform_condition", kanml.analysis.transform_condition, space)


def record_kernels(record: Record) -> None:
    """Record tangent kernels."""
    layers: list[Any] = [
        kanml.Linear(2, 3),
        kanml.SplineLayer(3, 2, kanml.SplineSpace.uniform(-1, 1, 4, 3)),
        kanml.Activation("tanh"),
        kanml.SplineLayer(2, 2, kanml.SplineSpace.uniform(-1, 1, 3, 2), basis="relu"),
    ]
    x = uniform("kernel", 9, 2)
    for dtype, basis in product(DTYPES, (None, "spline", "relu", "scaled-relu")):
        net = with_numbers(kanml.Network(layers, dtype=dtype), "kernel")
        with record.within(f"{dtype}, basis {basis}"):
            record("ntk", kanml.analysis.ntk, net, x, basis)
            record("ntk_spectrum", kanml.analysis.ntk_spectrum, net, x, basis)
    record("ntk_bound", lambda: [kanml.analysis.ntk_bound(degree) for degree in DEGREES])


def record_layers(record: Record) -> None:
    """Record how layers are made, changed and refused."""
    x = uniform("standardised", 30, 3, within=(0, 50))
    space = kanml.SplineSpace.uniform(-1, 1, 4, 3)
    layer = kanml.SplineLayer(2, 3, [space, space.refine()], extrapolation="clamp")
    made: dict[str, Callable[[], Any]] = {
        "standardising": lambda: kanml.Affine.standardising(x),
        "normalising": lambda: kanml.Affine.normalising([0.1, -3.0], [0.7, 1e6], (-1.0, 2.0)),
        "refine": lambda: layer.refine(3),
        "with_basis": lambda: layer.with_basis("relu"),
        "with_space": lambda: layer.with_space(space),
        "embedding": lambda: kanml.PeriodicEmbedding(3, {2: 2.0, 0: 1.0}, (1, 2)),
    }
    for name, make in made.items():
        record(name, lambda make=make: _described(make()))
    record("features", lambda: kanml.PeriodicEmbedding(3, {2: 2.0, 0: 1.0}, (1, 2)).features)
    wrong: dict[str, Callable[[], Any]] = {
        "rule": lambda: kanml.SplineLayer(1, 1, space, extrapolation="other"),
        "basis": lambda: kanml.SplineLayer(1, 1, space, basis="other"),
        "number of spaces": lambda: kanml.SplineLayer(3, 1, [space, space]),
        "degree": lambda: kanml.SplineSpace([0.0, 1.0], 6),
        "breakpoints": lambda: kanml.SplineSpace([0.0, 0.0, 1.0], 3),
        "activation": lambda: kanml.Activation("other"),
        "widths": lambda: kanml.Network([kanml.Linear(1, 2), kanml.Linear(3, 1)]),
        "no layer": lambda: kanml.Network([]),
    }
    for name, make in wrong.items():
        record.refusal(f"wrong {name}", make)


def _described(layer: Any) -> Any:
    return repr(layer), repr(layer.parameters), layer.n_in, layer.n_out


def record_settings(record: Record) -> None:
    """Record the number of threads, and learning rates."""
    record("threads", kanml.get_num_threads)
    rates = {
        "Ramp": kanml.Ramp(1e-4, 1e-2, 7),
        "CyclicDecay": kanml.CyclicDecay(1e-3, 1e-2, 5, 0.8),
    }
    for name, rate in rates.items():
        steps = [(step, step % 9) for step in range(25)]
        record(name, lambda rate=rate, steps=steps: [rate(*step) for step in steps])
