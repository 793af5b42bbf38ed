"""Networks on truncated power series: the Taylor coefficients of their outputs, to rounding.

A series in s_1, ..., s_d is a dictionary from exponents to coefficients, arrays (N, width). It has
all exponents up to a greatest one for each s_i, so that a product needs nothing that was cut off.
As elsewhere here, points and parameters may be complex or of extended precision: a complex step
then gives the derivatives of the coefficients by both.
"""

from __future__ import annotations

import itertools
from math import comb, factorial, prod

import numpy as np

from reference import networks, splines


def times(f, g):
    """The product of two series with the same exponents."""
    product = {}
    for k in f:
        below = itertools.product(*(range(i + 1) for i in k))
        product[k] = sum(f[i] * g[tuple(np.subtract(k, i))] for i in below)
    return product


def composed(coefficients, series):
    """sum_m coefficients[m] h^m, with h the series without its constant.

    Parameters
    ----------
    coefficients : list of ndarray
        Of the outer function, about the constant of the series: f^(m) / m!. Those beyond the end
        of the list are zero.
    """
    constant = next(iter(series))
    h = {**series, constant: 0 * series[constant]}
    power = {k: 0 * h[k] + (k == constant) for k in h}
    result = {k: 0.0 for k in h}
    for c in coefficients[: sum(max(series)) + 1]:
        result = {k: result[k] + c * power[k] for k in h}
        power = times(power, h)
    return result


def activation(kind, z, order):
    """f^(m)(z) / m! for m = 0 .. order, from the differential equations of the functions."""
    if kind == "relu":
        on = np.where(np.real(z) > 0, 1 + 0 * z, 0 * z)
        return [on * z, on, *(0 * z for _ in range(order - 1))][: order + 1]
    if kind in ("sin", "cos"):
        turns = [np.sin(z), np.cos(z), -np.sin(z), -np.cos(z)]
        first = int(kind == "cos")
        return [turns[(first + m) % 4] / factorial(m) for m in range(order + 1)]
    if kind == "silu":  # z sigmoid(z)
        sigmoid = activation("sigmoid", z, order)
        return [z * c + (sigmoid[m - 1] if m > 0 else 0.0) for m, c in enumerate(sigmoid)]
    if kind not in ("sigmoid", "tanh"):
        raise ValueError(f"no power series of {kind!r}")
    y = [networks.ACTIVATIONS[kind](z)]
    for m in range(order):
        square = sum(y[i] * y[m - i] for i in range(m + 1))
        slope = y[m] - square if kind == "sigmoid" else (m == 0) - square  # f' = f - f^2, 1 - f^2
        y.append(slope / (m + 1))
    return y


def spline(layer, p, start, x):
    """The coefficients of all functions of input p, f^(m)(x) / m! with m up to the degree."""
    knots, k = layer.knots[p], layer.degree
    rows = slice(start, start + len(knots) - k - 1)
    if isinstance(layer, networks.Spline):
        c, rule = layer.coefficients[rows], layer.extrapolation
        return [splines.evaluate(knots, k, c, x, m, rule) / factorial(m) for m in range(k + 1)]
    distance = np.asarray(x)[:, None] - knots[: len(knots) - k - 1]
    on = np.real(distance) > 0
    return [
        comb(k, m) * np.where(on, distance ** (k - m), 0 * distance) @ layer.weights[rows]
        for m in range(k + 1)
    ]


def through(layer, series):
    """What a layer makes of a series."""
    constant = next(iter(series))
    z, order = series[constant], sum(max(series))
    if isinstance(layer, networks.Linear):
        return {k: layer(c) if k == constant else c @ layer.weights for k, c in series.items()}
    if isinstance(layer, networks.Affine):
        return {k: layer(c) if k == constant else layer.scale * c for k, c in series.items()}
    if isinstance(layer, networks.Activation):
        return composed(activation(layer.kind, z, order), series)
    if isinstance(layer, networks.WithBase):
        splines_of, outer = through(layer.splines, series), activation(layer.kind, z, order)
        function = composed(outer, series)
        return {k: splines_of[k] + function[k] @ layer.weights for k in series}
    if isinstance(layer, networks.Embedding):
        columns = []
        for i, kind, frequency in layer.features:
            column = {k: c[:, i : i + 1] for k, c in series.items()}
            if kind != "identity":
                name = {"cosine": "cos", "sine": "sin"}[kind]
                outer = activation(name, frequency * column[constant], order)
                column = composed([frequency**m * c for m, c in enumerate(outer)], column)
            columns.append(column)
        return {k: np.concatenate([column[k] for column in columns], axis=1) for k in series}
    if not isinstance(layer, (networks.Spline, networks.Relu)):
        raise ValueError(f"no power series through {layer!r}")
    total, start = {k: 0.0 for k in series}, 0
    for p, knots in enumerate(layer.knots):
        outer = spline(layer, p, start, z[:, p])
        part = composed(outer, {k: c[:, p : p + 1] for k, c in series.items()})
        total = {k: total[k] + part[k] for k in series}
        start += len(knots) - layer.degree - 1
    return total


def expand(layers, x, directions, orders):
    """The coefficients of the network at x + sum_i s_i v_i in powers of s: exponents -> (N, q).

    Parameters
    ----------
    directions : sequence of array_like, shape (d,) or (N, d)
        The v_i.
    orders : sequence of int
        The greatest exponent of each s_i.
    """
    series = {k: 0 * x for k in itertools.product(*(range(n + 1) for n in orders))}
    series[(0,) * len(orders)] = x
    for i, v in enumerate(directions):
        unit = tuple(int(i == j) for j in range(len(orders)))
        if unit in series:
            series[unit] = 0 * x + np.asarray(v)
    for layer in layers:
        series = through(layer, series)
    return series


def taylor(layers, x, v, order):
    """The coefficients along one direction: (order + 1, N, q)."""
    return np.array(list(expand(layers, x, [v], [order]).values()))


def derivatives(layers, x, names, inputs):
    """Partial derivatives of the outputs, named by the letters of the inputs: name -> (N, q)."""
    exponents = {name: tuple(name.count(letter) for letter in inputs) for name in names}
    orders = np.max(list(exponents.values()), axis=0)
    series = expand(layers, x, np.eye(len(inputs)), orders)
    return {name: prod(map(factorial, k)) * series[k] for name, k in exponents.items()}
