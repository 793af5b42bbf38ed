"""Polynomials through given nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["lagrange"]


def lagrange(nodes: npt.NDArray[Any], points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the Lagrange polynomials of the nodes (rows) at points (columns).

    Parameters
    ----------
    nodes : ndarray, shape (n,)
        Pairwise different.
    points : ndarray, shape (N,)
        Their dtype, which may be that of objects, is that of the computation and of the result.

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
