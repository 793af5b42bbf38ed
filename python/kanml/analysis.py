"""What the change of basis between B-splines and powers of ReLUs does to training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.relu import relu_transform
from kanml.splines import SplineSpace

__all__ = [
    "TransformSpectrum",
    "transform_condition",
    "transform_spectrum",
]

EPS = float(np.finfo(np.float64).eps)


# The spectrum of the change of basis


@dataclass(frozen=True, eq=False)
class TransformSpectrum:
    """Eigenvalues and eigenvectors of A^T A and A A^T; see `transform_spectrum`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (dim,)
        Of A^T A and of A A^T, ascending: the squares of the singular values of A.
    eigenvectors : ndarray, shape (dim, dim)
        Column j is the unit eigenvector of A^T A to eigenvalue j; its first entry that is not lost
        in rounding is positive.
    left_eigenvectors : ndarray, shape (dim, dim)
        Column j is that of A A^T, and of (A A^T)^-1, whose eigenvalue is ``1 / eigenvalues[j]``:
        ``A @ eigenvectors[:, j] == sqrt(eigenvalues[j]) * left_eigenvectors[:, j]``.
    sign_changes, left_sign_changes : ndarray of int, shape (dim,)
        Of each column, in exact arithmetic j. Entries below `vector_errors` are left out: where
        knots are uneven, eigenvectors decay exponentially away from where they live, signs are
        lost in rounding and the count falls short of j.
    eigenvalue_errors, vector_errors : ndarray, shape (dim,)
        Estimates, up to a modest factor, of the relative error of each eigenvalue and of the norm
        of the error of each eigenvector.
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
        """The greatest eigenvalue divided by the least."""
        return float(self.eigenvalues[-1] / self.eigenvalues[0])


def transform_spectrum(space: SplineSpace) -> TransformSpectrum:
    """Return the spectra of A^T A and A A^T, where ``b = A psi``; see `relu_transform`.

    A^T A is what multiplies the gradient when gradient descent in B-spline coefficients is seen
    from ReLU weights; (A A^T)^-1 when descent in ReLU weights is seen from B-spline coefficients.

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
        If entries of A, of its inverse, or an eigenvalue are beyond the range of float64.

    Notes
    -----
    Neither product is formed. A singular value s of A is computed with an error of
    ``eps * s_max``, relatively ``eps * s_max / s``: that is good for the large ones. The small ones
    are reciprocals of singular values of the inverse, relatively up to ``eps * s / s_min``; the
    inverse has the nonnegative entries ``prod_{l = 1..k} (t_{i+l} - t_j)`` in row j and column
    i >= j, each accurate to rounding. The two are joined where their errors cross, at
    ``sqrt(s_min * s_max)``, so that no eigenvalue is relatively worse than about
    ``2 * eps * sqrt(s_max / s_min)``, and those at both ends are accurate to a few units of
    rounding. The eigenvectors are joined at the same place.

    The inverse of A is a product of bidiagonal matrices with positive entries, so that
    ``(A^T A)^-1`` and ``(A A^T)^-1`` are oscillation matrices in the sense of Gantmacher and Krein.
    For any knots, therefore, all eigenvalues are simple, and eigenvector j (from 0, by ascending
    eigenvalue of A^T A) has exactly j sign changes. See figures 1 and 2 of Southworth, Actor,
    Harper and Cyr, arXiv:2603.04827.

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
    small = 1 / reciprocals
    from_inverse = small < np.sqrt(large[-1]) * np.sqrt(small[0])

    values = np.where(from_inverse, small, large)
    vectors = np.where(from_inverse, inverse_left, right)
    left_vectors = np.where(from_inverse, inverse_right.T, left)
    errors = np.where(from_inverse, _vector_errors(reciprocals), _vector_errors(large))
    signs = _first_signs(vectors, errors)
    return TransformSpectrum(
        eigenvalues=_squares(values, space),
        eigenvectors=vectors * signs,
        left_eigenvectors=left_vectors * signs,
        sign_changes=_sign_changes(vectors, errors),
        left_sign_changes=_sign_changes(left_vectors, errors),
        eigenvalue_errors=2 * EPS * np.minimum(values[-1] / values, values / values[0]),
        vector_errors=errors,
    )


def transform_condition(space: SplineSpace) -> float:
    """Return the condition number of A^T A, the ratio of its extreme eigenvalues.

    It is ``(|A| |A^-1|)^2`` in spectral norms, both of matrices whose entries are accurate to
    rounding, so that it is itself accurate to a few units of rounding. Cheaper than
    `transform_spectrum`: no eigenvectors.

    Parameters
    ----------
    space : SplineSpace

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

    In row j and column i >= j stands the blossom of ``(x - t_j)^k`` at ``t_{i+1}, ..., t_{i+k}``
    (Marsden's identity), left of the diagonal zero.
    """
    dim = space.dim
    own = space.knots[:dim, None]
    inverse = np.ones((dim, dim))
    for step in range(1, space.degree + 1):
        inverse *= space.knots[step : step + dim] - own
    return np.triu(inverse)


def _vector_errors(values: Float64Array) -> Float64Array:
    """Return the errors of singular vectors: rounding of the matrix, divided by the gap."""
    gaps = np.abs(np.diff(values))
    nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    with np.errstate(divide="ignore"):
        errors: Float64Array = EPS * np.maximum(values.max() / nearest, 1.0)
    return errors


def _first_signs(vectors: Float64Array, errors: Float64Array) -> Float64Array:
    """Return for each column the sign of its first entry above its error; 1 if none is."""
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


def _squares(values: Float64Array, space: SplineSpace) -> Float64Array:
    with np.errstate(over="ignore", under="ignore"):
        squares: Float64Array = values**2
    if not np.isfinite(squares).all() or squares[0] < np.finfo(np.float64).tiny:
        raise ValueError(
            f"eigenvalues from {values[0]:.1e}**2 to {values[-1]:.1e}**2 of {space!r} are beyond "
            "the range of float64; choose a domain of length about 1"
        )
    return squares
