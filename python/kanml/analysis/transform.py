"""The spectrum of the change of basis between B-splines and powers of ReLUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.splines import SplineSpace
from kanml.splines.power_relu import relu_transform

__all__ = ["TransformSpectrum", "transform_condition", "transform_spectrum"]

ROUNDING = 10 * float(np.finfo(np.float64).eps)  # of a singular value, relative to the largest


@dataclass(frozen=True, eq=False)
class TransformSpectrum:
    """Eigenvalues and eigenvectors of A^T A and A A^T; see `transform_spectrum`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (dim,)
        Those of A^T A and of A A^T, ascending: the squares of the singular values of A.
    eigenvectors : ndarray, shape (dim, dim)
        Column j is the unit eigenvector of A^T A for eigenvalue j; its first entry above rounding
        errors is positive.
    left_eigenvectors : ndarray, shape (dim, dim)
        Column j is that of A A^T, and of (A A^T)^-1, whose eigenvalue is ``1 / eigenvalues[j]``:
        ``A @ eigenvectors[:, j] == sqrt(eigenvalues[j]) * left_eigenvectors[:, j]``.
    sign_changes, left_sign_changes : ndarray of int, shape (dim,)
        The sign changes in each column: j in exact arithmetic. Entries below `vector_errors` are
        left out. With uneven knots, eigenvectors decay exponentially away from where they are
        largest, signs drown in rounding errors, and the count falls short of j.
    eigenvalue_errors, vector_errors : ndarray, shape (dim,)
        Upper estimates of the relative error of each eigenvalue, and of the norm of the error of
        each eigenvector, left or right, from perturbation theory with ten rounding errors.
    """

    eigenvalues: Float64Array
    eigenvectors: Float64Array
    left_eigenvectors: Float64Array
    sign_changes: npt.NDArray[np.int64]
    left_sign_changes: npt.NDArray[np.int64]
    eigenvalue_errors: Float64Array
    vector_errors: Float64Array

    @property
    def condition(self) -> float:
        """The ratio of the largest eigenvalue to the smallest."""
        return float(self.eigenvalues[-1] / self.eigenvalues[0])


def transform_spectrum(space: SplineSpace) -> TransformSpectrum:
    """Return the spectra of A^T A and A A^T, where ``b = A psi``; see `relu_transform`.

    Gradient descent in B-spline coefficients, written in ReLU weights, multiplies the gradient by
    A^T A. Descent in ReLU weights, written in B-spline coefficients, multiplies it by (A A^T)^-1.

    Parameters
    ----------
    space : SplineSpace

    Returns
    -------
    TransformSpectrum

    Raises
    ------
    TypeError
        If `space` is not a SplineSpace.
    ValueError
        If an entry of A or of its inverse, or an eigenvalue, is outside the range of float64.

    Notes
    -----
    Neither product is formed. A singular value s of A is computed with an error of
    ``eps * s_max``, a relative error of ``eps * s_max / s``, which is small for the large ones. The
    small ones are reciprocals of singular values of the inverse, with a relative error of up to
    ``eps * s / s_min``. The inverse has the nonnegative entries
    ``prod_{l = 1..k} (t_{i+l} - t_j)`` in row j and column i >= j, each accurate to rounding. The
    two sets are joined where their errors cross, at ``sqrt(s_min * s_max)``, and so are the
    eigenvectors. The relative error of an eigenvalue is then at most about
    ``2 * eps * sqrt(s_max / s_min)``, and a few rounding errors at both ends.

    The inverse of A is a product of triangular matrices of ones and positive diagonal matrices, all
    totally nonnegative, and has no zero on or above its diagonal. So ``(A^T A)^-1`` and
    ``(A A^T)^-1`` are oscillation matrices in the sense of Gantmacher and Krein. For any knots,
    therefore, all eigenvalues are simple, and eigenvector j (from 0, by ascending eigenvalue of
    A^T A) has exactly j sign changes. See figures 1 and 2 of Southworth, Actor, Harper and Cyr,
    arXiv:2603.04827.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(0, 1, intervals=6, degree=2)
    >>> spectrum = kanml.analysis.transform_spectrum(space)
    >>> spectrum.sign_changes
    array([0, 1, 2, 3, 4, 5, 6, 7])
    >>> print(f"{spectrum.condition:.3e}")
    3.316e+05
    """
    forward = relu_transform(space).toarray()
    left, large, right = np.linalg.svd(forward)
    inverse_left, reciprocals, inverse_right = np.linalg.svd(_inverse(space))
    left, large, right = left[:, ::-1], large[::-1], right.T[:, ::-1]  # ascending
    with np.errstate(divide="ignore"):  # a value that underflowed is taken from A itself
        small = 1 / reciprocals
    from_inverse = small < np.sqrt(large[-1]) * np.sqrt(small[0])

    values = np.where(from_inverse, small, large)
    vectors = np.where(from_inverse, inverse_left, right)
    left_vectors = np.where(from_inverse, inverse_right.T, left)
    errors = np.where(from_inverse, _vector_errors(reciprocals), _vector_errors(large))
    signs = _first_signs(vectors, errors)
    return TransformSpectrum(
        eigenvalues=_squared(values, space),
        eigenvectors=vectors * signs,
        left_eigenvectors=left_vectors * signs,
        sign_changes=_sign_changes(vectors, errors),
        left_sign_changes=_sign_changes(left_vectors, errors),
        eigenvalue_errors=2 * ROUNDING * np.minimum(values[-1] / values, values / values[0]),
        vector_errors=errors,
    )


def transform_condition(space: SplineSpace) -> float:
    """Return the condition number of A^T A, the ratio of its extreme eigenvalues.

    It is ``(|A| |A^-1|)^2`` in spectral norms. The entries of both matrices are accurate to
    rounding, so the result is accurate to a few rounding errors. It is cheaper than
    `transform_spectrum`, since it needs no eigenvectors.

    Parameters
    ----------
    space : SplineSpace

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If `space` is not a SplineSpace.
    ValueError
        If an entry of A or of its inverse is outside the range of float64.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(0, 1, intervals=6, degree=2)
    >>> print(f"{kanml.analysis.transform_condition(space):.3e}")
    3.316e+05
    """
    forward = relu_transform(space).toarray()
    norms = [np.linalg.norm(matrix, 2) for matrix in (forward, _inverse(space))]
    return float((norms[0] * norms[1]) ** 2)


def _inverse(space: SplineSpace) -> Float64Array:
    """Return the inverse of A, entry by entry: the ReLU powers as combinations of B-splines.

    Row j and column i >= j hold the blossom of ``(x - t_j)^k`` at ``t_{i+1}, ..., t_{i+k}``
    (Marsden's identity); left of the diagonal the inverse is zero.
    """
    dim = space.dim
    own_knots = space.knots[:dim, None]
    inverse = np.ones((dim, dim))
    for offset in range(1, space.degree + 1):
        inverse *= space.knots[offset : offset + dim] - own_knots
    return np.triu(inverse)


def _vector_errors(values: Float64Array) -> Float64Array:
    """Return the errors of singular vectors: rounding of the matrix divided by the gap."""
    gaps = np.abs(np.diff(values))
    nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    with np.errstate(divide="ignore"):
        errors: Float64Array = ROUNDING * np.maximum(values.max() / nearest, 1.0)
    return errors


def _first_signs(vectors: Float64Array, errors: Float64Array) -> Float64Array:
    """Return the sign of the first entry above the error in each column; 1 if there is none."""
    first = np.argmax(np.abs(vectors) > errors, axis=0)
    leading = np.take_along_axis(vectors, first[None], axis=0)[0]
    return np.where(leading < 0, -1.0, 1.0)


def _sign_changes(vectors: Float64Array, errors: Float64Array) -> npt.NDArray[np.int64]:
    """Count the sign changes of each column among the entries above its error."""
    counts = []
    for vector, error in zip(vectors.T, errors, strict=True):
        positive = vector[np.abs(vector) > error] > 0
        counts.append(np.count_nonzero(positive[1:] != positive[:-1]))
    return np.array(counts, dtype=np.int64)


def _squared(values: Float64Array, space: SplineSpace) -> Float64Array:
    with np.errstate(over="ignore", under="ignore"):
        squares: Float64Array = values**2
    if not np.isfinite(squares).all() or squares[0] < np.finfo(np.float64).tiny:
        raise ValueError(
            f"eigenvalues from {values[0]:.1e}**2 to {values[-1]:.1e}**2 of {space!r} are beyond "
            "the range of float64; choose a domain of length about 1"
        )
    return squares
