"""The regression problem of the paper, with its exact values."""

from __future__ import annotations

import numpy as np

from kanml._validation import Float64Array, integer

__all__ = ["RotatedWaves", "rotated_waves"]

ANGLE = 0.175


class RotatedWaves:
    """The regression problem of the paper: a sum of waves with kinks, rotated by an angle.

    ``f(x, y) = cos(4 pi x') + sin(pi y') + sin(2 pi y') + |sin(3 pi y'^2)|``, where
    ``(x', y') = (x cos a - y sin a, x sin a + y cos a)`` with a = 0.175 rad, at uniformly random
    points of [0.0001, 0.9999]^2; the values at the training points are mapped affinely to [0, 1].

    Parameters
    ----------
    seed : int
        The seed of the points.
    n : int
        The number of training points, and of test points.

    Attributes
    ----------
    x, y : ndarray, shape (n, 2) and (n, 1)
        Training points and values.
    x_test, y_test : ndarray, shape (n, 2) and (n, 1)
        Other points, with values mapped as those of the training points.

    Notes
    -----
    Section 5.1 of Southworth, Actor, Harper and Cyr, arXiv:2603.04827.

    Examples
    --------
    >>> from kanml.equations import RotatedWaves
    >>> data = RotatedWaves(seed=1234)
    >>> data.x.shape, float(data.y.min()), float(data.y.max())
    ((20000, 2), 0.0, 1.0)
    """

    DOMAIN = (0.0001, 0.9999)

    def __init__(self, seed: int, n: int = 20_000) -> None:
        rng = np.random.default_rng(integer(seed, "seed", 0))
        shape = (integer(n, "n", 2), 2)
        self.x = rng.uniform(*self.DOMAIN, shape)
        self.x_test = rng.uniform(*self.DOMAIN, shape)
        raw = rotated_waves(self.x[:, 0], self.x[:, 1])
        self._least, self._range = raw.min(), np.ptp(raw)
        self.y = self(self.x)
        self.y_test = self(self.x_test)

    def __call__(self, x: Float64Array) -> Float64Array:
        """Return the exact values at points of shape (N, 2), as (N, 1)."""
        raw = rotated_waves(x[:, :1], x[:, 1:])
        values: Float64Array = (raw - self._least) / self._range
        return values


def rotated_waves(x: Float64Array, y: Float64Array) -> Float64Array:
    """Return the function at points of the unit square, given by two arrays of equal shape."""
    cos, sin = np.cos(ANGLE), np.sin(ANGLE)
    u, v = x * cos - y * sin, x * sin + y * cos
    values: Float64Array = (
        np.cos(4 * np.pi * u)
        + np.sin(np.pi * v)
        + np.sin(2 * np.pi * v)
        + np.abs(np.sin(3 * np.pi * v**2))
    )
    return values
