"""The geometry of training: the same network, trained in the variables of either basis.

With u the B-spline coefficients and w = A^T u the ReLU weights of one function, gradients satisfy
grad_u = A grad_w. An optimizer may iterate in either of them, and may be given either gradient:

    name           iterates in   gradient   the update, written in u
    "spline"       u             grad_u     u - eta D grad_u
    "relu"         w             grad_w     u - eta A^-T D A^-1 grad_u
    "relu-spline"  w             grad_u     u - eta A^-T D grad_u
    "spline-relu"  u             grad_w     u - eta D A^-1 grad_u

where D is the matrix that the optimizer applies to a gradient (Southworth, Actor, Harper and Cyr,
arXiv:2603.04827, Table 1). The matrices of the two mixed rows are not symmetric, so a step need not
descend.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kanml._validation import choice
from kanml.network import Network
from kanml.optim.base import GEOMETRIES, Coarser, Geometry, TransferMaps, VectorMap
from kanml.optim.vectors import Vector, operations

__all__ = ["coarser_grids", "geometry_maps", "transfer_maps"]


def geometry_maps(net: Network, name: str | None, n_unknowns: int = 0) -> Geometry:
    """Return the maps through which an optimizer reads gradients and takes steps.

    Parameters
    ----------
    net : Network
        Its parameters may be in either basis.
    name : {None, "spline", "relu", "relu-spline", "spline-relu"}
        Variables and gradient; None: those of the network's own parameters.
    n_unknowns : int
        The number of unknowns, which follow the parameters in every vector; no map changes them.

    Raises
    ------
    ValueError
        If the name is unknown, or the network's dtype cannot hold the ReLU weights.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> net = kanml.KAN([1, 1], degree=2, intervals=4)
    >>> maps = kanml.multilevel.geometry.geometry_maps(net, "relu")
    >>> A = kanml.relu_transform(net.layers[0].spaces[0])
    >>> g = np.arange(6.0)
    >>> bool(np.allclose(A @ maps.gradient(g), g))
    True
    """
    if name is None:
        return Geometry(n_unknowns=n_unknowns)
    choice(name, "geometry", GEOMETRIES)
    variables, gradient = _bases(name)
    to_variables, to_gradient = net.change_of_basis(variables), net.change_of_basis(gradient)

    def keeping(apply: VectorMap) -> VectorMap:
        return _keeping_unknowns(apply, n_unknowns)

    displacement = None
    if variables != gradient:
        displacement = keeping(lambda d: to_gradient @ to_variables.solve(d))
    return Geometry(
        keeping(to_gradient.T.solve), keeping(to_variables.solve), displacement, n_unknowns
    )


def transfer_maps(
    net: Network, fine: Network, name: str | None, n_unknowns: int = 0
) -> TransferMaps:
    """Return the maps that carry an optimizer's state to a refinement of the network."""
    parameters = net.prolongation(fine)
    memory = parameters
    if name is not None:
        _, gradient = _bases(name)
        memory = net.to_basis(gradient).prolongation(fine.to_basis(gradient))

    def keeping(apply: VectorMap) -> VectorMap:
        return _keeping_unknowns(apply, n_unknowns)

    curvature = keeping(memory.curvature)
    return TransferMaps(
        parameters=keeping(parameters.__matmul__),
        primal=keeping(memory.__matmul__),
        dual=keeping(memory.dual),
        second_moment=keeping(memory.second_moment),
        inverse_curvature=_of_arrays(lambda diagonal: 1 / curvature(1 / diagonal)),
    )


def coarser_grids(networks: Sequence[Network], n_unknowns: int = 0) -> tuple[Coarser, ...]:
    """Return the maps between the grids of networks, which are given from coarse to fine.

    Those of the finest come first.
    """
    prolongations = [coarse.prolongation(fine) for coarse, fine in pairwise(networks)]
    return tuple(
        Coarser(
            prolong=_keeping_unknowns(P.__matmul__, n_unknowns),
            restrict=_keeping_unknowns(P.T.__matmul__, n_unknowns),
        )
        for P in reversed(prolongations)
    )


def _bases(name: str) -> tuple[str, str]:
    """Return the bases of the variables and of the gradient."""
    variables, _, gradient = name.partition("-")
    return variables, gradient or variables


def _keeping_unknowns(apply: VectorMap, n_unknowns: int) -> VectorMap:
    """Return the map that leaves the last `n_unknowns` numbers of a vector unchanged."""

    def apply_to_parameters(v: Vector) -> Vector:
        if n_unknowns == 0:
            return apply(v)
        return np.concatenate([apply(v[:-n_unknowns]), v[-n_unknowns:]])

    return _of_arrays(apply_to_parameters)


def _of_arrays(apply: VectorMap) -> VectorMap:
    """Return a map of arrays as one of vectors of every kind, by way of arrays."""

    def apply_to_vectors(v: Vector) -> Vector:
        if isinstance(v, np.ndarray):
            return apply(v)
        return operations(v).vector(apply(np.asarray(v)), v)

    return apply_to_vectors
