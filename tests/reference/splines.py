"""Splines the slow way: the dense basis, and refinement by inserting one knot at a time.

A space is its `knots` (strictly increasing, `degree` ghost knots beyond either end of the domain)
and its `degree`. Everything here forms all dim = len(knots) - degree - 1 functions at every point.
Points and coefficients may be complex or of extended precision: which interval a point belongs to
is decided by its real part alone, so that a complex step sees one smooth piece.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

EXTRAPOLATIONS = ("linear", "polynomial", "clamp", "error")


def knots_with_ghosts(breakpoints, degree):
    """Breakpoints (n + 1,) and `degree` knots on each side that continue the end spacing."""
    t = np.asarray(breakpoints)
    steps = np.arange(1, degree + 1)
    below = t[0] - steps[::-1] * (t[1] - t[0])
    above = t[-1] + steps * (t[-1] - t[-2])
    return np.concatenate([below, t, above])


def domain(knots, degree):
    """The ends a, b of the interval on which the basis sums to one."""
    return knots[degree], knots[-degree - 1]


def interval(knots, degree, x):
    """Index l of the piece [t_l, t_{l+1}) that is used at each x: of those in [a, b], the nearest.

    The last piece is closed, so b belongs to it; points beyond an end get the piece of that end.
    """
    first, last = degree, len(knots) - degree - 2
    return np.clip(np.searchsorted(knots, np.real(x), side="right") - 1, first, last)


def basis(knots, degree, x, derivative=0):
    """All basis functions at x (N,), differentiated: (N, dim), by the Cox-de Boor recursion.

    Beyond the domain these are the polynomials of the end piece, not the functions that fade out.
    The two recursions, from degree p - 1 to p (de Boor 1978, chapters IX and X):

        B_i   = (x - t_i) / (t_{i+p} - t_i) B_i + (t_{i+p+1} - x) / (t_{i+p+1} - t_{i+1}) B_{i+1}
        D B_i = p B_i / (t_{i+p} - t_i) - p B_{i+1} / (t_{i+p+1} - t_{i+1})

    The first lifts the values to degree - derivative, the second then differentiates once a degree.
    """
    x = np.asarray(x)[:, None]
    pieces = np.arange(len(knots) - 1)
    values = (pieces == interval(knots, degree, x)).astype(np.result_type(x, knots))
    for p in range(1, degree + 1):
        t_i, t_ip = knots[: -p - 1], knots[p:-1]
        t_i1, t_ip1 = knots[1:-p], knots[p + 1 :]
        left, right = values[:, :-1] / (t_ip - t_i), values[:, 1:] / (t_ip1 - t_i1)
        if p <= degree - derivative:
            values = (x - t_i) * left + (t_ip1 - x) * right
        else:
            values = p * (left - right)
    # Differentiated degree + 1 times or more, every piece is zero; NaN stays NaN.
    return values if derivative <= degree else 0.0 * values * x


def basis_with_rule(knots, degree, x, derivative=0, extrapolation="error"):
    """The basis as a layer sees it, (N, dim): beyond [a, b] continued by one of the four rules."""
    x = np.asarray(x)
    a, b = domain(knots, degree)
    values = basis(knots, degree, x, derivative)
    beyond = (np.real(x) < a) | (np.real(x) > b)
    if extrapolation == "error" and beyond.any():
        raise ValueError(f"{x[beyond][0]} is outside [{a}, {b}]")
    if extrapolation in ("polynomial", "error") or not beyond.any():
        return values

    end = np.where(np.real(x[beyond]) < a, a, b)
    value, slope = basis(knots, degree, end), basis(knots, degree, end, 1)
    if extrapolation == "linear":
        continued = [value + slope * (x[beyond] - end)[:, None], slope]
    elif extrapolation == "clamp":
        continued = [value]
    else:
        raise ValueError(f"extrapolation must be one of {EXTRAPOLATIONS}, not {extrapolation!r}")
    values[beyond] = continued[derivative] if derivative < len(continued) else 0.0
    return values


def evaluate(knots, degree, coefficients, x, derivative=0, extrapolation="error"):
    """The splines with coefficients (dim,) or (dim, q) at x (N,): (N,) or (N, q)."""
    return basis_with_rule(knots, degree, x, derivative, extrapolation) @ coefficients


def insert_knot(knots, degree, rows, knot):
    """Boehm's knot insertion: the same spline with one more knot (Boehm 1980).

    `rows[i]` is coefficient i as a linear form (a list of numbers) of the coefficients that we
    started from; so inserting knot by knot multiplies the matrices of the single insertions.
    The knot may repeat an existing one, up to multiplicity `degree`.
    """
    l = max(i for i, t in enumerate(knots) if t <= knot)  # noqa: E741  (the literature's letter)
    new_rows = []
    for i in range(len(rows) + 1):
        if i <= l - degree:
            new_rows.append(rows[i])
        elif knots[i] >= knot:
            new_rows.append(rows[i - 1])
        else:
            alpha = (knot - knots[i]) / (knots[i + degree] - knots[i])
            pairs = zip(rows[i - 1], rows[i], strict=True)
            new_rows.append([(1 - alpha) * left + alpha * right for left, right in pairs])
    return [*knots[: l + 1], knot, *knots[l + 1 :]], new_rows


def clamped_rows(knots, degree, breakpoints):
    """The matrix from a space to the splines on finer breakpoints with both ends `degree`-fold.

    With `degree` knots at each end no ghost knot has any influence on [a, b]. All in fractions.
    """
    a, b = domain(knots, degree)
    dim = len(knots) - degree - 1
    rows = [[Fraction(int(i == j)) for j in range(dim)] for i in range(dim)]
    missing = [t for t in breakpoints if t not in set(knots)]
    for knot in [*missing, *[a] * (degree - 1), *[b] * (degree - 1)]:
        knots, rows = insert_knot(knots, degree, rows, knot)
    # What is left of a or right of b is not part of the space on [a, b].
    return [row for i, row in enumerate(rows) if knots[i] < b and knots[i + degree + 1] > a]


def solve_exactly(matrix, right):
    """Gauss-Jordan elimination in fractions: X with matrix X = right, both lists of rows."""
    n = len(matrix)
    rows = [[*m, *r] for m, r in zip(matrix, right, strict=True)]
    for j in range(n):
        pivot = next(i for i in range(j, n) if rows[i][j] != 0)
        rows[j], rows[pivot] = rows[pivot], rows[j]
        rows[j] = [v / rows[j][j] if v else v for v in rows[j]]
        for i in range(n):
            factor = rows[i][j]
            if i != j and factor != 0:
                rows[i] = [
                    v - factor * w if w else v for v, w in zip(rows[i], rows[j], strict=True)
                ]
    return [row[n:] for row in rows]


def prolongation(coarse_knots, fine_knots, degree):
    """P (fine dim, coarse dim), exact but for one rounding of each entry to double."""
    return prolongation_in_fractions(coarse_knots, fine_knots, degree).astype(float)


def prolongation_in_fractions(coarse_knots, fine_knots, degree):
    """P (fine dim, coarse dim), exact: an array of fractions.

    The ghost knots of the fine space are in general not knots that can be inserted into the coarse
    one. But both spaces lead by knot insertion to the same clamped space, in which ghost knots
    have no say: coarse -> clamped is C, fine -> clamped is F (square), hence P = F^{-1} C. Doubles
    are fractions, so nothing is rounded on the way and nothing depends on conditioning.
    """
    coarse = [Fraction(float(t)) for t in coarse_knots]
    fine = [Fraction(float(t)) for t in fine_knots]
    breakpoints = fine[degree : len(fine) - degree]
    if domain(coarse, degree) != domain(fine, degree):
        raise ValueError("the domains differ")
    if not set(coarse[degree : len(coarse) - degree]) <= set(breakpoints):
        raise ValueError("the breakpoints are not nested")
    # Coarse ghost knots stay in `coarse`: they shape its functions inside [a, b].
    exact = solve_exactly(
        clamped_rows(fine, degree, breakpoints), clamped_rows(coarse, degree, breakpoints)
    )
    return np.array(exact, dtype=object)
