"""The neural tangent kernel in either basis, and how much greater it can be in B-splines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import Float64Array, FloatArray, choice, integer, samples
from kanml.network import Network
from kanml.splines import SplineSpace

__all__ = ["NTKSpectrum", "ntk", "ntk_bound", "ntk_spectrum"]

BASES = ("spline", "relu", "scaled-relu")


@dataclass(frozen=True, eq=False)
class NTKSpectrum:
    """Eigenvalues and eigenvectors of a neural tangent kernel; see `ntk_spectrum`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (m,)
        Descending, where m is the smaller of N n_out and the number of parameters. All others are
        zero.
    eigenvectors : ndarray, shape (N n_out, m)
        Orthonormal columns.
    """

    eigenvalues: Float64Array
    eigenvectors: Float64Array


def ntk(net: Network, x: npt.ArrayLike, basis: str | None = None) -> Float64Array:
    """Return the empirical neural tangent kernel ``J J^T`` of a network at samples.

    J, of shape (N * n_out, n_parameters), has the derivatives of the outputs with respect to the
    parameters: `Network.jacobian`, or the same after a change of basis.

    Parameters
    ----------
    net : Network
        A network of any layers. Its parameters are converted to float64 for the computation.
    x : array_like, shape (N, n_in)
    basis : {None, "spline", "relu", "scaled-relu"}
        The parameters of spline layers: the network's own, or the coefficients of B-splines, of
        ReLU powers ``max(x - t_j, 0)**k``, or of ``max((x - t_j) / h, 0)**k`` with h the spacing of
        uniform knots. All other parameters are the network's own.

    Returns
    -------
    ndarray, shape (N * n_out, N * n_out)
        Symmetric; row and column ``n * n_out + o`` belong to output o at sample n.

    Raises
    ------
    ValueError
        If `basis` is unknown, or "scaled-relu" and the knots of a layer are not uniform, or if x
        has another shape.
    TypeError
        If `net` is not a Network.

    Notes
    -----
    Derivatives with respect to ReLU weights are those of the network in B-splines, solved with A
    (``g_u = A g_w``), which adds nonnegative multiples. No ReLU weights are formed, so the number
    of intervals is not limited.

    Examples
    --------
    >>> import kanml
    >>> net = kanml.KAN([1, 1], degree=1, intervals=2, domain=(0, 2))
    >>> kanml.analysis.ntk(net, [[0.5], [1.0]])
    array([[0.5, 0.5],
           [0.5, 1. ]])
    >>> kanml.analysis.ntk(net, [[0.5], [1.0]], basis="scaled-relu")
    array([[2.5, 3.5],
           [3.5, 5. ]])
    """
    rows = _jacobian(net, x, basis)
    return rows @ rows.T


def ntk_spectrum(net: Network, x: npt.ArrayLike, basis: str | None = None) -> NTKSpectrum:
    """Return the eigenvalues and eigenvectors of the neural tangent kernel.

    The eigenvalues are squares of singular values of J. The relative error of an eigenvalue l is
    then about ``eps * sqrt(l_max / l)``. An eigensolver on ``J J^T`` has a relative error of
    ``eps * l_max / l``, so eigenvalues below ``eps * l_max`` would be lost.

    Parameters
    ----------
    net, x, basis
        As in `ntk`.

    Returns
    -------
    NTKSpectrum

    Raises
    ------
    ValueError
        If a derivative is not finite, or as in `ntk`.
    TypeError
        As in `ntk`.

    Examples
    --------
    >>> import kanml
    >>> net = kanml.KAN([1, 1], degree=1, intervals=2, domain=(0, 2))
    >>> kanml.analysis.ntk_spectrum(net, [[0.5], [1.0]]).eigenvalues.round(4)
    array([1.309, 0.191])
    """
    rows = _jacobian(net, x, basis)
    if not np.isfinite(rows).all():
        sample = int(np.nonzero(~np.isfinite(rows).all(axis=1))[0][0]) // net.n_out
        raise ValueError(f"the derivatives of the network at x[{sample}] are not finite")
    vectors, values, _ = np.linalg.svd(rows, full_matrices=False)
    return NTKSpectrum(values**2, vectors)


def ntk_bound(degree: int) -> float:
    """Return the constant c with ``NTK_spline <= c * NTK_scaled-relu``, for uniform knots.

    With r = degree + 1 it is ``c = (2^r / degree!)^2``: 16, 16, 7.1, 1.8, 0.28 for degrees 1 to 5.
    The inequality is one of quadratic forms: ``c NTK_scaled-relu - NTK_spline`` is positive
    semidefinite. Hence the j-th eigenvalue of the spline kernel is at most c times that of the
    other. If a network has other parameters too (of `Linear` layers), they contribute equally to
    both kernels, and ``max(1, c)`` replaces c.

    Parameters
    ----------
    degree : int
        1 to 5.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the degree is not one of 1 to 5.

    Notes
    -----
    With ``A' = h^degree A`` the B-splines are ``b = A' psi'`` in ReLU powers divided by
    ``h^degree``. So ``J_spline = J_relu A'^T`` on every edge, and c may be any bound of ``|A'|^2``.
    The moduli in a row or a column of A' sum to at most ``2^r / degree!``. Southworth, Actor,
    Harper and Cyr, arXiv:2603.04827, Supplement C, state ``rho(NTK_spline) <= 4 rho(NTK_relu)``,
    where 4 is the largest of these numbers over all degrees, without the square. For a single
    linear functional of the network (a residual, a sample outside the domain) the ratio can exceed
    4, and for degrees 1 to 3 it comes arbitrarily close to c with many intervals.

    The kernel of the *values* of a fully connected network, at points where no layer leaves its
    domain, satisfies a stronger bound. With L spline layers of one degree and no other parameters,

        ``rho(NTK_spline) <= L * degree^(-2 degree) * rho(NTK_scaled-relu)``.

    For one layer of P inputs the kernel is the entrywise product ``G o sum_p K_p``. Here G is the
    Gram matrix of the derivatives with respect to the layer's outputs, the same in both bases, and
    K_p is that of the basis functions at input p. B-splines are nonnegative and sum to one, so the
    diagonal of K_p is at most 1, and by Schur ``rho(G o sum_p K_p) <= P rho(G)``. The first ReLU
    power is at least ``d = degree^degree`` on the domain. With the diagonal matrix D_p of its
    values and ``G = g g^T``, the kernel of ReLU powers is at least

        ``sum_p D_p G D_p = [D_1 g, ..., D_P g] [D_1 g, ..., D_P g]^T``,

    whose largest eigenvalue is at least ``|sum_p D_p g|^2 / P >= P d^2 rho(G)``, since the
    diagonal matrix ``sum_p D_p`` has no entry below ``P d``. The largest eigenvalue of a sum over
    layers is at least that of each layer, and at most L times the largest of these.

    Examples
    --------
    >>> import kanml
    >>> [round(kanml.analysis.ntk_bound(k), 3) for k in (1, 2, 3, 4, 5)]
    [16.0, 16.0, 7.111, 1.778, 0.284]
    """
    degree = integer(degree, "degree", _core.min_degree, _core.max_degree)
    return float((2 ** (degree + 1) / math.factorial(degree)) ** 2)


def _jacobian(net: Network, x: npt.ArrayLike, basis: str | None) -> Float64Array:
    """Return the J of `ntk`, shape (N * n_out, n_parameters)."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {net!r}")
    inputs = samples(x, "x", net.n_in, np.float64)
    if net.dtype != np.float64:
        net = net.astype("float64")
    if basis is None:
        return _rows(net, inputs)
    choice(basis, "basis", BASES)
    scales = _scales(net) if basis == "scaled-relu" else np.ones(net.n_parameters)
    net = net.to_basis("spline")
    rows = _rows(net, inputs)
    if basis == "spline":
        return rows
    to_relu = net._architecture.change_of_basis("relu")
    return np.asarray(to_relu.T.solve(rows.T).T * scales, dtype=np.float64)


def _rows(net: Network, inputs: FloatArray) -> Float64Array:
    """Return the Jacobian in the network's own parameters, in float64."""
    return np.asarray(net.jacobian(inputs), np.float64).reshape(-1, net.n_parameters)


def _scales(net: Network) -> Float64Array:
    """Return the factor h^-k of each spline parameter, and 1 for all others."""
    scales = np.ones(net.n_parameters)
    for block in net.blocks:
        layer = net.layers[block.layer]
        if layer.spaces and block.name == "coefficients":
            factors = [
                np.full(space.dim * block.shape[1], _spacing(space, block.layer) ** -space.degree)
                for space in layer.spaces
            ]
            scales[block.slice] = np.concatenate(factors)
    return scales


def _spacing(space: SplineSpace, layer: int) -> float:
    if not space._evenly_spaced:
        raise ValueError(
            f"basis 'scaled-relu' needs uniform knots, but layers[{layer}] has {space!r}"
        )
    a, b = space.domain
    return (b - a) / space.intervals
