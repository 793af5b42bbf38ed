"""Products with matrices of which only the result is rounded.

NumPy's `longdouble` has 53, 64 or 113 binary digits, which depends on the platform. Sums of two
doubles have 106 everywhere.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray

__all__ = ["Twofold", "fractions"]

SPLITTER = 2.0**27 + 1


def fractions(values: Float64Array) -> npt.NDArray[np.object_]:
    """Return the values as fractions, with which NumPy computes exactly."""
    return np.array([Fraction(value) for value in values.tolist()], object)


class Twofold:
    """A matrix of numbers that are sums of two doubles.

    Parameters
    ----------
    exact : ndarray of Fraction, shape (rows, columns)
    """

    def __init__(self, exact: npt.NDArray[np.object_]) -> None:
        parts = np.array([_parts(value) for value in exact.ravel()])
        self._high: Float64Array = parts[:, 0].reshape(exact.shape)
        self._low: Float64Array = parts[:, 1].reshape(exact.shape)

    def transposed_product(self, x: FloatArray) -> FloatArray:
        """Return ``self.T @ x`` for each copy, in the dtype of x.

        Parameters
        ----------
        x : ndarray, shape (copies, rows, m)

        Returns
        -------
        ndarray, shape (copies, columns, m)
        """
        return _product(self._high.T, self._low.T, x)

    def product(self, x: FloatArray) -> FloatArray:
        """Return ``self @ x`` for each copy, as `transposed_product` does."""
        return _product(self._high, self._low, x)


def _parts(value: Fraction) -> tuple[float, float]:
    try:
        high = float(value)
    except OverflowError:
        return (math.inf if value > 0 else -math.inf), 0.0
    return high, float(value - Fraction(high))


def _product(high: Float64Array, low: Float64Array, x: FloatArray) -> FloatArray:
    terms = x.astype(np.float64)[:, None]  # (copies, 1, columns, m)
    total = np.zeros((x.shape[0], high.shape[0], x.shape[2]))
    errors = np.zeros_like(total)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(high.shape[1]):
            factor, term = high[:, j, None], terms[:, :, j]
            product, error = _two_product(factor, term)
            total, rest = _two_sum(total, product)
            errors += error + rest + low[:, j, None] * term
    # Numbers above 1e300 have no errors that can be represented.
    result: FloatArray = (total + np.where(np.isfinite(errors), errors, 0.0)).astype(x.dtype)
    return result


def _two_sum(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the rounded sum and its error (Knuth)."""
    total = a + b
    from_b = total - a
    return total, (a - (total - from_b)) + (b - from_b)


def _two_product(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the rounded product and its error (Dekker)."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return two numbers of at most 26 digits whose sum is a (Veltkamp)."""
    scaled = SPLITTER * a
    upper = scaled - (scaled - a)
    return upper, a - upper
