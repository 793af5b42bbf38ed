"""The losses of a run as functions of the vector that is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanml._core import OutsideDomain
from kanml.multilevel.geometry import geometry_maps
from kanml.network import Network
from kanml.optim import Geometry, Vector
from kanml.problems import Problem
from kanml.training.settings import Settings

__all__ = ["Objective"]


@dataclass(frozen=True, eq=False)
class Objective:
    """Evaluates the problems of a run at vectors: a network's parameters, then the unknowns.

    The networks that its methods take determine the grid of a vector.
    """

    settings: Settings

    # Vectors

    def start(self, net: Network) -> Vector:
        """Return the parameters of a network, followed by the initial unknowns."""
        unknowns = list(self.settings.problem.unknowns.values())
        return np.concatenate([net.parameters, np.array(unknowns, dtype=net.dtype)])

    def network(self, net: Network, theta: Vector) -> Network:
        """Return the network at a vector."""
        return net.with_parameters(theta[: net.n_parameters])

    def unknowns(self, theta: Vector) -> dict[str, float]:
        """Return the unknowns at a vector, by name."""
        names = tuple(self.settings.problem.unknowns)
        return dict(zip(names, theta[theta.size - len(names) :].tolist(), strict=True))

    def split(self, net: Network, theta: Vector) -> tuple[Network, Vector]:
        """Return the network and the values of the unknowns at a vector."""
        return self.network(net, theta), theta[net.n_parameters :]

    def geometry(self, net: Network) -> Geometry:
        """Return the maps of the optimizer's geometry on a grid."""
        settings = self.settings
        return geometry_maps(net, settings.optimizer.geometry, len(settings.problem.unknowns))

    # Losses

    def evaluate(self, problem: Problem, net: Network, theta: Vector) -> tuple[float, Vector]:
        """Return loss and gradient of a problem."""
        trained, unknowns = self.split(net, theta)
        if not problem.unknowns:  # a validation problem may have none
            unknowns = unknowns[:0]
        found = problem.value_and_gradient(trained, unknowns, num_threads=self.settings.num_threads)
        return _checked(problem, found, trained.n_parameters + unknowns.size)

    def evaluate_trial(self, problem: Problem, net: Network, theta: Vector) -> tuple[float, Vector]:
        """Return loss and gradient of a problem; infinite if a layer refuses its inputs."""
        try:
            return self.evaluate(problem, net, theta)
        except OutsideDomain:
            return math.inf, np.full_like(theta, math.nan)

    def terms(self, problem: Problem, net: Network, theta: Vector) -> dict[str, float]:
        """Return the part of each term of a problem in its loss."""
        trained, unknowns = self.split(net, theta)
        terms = problem.losses(trained, unknowns, num_threads=self.settings.num_threads)
        named = isinstance(terms, Mapping) and all(isinstance(name, str) for name in terms)
        if not (named and all(_is_real(value) for value in terms.values())):
            raise TypeError(
                f"losses of {type(problem).__name__} must return numbers by name, got {terms!r}"
            )
        return dict(terms)

    def validation_loss(self, net: Network, theta: Vector, first: bool) -> float | None:
        """Return the loss of the validation problem, if there is one.

        Parameters
        ----------
        net : Network
        theta : ndarray
        first : bool
            Whether this is before the first step. Inputs that a layer refuses are then an error,
            and an infinite loss later.
        """
        if self.settings.validation is None:
            return None
        try:
            loss, _ = self.evaluate(self.settings.validation, net, theta)
        except ValueError as error:
            if first:
                raise ValueError(f"validation: {error}") from error
            if isinstance(error, OutsideDomain):
                return math.inf
            raise
        return loss


def _is_real(value: object) -> bool:
    """Say whether a value is a real number, as Python or NumPy has them."""
    if isinstance(value, np.ndarray):
        return value.shape == () and value.dtype.kind in "fiu"
    return isinstance(value, (float, int, np.floating, np.integer)) and not isinstance(value, bool)


def _checked(problem: Problem, found: Any, size: int) -> tuple[float, Vector]:
    """Return what `value_and_gradient` returned, if that is a loss and its gradient."""
    name = f"value_and_gradient of {type(problem).__name__}"
    if not (isinstance(found, (tuple, list)) and len(found) == 2):
        raise TypeError(f"{name} must return a loss and its gradient, got {found!r}")
    loss, gradient = found
    if not _is_real(loss):
        raise TypeError(f"{name} must return a number as the loss, got {loss!r}")
    array = np.asarray(gradient)
    if array.shape != (size,) or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} must return a real gradient of shape ({size},), for all parameters and "
            f"unknowns, got {array.dtype} of shape {array.shape}"
        )
    return float(loss), array
