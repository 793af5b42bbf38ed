"""Powers of ReLUs the slow way: psi_j(x) = max(x - t_j, 0)^k, and the A with b = A psi.

`knots` and `degree` k are those of `reference.splines`; j = 0 .. dim - 1, dim = len(knots) - k - 1.
Everything works in the arithmetic of its arguments: in doubles; complex, where a ReLU is on or off
by the real part of its argument; or in Python's own whole numbers and fractions, without rounding
(`whole` turns doubles into those).
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial

import numpy as np


def whole(values):
    """Doubles as whole numbers of one unit, exactly: ``values == numbers / unit``."""
    fractions = [Fraction(float(v)) for v in np.ravel(values)]
    unit = max((f.denominator for f in fractions), default=1)  # powers of two
    numbers = np.empty(len(fractions), dtype=object)
    numbers[:] = [f.numerator * (unit // f.denominator) for f in fractions]
    return numbers.reshape(np.shape(values)), unit


def fractions(values, unit=1):
    """Whole numbers or doubles divided by a unit, exactly: an array of fractions."""
    array = np.empty(np.size(values), dtype=object)
    array[:] = [Fraction(v) / unit for v in np.ravel(values).tolist()]
    return array.reshape(np.shape(values))


def basis(knots, degree, x):
    """psi_j(x): (N, dim)."""
    distance = np.asarray(x)[:, None] - knots[: len(knots) - degree - 1]
    return np.where(np.real(distance) > 0, distance, 0 * distance) ** degree


def evaluate(knots, degree, weights, x):
    """The sum of weights (dim,) or (dim, q) times ReLU powers at x (N,), term by term."""
    return basis(knots, degree, x) @ weights


def exact_sum(knots, degree, weights, x):
    """sum_j w_j psi_j(x) and sum_j |w_j| psi_j(x) for doubles, rounded once."""
    numbers, unit = whole(np.concatenate([knots, x]))
    coefficients, weight_unit = whole(weights)
    powers = basis(numbers[: len(knots)], degree, numbers[len(knots) :])
    unit = unit**degree * weight_unit
    return tuple((powers @ v / unit).astype(float) for v in (coefficients, abs(coefficients)))


def by_recursion(knots, degree):
    """A by the paper's (5), from order r = 1, bidiagonal, to r = degree + 1.

    A^[r]_ij = A^[r-1]_ij / (t_{i+r-1} - t_i) - A^[r-1]_{i+1,j} / (t_{i+r} - t_{i+1}).
    """
    t, dim = knots, len(knots) - degree - 1
    one = 1 + 0 * t[0]
    A = np.array([[one * (int(j == i) - int(j == i + 1)) for j in range(dim)] for i in range(dim)])
    for r in range(2, degree + 2):
        below = [*A[1:], 0 * A[0]]  # row dim would begin in column dim
        A = np.array([
            A[i] / (t[i + r - 1] - t[i]) - below[i] / (t[i + r] - t[i + 1]) for i in range(dim)
        ])  # fmt: skip
    return A


def by_divided_difference(knots, degree):
    """A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l = i..i+r, l != j} (t_j - t_l), r = degree + 1.

    A B-spline is a divided difference of the function (t - x)_+^k of t; these are its weights.
    """
    t, r, dim = knots, degree + 1, len(knots) - degree - 1
    A = np.array([[0 * t[0]] * dim] * dim)
    for i in range(dim):
        for j in range(i, min(i + r + 1, dim)):
            product = 1
            for l in range(i, i + r + 1):  # noqa: E741  (the literature's letter)
                if l != j:
                    product = product * (t[j] - t[l])
            A[i, j] = (-1) ** r * (t[i + r] - t[i]) / product
    return A


def toeplitz(dim, degree, spacing):
    """A for uniform knots: A_ij = (-1)^{j-i} C(r, j-i) / ((r-1)! h^{r-1}), r = degree + 1."""
    A = np.array([[0 * spacing] * dim] * dim)
    for i in range(dim):
        for d in range(min(degree + 2, dim - i)):
            A[i, i + d] = (-1) ** d * comb(degree + 1, d) / (factorial(degree) * spacing**degree)
    return A


def inverse(knots, degree):
    """A^-1 by Marsden's identity: (A^-1)_ji = prod_{l = 1..k} (t_{i+l} - t_j) for i >= j, else 0.

    (x - t_j)_+^k is the spline whose coefficients are the blossom at the knots t_{i+1} .. t_{i+k}.
    """
    dim = len(knots) - degree - 1
    products = 1
    for l in range(1, degree + 1):  # noqa: E741  (the literature's letter)
        products = products * (knots[None, l : l + dim] - knots[:dim, None])
    return np.triu(products)
