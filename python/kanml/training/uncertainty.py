"""How well a sum of squares determines its unknowns: their covariance, to first order.

With residuals r and their Jacobian J at a minimum, errors e of the rows move the minimiser by
-J^+ e. If they are independent, and those of part t of the loss have the variance s_t, then ::

    covariance = J^+ diag(s) J^+^T = A (sum_t s_t G_t) A,    G_t = J_t^T J_t,  A = (sum_t G_t)^+

For a single part this is s (J^T J)^+. The residuals tell the variances: with H = J J^+ they are
(I - H) e, so that ::

    E |r_s|^2 = sum_t s_t |(I - H)_st|^2

is a linear system for them: Helmert's (*Die Ausgleichungsrechnung nach der Methode der kleinsten
Quadrate*, 2nd ed. 1907), with the identity as weights. A single part has s = |r|^2 / (m - rank). So
weights of terms say which rows the solution follows, and not how accurate they are taken to be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanml._validation import Float64Array
from kanml.optim.matrices import Triangle, negligible

__all__ = ["covariance_of_last"]

UNDETERMINED = 1e-6  # the part of a unit vector that J does not see


def covariance_of_last(triangles: Sequence[Triangle], count: int) -> Float64Array:
    """Return the covariance of the last parameters of a sum of squares.

    Parameters
    ----------
    triangles : sequence of Triangle
        Those of the parts of the sum, with n columns each.
    count : int
        The number of parameters in question.

    Returns
    -------
    ndarray, shape (count, count)
        The entries of one that the rows do not determine are infinite on the diagonal, and NaN
        elsewhere.

    Raises
    ------
    ValueError
        If there are no more rows than they determine parameters, or they are not finite.
    """
    whole = triangles[0].merged(triangles[1:])
    if not whole.is_finite():
        raise ValueError("the rows and their Jacobian must be finite for error bars")
    lengths = np.linalg.norm(whole.R, axis=0)
    lengths[lengths == 0] = 1.0
    # With columns of one length, the units of unknowns do not decide what counts as zero.
    _, values, transposed = np.linalg.svd(whole.R / lengths)
    least = negligible(whole.n, whole.epsilon) * values.max(initial=0.0)
    rank = int((values > least).sum())
    if whole.rows <= rank:
        raise ValueError(
            f"{whole.rows} rows that determine {rank} parameters leave none to estimate their "
            "errors from: use more points"
        )
    basis = transposed[:rank].T / values[:rank] / lengths[:, None]  # A = basis @ basis.T
    parts = [triangle.R @ basis for triangle in triangles]
    shares = [part.T @ part for part in parts]  # they sum to the identity
    variances = _variances(triangles, shares)
    scatter = sum(s * share for s, share in zip(variances, shares, strict=True))
    last = basis[whole.n - count :]
    covariance: Float64Array = last @ scatter @ last.T
    unseen = np.linalg.norm(transposed[rank:, whole.n - count :], axis=0) > UNDETERMINED
    covariance[unseen], covariance[:, unseen] = np.nan, np.nan
    covariance[unseen, unseen] = np.inf
    return covariance


def _variances(triangles: Sequence[Triangle], shares: Sequence[Float64Array]) -> Float64Array:
    """Return the variance of the errors of each part; see the head of this module."""
    squares = [triangle.c @ triangle.c + triangle.rest**2 for triangle in triangles]
    system = np.array([[np.vdot(s, t) for t in shares] for s in shares])  # |H_st|^2
    for i, (triangle, share) in enumerate(zip(triangles, shares, strict=True)):
        system[i, i] += triangle.rows - 2 * np.trace(share)
    solution: Float64Array = np.linalg.pinv(system, hermitian=True) @ squares
    return solution.clip(min=0.0)
