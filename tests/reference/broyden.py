"""Self-scaled updates of a dense inverse Hessian, with 50 digits.

Urban, Stefanou and Pons, arXiv:2405.04230, equations 9 to 23, with the matrix B = H^-1 itself where
they take what is equal to B s.
"""

import mpmath
import numpy as np

DIGITS = 50


def full(packed):
    """Return the symmetric matrix (n, n) with this lower triangle, row after row."""
    n = round((2 * len(packed)) ** 0.5 - 0.5)
    matrix = np.zeros((n, n))
    matrix[np.tril_indices(n)] = packed
    return matrix + np.tril(matrix, -1).T


def factors(h, s, y, kind):
    """Return tau, theta, and which of the three candidates theta is.

    h (n, n), s and y (n, 1) are matrices of mpmath, and `kind` is one of "ssbroyden", "ssbfgs" and
    "bfgs".
    """
    n, one = len(s), mpmath.mpf(1)
    if kind == "bfgs":
        return one, 0 * one, "none"
    ys = (y.T * s)[0]
    b_k = (s.T * mpmath.lu_solve(h, s))[0] / ys
    h_k = (y.T * h * y)[0] / ys
    a_k = b_k * h_k - 1
    rho = min(one, 1 / b_k)
    if kind == "ssbfgs" or a_k <= mpmath.mpf(10) ** (5 - DIGITS):  # a one-dimensional update
        return rho, 0 * one, "none"
    c_k = mpmath.sqrt(a_k / (1 + a_k))
    rho_minus = min(one, h_k * (1 - c_k))
    candidates = {
        "lower": (rho_minus - 1) / a_k,
        "middle": (1 - b_k) / b_k,
        "upper": 1 / rho_minus,
    }
    theta = max(candidates["lower"], min(candidates["upper"], candidates["middle"]))
    sigma = 1 + theta * a_k
    power = abs(sigma) ** (one / (1 - n))
    tau = min(rho * power, sigma) if theta <= 0 else rho * min(power, 1 / theta)
    return tau, theta, next(name for name, value in candidates.items() if value == theta)


def updated(h, s, y, kind):
    """Return H (n, n) after a pair (n,) as float64, and which candidate theta was."""
    with mpmath.workdps(DIGITS):
        h, s, y = (mpmath.matrix(np.asarray(a, float).tolist()) for a in (h, s, y))
        tau, theta, which = factors(h, s, y, kind)
        ys, hy = (y.T * s)[0], h * y
        yhy = (y.T * hy)[0]
        a_k = (s.T * mpmath.lu_solve(h, s))[0] * yhy / ys**2 - 1
        phi = (1 - theta) / (1 + theta * a_k)
        v = s / ys - hy / yhy
        out = (h - hy * hy.T / yhy + phi * yhy * (v * v.T)) / tau + s * s.T / ys
        return np.array(out.tolist(), float), which
