"""Polynomials through given nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["lagrange"]


def lagrange(
    nodes: npt.NDArray[np.floating[Any]], points: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[Any]:
    """Return the Lagrange polynomials of the nodes, a row each, at points, a column each.

    Parameters
    ----------
    nodes : ndarray, shape (n,)
        All different.
    points : ndarray, shape (N,)
        In whose dtype everything is computed.

    Returns
    -------
    ndarray, shape (n, N)

    Examples
    --------
    >>> import numpy as np
    >>> lagrange(np.array([0.0, 1.0]), np.array([0.5, 0.25])).tolist()
    [[0.5, 0.75], [0.5, 0.25]]
    """
    matrix = np.ones((nodes.size, points.size), points.dtype)
    for row, node in enumerate(nodes):
        for other in np.delete(nodes, row):
            matrix[row] *= (points - other) / (node - other)
    return matrix
