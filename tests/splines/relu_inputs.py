"""Splines and networks whose basis is changed, and how far rounding may take their results.

With w = A^T u the splines b and the powers psi are one function, u b = w psi. Whatever is computed
through w is uncertain by rounding times sum_j |w_j| psi_j, which grows like n^degree; the bounds
are small multiples of that sum, never of the result.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import kanml
from helpers import random_breakpoints, with_random_parameters
from reference import relu, splines

EPS = np.finfo(float).eps
EPS32 = np.finfo(np.float32).eps
DEGREES = range(1, 6)
RULES = ["linear", "polynomial", "clamp"]
DTYPES = ["float64", "float32"]

few_digits_left = pytest.mark.filterwarnings("ignore:.*can hardly hold:RuntimeWarning")
no_digits_left = pytest.mark.filterwarnings("ignore:.*cannot hold:RuntimeWarning")


def nonuniform(n, degree, seed, ratio=5.0, a=-1.0, b=1.0):
    rng = np.random.default_rng(seed)
    return kanml.SplineSpace(random_breakpoints(rng, n, a, b, ratio), degree)


def uniform(n, degree):
    return kanml.SplineSpace.uniform(-1.0, 1.0, n, degree)


def layers(widths, degree, rule="linear", basis="spline"):
    """Layers on nonuniform knots, a space of its own and of its own size an input."""
    return [
        kanml.SplineLayer(
            n_in,
            n_out,
            [nonuniform(2 + 2 * p + i, degree, seed=10 * i + p) for p in range(n_in)],
            basis=basis,
            extrapolation=rule,
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    ]


def spline_network(widths, degree, rule="linear", dtype="float64"):
    net = kanml.Network(layers(widths, degree, rule), seed=0, dtype=dtype)
    return with_random_parameters(net, seed=degree)


def one_spline(space, seed, rule="linear", dtype="float64"):
    """One random spline; every second one is smooth, of much smaller ReLU weights."""
    u = np.random.default_rng(seed).normal(size=space.dim)
    if seed % 2:
        u = np.cumsum(u) / np.sqrt(space.dim)
    layer = kanml.SplineLayer(1, 1, space, extrapolation=rule)
    return kanml.Network([layer], dtype=dtype).with_parameters(u)


def uncertainty(net, x):
    """What one unit of rounding does to the outputs (N, n_out), to first order.

    Each layer adds sum |b| |A^-T| |w|, which is sum_j |w_j| psi_j inside the domain, and magnifies
    what arrives by its slopes. In the spline basis |w| is bounded by |A^T| |u|.
    """
    x, error = np.longdouble(x), np.zeros_like(x, np.longdouble)
    for layer, block in zip(net.layers, net.blocks, strict=True):
        parameters = np.longdouble(net.parameters[block.slice]).reshape(block.shape)
        y, own, start = 0.0, 0.0, 0
        for p, space in enumerate(layer.spaces):
            c = parameters[start : (start := start + space.dim)]
            knots, k = np.longdouble(space.knots), layer.degree
            to_splines = relu.inverse(knots, k).T
            if layer.basis == "relu":
                u, size = to_splines @ c, to_splines @ abs(c)
            else:
                u = c
                size = to_splines @ (abs(relu.by_divided_difference(knots, k)).T @ abs(c))
            values = splines.basis_with_rule(knots, k, x[:, p], 0, layer.extrapolation)
            slopes = splines.basis_with_rule(knots, k, x[:, p], 1, layer.extrapolation) @ u
            y = y + values @ u
            own = own + abs(values) @ size + abs(slopes) * error[:, p : p + 1]
        x, error = y, own
    return np.float64(error)


def ulps(got, exact):
    """The largest error of doubles against fractions, in units in the last place."""
    spacing = relu.fractions(np.spacing(abs(exact.astype(float))))
    return float((abs(relu.fractions(got) - exact) / spacing).max())


def dense(space):
    """A and A^-1 in extended precision, by their closed forms."""
    knots = np.longdouble(space.knots)
    return relu.by_divided_difference(knots, space.degree), relu.inverse(knots, space.degree)
