"""Periodic evolution equations: Fourier in space, exponential integration in time.

Coefficients are those of ``numpy.fft.rfft`` divided by the number of grid points. Row i of an array
of coefficients belongs to the time i / rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.splines.polynomials import lagrange

__all__ = ["Sampled", "circle", "etdrk4", "wavenumbers"]

ComplexArray = npt.NDArray[np.complexfloating[Any, Any]]

CONTOUR = 64  # points on the circle around each h L
OVERSAMPLING = 4  # samples in space for each grid point
IN_TIME, IN_SPACE = 10, 16  # nodes of the interpolation
CHUNK = 4096  # points interpolated together
RESOLVED = 1e-9  # the largest modulus of the last coefficients of a resolved solution


def circle(modes: int) -> Float64Array:
    """Return the equispaced points of [-1, 1), shape (modes,)."""
    return -1.0 + 2.0 * np.arange(modes, dtype=np.float64) / modes


def wavenumbers(modes: int) -> Float64Array:
    """Return the wave numbers pi m of functions on [-1, 1), shape (modes / 2 + 1,)."""
    return math.pi * np.arange(modes // 2 + 1, dtype=np.float64)


def etdrk4(
    symbol: npt.NDArray[Any],
    nonlinear: Callable[[ComplexArray], ComplexArray],
    initial: ComplexArray,
    steps: int,
    rows: int,
) -> ComplexArray:
    """Integrate ``v' = symbol v + nonlinear(v)`` over t in [0, 1] by the scheme ETDRK4.

    The scheme is that of Cox and Matthews (2002). Its coefficients are computed by the contour
    integrals of Kassam and Trefethen, "Fourth-order time-stepping for stiff PDEs", SIAM J. Sci.
    Comput. 26 (2005).

    Parameters
    ----------
    symbol : ndarray, shape (K,)
        The linear part, diagonal in Fourier space.
    nonlinear : callable
        Takes and returns coefficients of shape (K,).
    initial : ndarray, shape (K,)
        The coefficients at t = 0.
    steps : int
        A multiple of `rows`.
    rows : int
        The number of equal parts of [0, 1] at whose ends the coefficients are returned.

    Returns
    -------
    ndarray, shape (rows + 1, K)
    """
    whole, half, q, f1, f2, f3 = _coefficients(symbol, 1.0 / steps)
    v = initial
    result = np.empty((rows + 1, len(initial)), complex)
    result[0] = v
    for step in range(1, steps + 1):
        n_v = nonlinear(v)
        a = half * v + q * n_v
        n_a = nonlinear(a)
        n_b = nonlinear(half * v + q * n_a)
        n_c = nonlinear(half * a + q * (2 * n_b - n_v))
        v = whole * v + f1 * n_v + 2 * f2 * (n_a + n_b) + f3 * n_c
        if step % (steps // rows) == 0:
            result[step * rows // steps] = v
    return result


def _coefficients(symbol: npt.NDArray[Any], h: float) -> tuple[npt.NDArray[Any], ...]:
    """Return e^z and e^(z/2) at z = h symbol, and the weights Q, f1, f2, f3 of the scheme."""
    angles = 2 * math.pi * (np.arange(CONTOUR) + 0.5) / CONTOUR
    z = h * symbol[:, None] + np.exp(1j * angles)
    e = np.exp(z)
    weights = (
        (np.exp(z / 2) - 1) / z,
        (-4 - z + e * (4 - 3 * z + z**2)) / z**3,
        (2 + z + e * (z - 2)) / z**3,
        (-4 - 3 * z - z**2 + e * (4 - z)) / z**3,
    )
    return np.exp(h * symbol), np.exp(h * symbol / 2), *(h * w.mean(axis=1) for w in weights)


class Sampled:
    """A function of t in [0, 1] and of x, periodic on [-1, 1], from its Fourier coefficients.

    In space, the trigonometric polynomial is sampled exactly at four times as many points as its
    grid has, and local polynomials of degree 15 interpolate the samples. In time, local polynomials
    of degree 9 interpolate the rows.

    Parameters
    ----------
    coefficients : ndarray, shape (rows + 1, K)
        Those at equispaced times.
    what : str
        The problem and its number of modes, for the message.

    Raises
    ------
    ValueError
        If the coefficients do not decay to zero, because `modes` or `steps` is too small.
    """

    def __init__(self, coefficients: ComplexArray, what: str) -> None:
        tail = float(abs(coefficients[:, -len(coefficients[0]) // 8 :]).max())
        if not tail <= RESOLVED:
            raise ValueError(
                f"{what} does not resolve the solution: its last Fourier coefficients are as "
                f"large as {tail:.1e}; take more modes or steps"
            )
        n = OVERSAMPLING * 2 * (coefficients.shape[1] - 1)
        self._values = np.fft.irfft(coefficients, n, axis=1) * n

    def __call__(self, t: Float64Array, x: Float64Array) -> Float64Array:
        """Return the values at points, shape (N,)."""
        values = np.empty_like(t)
        for start in range(0, len(t), CHUNK):
            part = slice(start, start + CHUNK)
            values[part] = self._interpolate(t[part], x[part])
        return values

    def _interpolate(self, t: Float64Array, x: Float64Array) -> Float64Array:
        rows, columns = self._values.shape
        time, position = t * (rows - 1), (x + 1) * (columns / 2)
        first = np.floor(time).astype(int) - (IN_TIME // 2 - 1)
        first = np.clip(first, 0, rows - IN_TIME)
        left = np.floor(position).astype(int) - (IN_SPACE // 2 - 1)
        near_columns = (left[:, None] + np.arange(IN_SPACE)) % columns
        near_rows = first[:, None] + np.arange(IN_TIME)
        near = self._values[near_rows[:, :, None], near_columns[:, None, :]]
        at_times = np.einsum("nij,nj->ni", near, _weights(position - left, IN_SPACE))
        values: Float64Array = (at_times * _weights(time - first, IN_TIME)).sum(axis=1)
        return values


def _weights(s: Float64Array, count: int) -> Float64Array:
    """Return the weights of the values at 0, 1, ..., count - 1 for s, shape (N, count)."""
    return lagrange(np.arange(count, dtype=np.float64), s).T.copy()
