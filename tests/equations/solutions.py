"""Derivatives of a solution, by its Chebyshev interpolant on a small box around each point."""

from __future__ import annotations

import functools

import numpy as np
from numpy.polynomial import chebyshev

from kanml.equations import AllenCahn, KortewegDeVries, KuramotoSivashinsky

PI = np.pi
COMPUTED = [
    AllenCahn(),
    KortewegDeVries(),
    KuramotoSivashinsky(),
    KuramotoSivashinsky.chaotic(),
]


@functools.cache
def functional(order, at=0.0, n=17):
    """Nodes in [-1, 1], and the weights of the derivative of an interpolant at a place."""
    nodes = np.cos(PI * np.arange(n) / (n - 1))
    values = chebyshev.chebvander(nodes, n - 1)
    wanted = [chebyshev.chebval(at, chebyshev.chebder(row, order)) for row in np.eye(n)]
    return nodes, np.linalg.solve(values.T, np.array(wanted))


def derivative(problem, points, orders, widths, at=0.0):
    """The derivative of the given order in each input, at points whose boxes are in the domain."""
    points = np.asarray(points, dtype=float)
    axes = [functional(order, at) for order in orders]
    widths = np.broadcast_to(widths, points.shape[1])
    nodes = np.stack(np.meshgrid(*(a for a, _ in axes), indexing="ij"), -1).reshape(-1, len(axes))
    weights = functools.reduce(np.multiply.outer, (w for _, w in axes)).ravel()
    boxes = points[:, None] + nodes * widths
    values = problem.solution(boxes.reshape(-1, len(axes))).reshape(len(points), -1)
    return (values @ weights) / np.prod(widths ** np.array(orders))


def fields(problem, points, widths):
    """The values and derivatives of the solution by the names that residuals use."""

    class Field(dict):
        def __missing__(self, name):
            orders = tuple(name.count(letter) for letter in problem.inputs)
            return derivative(problem, points, orders, widths)

        __getattr__ = dict.__getitem__

    return Field()


def interior(problem, widths, count=40, seed=0):
    """Random points whose boxes are in the domain."""
    rng = np.random.default_rng(seed)
    low, high = np.array(problem.domain).T
    return rng.uniform(low + widths, high - widths, (count, len(low)))


def assert_vanishes(terms, tolerance):
    """The terms of an equation add up to nothing, beside the largest of them."""
    total = np.sum(terms, axis=0)
    assert abs(total).max() <= tolerance * max(abs(term).max() for term in terms)
