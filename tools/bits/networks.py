"""Networks with given parameters: values, derivatives, refinement, change of basis."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import kanml
from bits.inputs import (
    ACTIVATIONS,
    BASES,
    DEGREES,
    DTYPES,
    KNOTS,
    RULES,
    Array,
    by_threads,
    network,
    normal,
    spaces,
    stacks,
    uniform,
)
from bits.record import Cases, Record

__all__ = ["cases"]

ROWS = 1200  # enough for several threads
WIDTHS = (7, 27)  # outputs of layers that are narrow and wide to the kernels
MAX_ORDER = 4
DERIVATIVES = ("", "x", "y", "xx", "xy", "xxy", "yyy", "xxxx", "xxyy")


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for (name, make), dtype in product((*spline_layers(), *other_layers(), *stacks()), DTYPES):
        with record.within(f"{name}, {dtype}"):
            net = make(dtype)
            strict = any(getattr(layer, "extrapolation", "") == "error" for layer in net.layers)
            x = uniform(name, ROWS, net.n_in, within=(-1, 1) if strict else (-1.5, 1.5))
            record_derivatives(record, net, x)
            record_taylor(record, net, x)
            record_transfer(record, net, x)
            record_descriptions(record, net)
            at_special_points = record.refusal if strict else record
            at_special_points("special points", net, special_points(net))
    return record.cases


def spline_layers() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Yield names and makers of networks of one spline layer."""
    for degree, knots, rule, basis, n_out in product(DEGREES, KNOTS, RULES, BASES, WIDTHS):
        name = f"SplineLayer to {n_out}, degree {degree}, {knots}, {rule}, {basis}"
        yield name, partial(_spline_layer, degree, knots, rule, basis, n_out)


def other_layers() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Yield names and makers of networks of one layer of each other kind."""
    for n_out, bias in product(WIDTHS, (True, False)):
        yield f"Linear to {n_out}, bias {bias}", partial(_layers, kanml.Linear, 5, n_out, bias)
    fixed: dict[str, tuple[Any, ...]] = {
        "Affine of numbers": (kanml.Affine, 2.0, [0.5, 0.25, -1.0]),
        "Affine of arrays": (kanml.Affine, [2.0, -1.0, 0.0], [0.5, 0.0, 1.0]),
        "PeriodicEmbedding": (kanml.PeriodicEmbedding, 3, {1: 2.0}),
        "PeriodicEmbedding, multiples": (kanml.PeriodicEmbedding, 3, {2: 0.7, 0: 3.0}, (1, 3)),
    }
    for name, parts in fixed.items():
        yield name, partial(_layers, *parts)
    for kind in ACTIVATIONS:
        yield f"Activation {kind}", partial(_activation, kind)


def _spline_layer(degree: int, knots: str, rule: str, basis: str, n_out: int, dtype: str) -> Any:
    space = spaces(knots, degree)
    layer = kanml.SplineLayer(3, n_out, space, basis=basis, extrapolation=rule)
    return network([layer], dtype)


def _layers(kind: Callable[..., Any], *rest: Any) -> Any:
    *arguments, dtype = rest
    return network([kind(*arguments)], dtype)


def _activation(kind: str, dtype: str) -> Any:
    return network([kanml.Affine([1.0, 3.0, 9.0], 0.0), kanml.Activation(kind)], dtype)


def special_points(net: Any) -> Array:
    """Return points at knots and next to them, far away, zero, infinite and NaN."""
    ends = np.array([-1.0, -0.7, -0.5, 0.0, 0.2, 1.0, 2.0])
    values = [ends, np.nextafter(ends, -np.inf), np.nextafter(ends, np.inf)]
    others = [-0.0, 1e-300, 7.0, -30.0, 1e10, -1e30, np.inf, -np.inf, np.nan]
    column = np.concatenate([*values, others])
    return np.stack([np.roll(column, 3 * i) for i in range(net.n_in)], axis=1)


def record_derivatives(record: Record, net: Any, x: Array) -> None:
    """Record values and first derivatives."""
    cotangent, tangent = normal("cotangent", ROWS, net.n_out), normal("tangent", net.n_parameters)
    record("values", by_threads, net, x)
    record("vjp", by_threads, net.vjp, x, cotangent)
    record("jvp", by_threads, net.jvp, x, tangent)
    record("jacobian", by_threads, net.jacobian, x)
    record("mean squared error", by_threads, net.mean_squared_error, x, cotangent)
    record("values at one point", net, x[:1])
    record("vjp at no point", net.vjp, x[:0], cotangent[:0])


def record_taylor(record: Record, net: Any, x: Array) -> None:
    """Record Taylor coefficients along directions of each kind, and derivatives by name."""
    degrees = (getattr(layer, "degree", None) for layer in net.layers)
    highest = min([MAX_ORDER, *(degree for degree in degrees if degree is not None)])
    both, own = normal("directions", 2, net.n_in), normal("own directions", 1, ROWS, net.n_in)
    for order in range(highest + 1):
        cotangents = normal("cotangents", 2, order + 1, ROWS, net.n_out)
        record(f"taylor of order {order}", by_threads, net.taylor, x, both, order)
        record(f"taylor_vjp of order {order}", by_threads, net.taylor_vjp, x, both, cotangents)
    record("taylor along one direction", net.taylor, x, both[0], highest)
    record("taylor along own directions", net.taylor, x, own, highest)
    record("taylor_vjp along own directions", net.taylor_vjp, x, own, cotangents[:1])
    record.refusal("taylor beyond", net.taylor, x, both, highest + 1)
    if 2 <= net.n_in <= 3:
        names = [name for name in DERIVATIVES if len(name) <= highest]
        record("derivatives", by_threads, net.derivatives, x, names, "xyz"[: net.n_in])


def record_transfer(record: Record, net: Any, x: Array) -> None:
    """Record refinement, prolongation, change of basis and of dtype."""
    theta = normal("parameters", net.n_parameters).astype(net.dtype)
    fine = net.refine()
    gradient = normal("gradient", fine.n_parameters).astype(net.dtype)
    record("refine", lambda: (fine.parameters, fine(x)))
    record("refine in three", lambda: net.refine(3).parameters)
    record("refine by spaces", _refined_by_spaces, net)
    record("prolongation", _products, net.prolongation(fine), theta, gradient)
    for basis in BASES:
        record(f"to_basis {basis}", lambda basis=basis: _described(net.to_basis(basis)))
        change = net.change_of_basis(basis)
        record(f"change_of_basis {basis}", _inverses, change, theta)
    for dtype in DTYPES:
        record(f"astype {dtype}", lambda dtype=dtype: _described(net.astype(dtype)))


def _refined_by_spaces(net: Any) -> Any:
    def finer(space: Any) -> Any:
        first, second = space.breakpoints[:2]
        return space.insert([first + 0.3 * (second - first)])

    chosen = [[finer(s) for s in getattr(layer, "spaces", ())] or None for layer in net.layers]
    return net.refine(spaces=chosen).parameters


def _products(operator: Any, coarse: Array, fine: Array) -> dict[str, Any]:
    return {
        "shape": operator.shape,
        "@": operator @ coarse,
        "T @": operator.T @ fine,
        "dual": operator.dual(coarse),
        "second_moment": operator.second_moment(coarse**2),
        "curvature": operator.curvature(coarse**2),
    }


def _inverses(operator: Any, theta: Array) -> dict[str, Any]:
    return {
        "@": operator @ theta,
        "T @": operator.T @ theta,
        "solve": operator.solve(theta),
        "T solve": operator.T.solve(theta),
        "inverse @": operator.inverse @ theta,
    }


def _described(net: Any) -> dict[str, Any]:
    return {"parameters": net.parameters, "repr": repr(net), "fresh": net.fresh}


def record_descriptions(record: Record, net: Any) -> None:
    """Record what a network says of itself, and its copy by a pickle."""
    record("description", lambda: (repr(net), net.n_in, net.n_out, str(net.dtype)))
    record("blocks", lambda: [repr(block) for block in net.blocks])
    record("layers", lambda: [(type(x).__name__, repr(x), repr(x.parameters)) for x in net.layers])
    record("pickled", lambda: _described(pickle.loads(pickle.dumps(net))))
    record("exported", kanml.export_mlp, net)
