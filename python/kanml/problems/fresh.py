"""The loss at samples that training has not seen: estimates, and points between the given ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["FreshLoss", "between", "final_prediction_error"]

FEWEST = 10  # points a dimension that fill something, and do not stand for themselves
MOST = 1000  # points beside which others are put
CLOUD = 20_000  # points among which neighbours are looked for
FLAT, SOLID = 1e-9, 0.25  # thickness of a neighbourhood, relative to its width


@dataclass(frozen=True)
class FreshLoss:
    """An estimate of a loss at fresh samples.

    Attributes
    ----------
    value : float
        The loss at samples that are like the given ones, but that training has not seen.
    present : float
        The same loss at all given samples.
    rows : int
        The number of targets, or of residuals, at the given samples. Where weights differ, as many
        as would tell as much with equal ones.
    """

    value: float
    present: float
    rows: int


def final_prediction_error(loss: float, rows: int, parameters: int) -> float:
    """Return Akaike's estimate of a mean of squares at fresh samples, where no others are at hand.

    H. Akaike, *Fitting autoregressive models for prediction*, Ann. Inst. Statist. Math. 21, 1969.
    It is infinite where parameters could fit all rows.
    """
    if rows <= parameters:
        return math.inf
    return loss * (rows + parameters) / (rows - parameters)


def between(points: Float64Array) -> Float64Array | None:
    """Return points halfway between neighbours, where a residual at the given ones makes sense too.

    That is so inside of a region that the points fill, and on flat pieces of a boundary. Where the
    neighbourhood of a point has a corner it is left out, and if the points lie on a curved line or
    surface there is none.

    Parameters
    ----------
    points : ndarray, shape (N, d)

    Returns
    -------
    ndarray, shape (m, d), or None
        At most 1000. None if the points are on something curved, or fewer than 10 d.
    """
    points = points[_chosen(len(points), CLOUD)]
    n, d = points.shape
    if n < FEWEST * d:
        return None
    width = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(width > 0, width, 1.0)
    chosen = _chosen(n, MOST)
    middle, thickness = np.empty((len(chosen), d)), np.empty(len(chosen))
    for i, number in enumerate(chosen):
        offsets = scaled - scaled[number]
        distances = np.einsum("nd,nd->n", offsets, offsets)
        distances[distances == 0] = math.inf  # itself, and copies
        nearest = np.argpartition(distances, 2 * d)[: 2 * d]
        nearest = nearest[np.argsort(distances[nearest], kind="stable")]
        middle[i] = (points[number] + points[nearest[0]]) / 2
        spread = np.linalg.svd(offsets[nearest], compute_uv=False)
        thickness[i] = spread[-1] / spread[0] if np.isfinite(distances[nearest]).all() else math.nan
    for kept in (thickness < FLAT, thickness > SOLID):
        if kept.mean() > 0.5:
            return middle[kept]
    return None


def _chosen(n: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most `most` of the numbers below n in their order, always the same ones."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))
