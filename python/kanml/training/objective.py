"""The losses of a run as functions of the vector that is trained."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from kanml._core import OutsideDomain
from kanml.devices import DeviceArray
from kanml.multilevel.geometry import coarser_grids, geometry_maps
from kanml.network import Network
from kanml.optim import Geometry, Triangle, Vector
from kanml.optim.vectors import operations
from kanml.problems import Evaluation, FreshLoss, Problem, TermValue
from kanml.problems.evaluation import Want, gradient_in_place
from kanml.training.settings import Settings

__all__ = ["Objective", "like", "value_and_gradient"]


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
        theta = np.concatenate([net.parameters, np.array(unknowns, dtype=net.dtype)])
        return self.placed(theta)

    def placed(self, theta: Vector) -> Vector:
        """Return a vector where the run is: on its device, if it has one."""
        device = self.settings.device
        return theta if device is None else cast(Vector, device.array(theta))

    def network(self, net: Network, theta: Vector) -> Network:
        """Return the network at a vector, on the processors."""
        return net.with_parameters(np.asarray(theta[: net.n_parameters]))

    def unknowns(self, theta: Vector) -> dict[str, float]:
        """Return the unknowns at a vector, by name."""
        names = tuple(self.settings.problem.unknowns)
        return dict(zip(names, np.asarray(theta[theta.size - len(names) :]).tolist(), strict=True))

    def split(self, net: Network, theta: Vector) -> tuple[Network, Vector]:
        """Return the network where the run is, and the values of the unknowns at a vector."""
        unknowns = np.asarray(theta[net.n_parameters :])
        there = theta  # of which an optimizer may have made an array, of any dtype
        if self.settings.device is not None and not isinstance(theta, DeviceArray):
            there = self.placed(np.asarray(theta, net.dtype))
        if isinstance(there, DeviceArray):
            return net._placed(there[: net.n_parameters]), unknowns
        return self.network(net, theta), unknowns

    def geometry(self, net: Network, level: int) -> Geometry:
        """Return the maps of the geometry of a level's optimizer on its grid."""
        settings = self.settings
        optimizer, n_unknowns = settings.optimizer_of(level), len(settings.problem.unknowns)
        maps = geometry_maps(net, optimizer.geometry, n_unknowns)
        if not optimizer.needs_squares:
            return maps
        return replace(maps, coarser=coarser_grids(settings.grids(level), n_unknowns))

    # Losses

    def evaluation(
        self, problem: Problem, net: Network, theta: Vector, want: Want = "gradient"
    ) -> Evaluation:
        """Return what a problem returns, if that is an evaluation."""
        trained, unknowns = self.split(net, theta)
        if not problem.unknowns:  # a validation problem may have none
            unknowns = unknowns[:0]
        found = problem.evaluation(trained, unknowns, want, num_threads=self.settings.num_threads)
        return _checked(problem, found, want, trained.n_parameters + unknowns.size, theta)

    def trial(
        self, problem: Problem, net: Network, theta: Vector, want: Want = "gradient"
    ) -> Evaluation:
        """Return the evaluation of a problem; infinite if a layer refuses its inputs."""
        try:
            return self.evaluation(problem, net, theta, want)
        except OutsideDomain:
            gradient = None if want == "value" else operations(theta).full(math.nan, theta)
            triangle = Triangle.unknown(theta.size) if want == "least_squares" else None
            return Evaluation(math.inf, gradient, triangle=triangle)

    def linear_triangle(
        self, problem: Problem, net: Network, theta: Vector, trial: bool
    ) -> Triangle:
        """Return the triangle of the linear parameters; NaN if a layer refuses those of a trial."""
        trained, unknowns = self.split(net, theta)
        threads = self.settings.num_threads
        try:
            return problem.linear_triangle(trained, unknowns, num_threads=threads)
        except OutsideDomain:
            if not trial:
                raise
            linear = problem.linear_parameters(net)
            return Triangle.unknown(linear.stop - linear.start)

    def evaluate_trial(self, problem: Problem, net: Network, theta: Vector) -> tuple[float, Vector]:
        """Return loss and gradient of a trial, for optimizers."""
        return value_and_gradient(self.trial(problem, net, theta))

    def fresh_loss(self, problem: Problem, net: Network, theta: Vector) -> FreshLoss | None:
        """Return what a problem estimates of its loss at fresh samples.

        It is infinite if a layer refuses them.
        """
        trained, unknowns = self.split(net, theta)
        try:
            found = problem.fresh_loss(trained, unknowns, num_threads=self.settings.num_threads)
        except OutsideDomain:
            return FreshLoss(math.inf, 0.0, 0)
        if found is not None and not isinstance(found, FreshLoss):
            name = f"fresh_loss of {type(problem).__name__}"
            raise TypeError(f"{name} must return a FreshLoss or None, got {found!r}")
        return found

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
            found = self.evaluation(self.settings.validation, net, theta, "value")
        except ValueError as error:
            if first:
                raise ValueError(f"validation: {error}") from error
            if isinstance(error, OutsideDomain):
                return math.inf
            raise
        return found.value


def _is_real(value: object) -> bool:
    """Say whether a value is a real number, as Python or NumPy has them."""
    if isinstance(value, np.ndarray):
        return value.shape == () and value.dtype.kind in "fiu"
    return isinstance(value, (float, int, np.floating, np.integer)) and not isinstance(value, bool)


def value_and_gradient(evaluation: Evaluation) -> tuple[float, Vector]:
    """Return the part of an evaluation that optimizers read."""
    gradient = gradient_in_place(evaluation)
    assert gradient is not None
    return evaluation.value, gradient


def like(theta: Vector, numbers: Vector) -> Vector:
    """Return numbers as a vector of the kind of another."""
    if isinstance(theta, np.ndarray):
        return np.asarray(numbers)
    return operations(theta).vector(numbers, theta)


def _checked(problem: Problem, found: Any, want: Want, size: int, theta: Vector) -> Evaluation:
    """Return what `evaluation` of a problem returned, with what is wanted of this many numbers.

    The gradient becomes a vector of the kind of `theta`.
    """
    name = f"evaluation of {type(problem).__name__}"
    if not isinstance(found, Evaluation):
        raise TypeError(f"{name} must return a kanml.Evaluation, got {found!r}")
    if not _is_real(found.value):
        raise TypeError(f"{name} must return a number as the loss, got {found.value!r}")
    terms = found.terms
    if not (isinstance(terms, Mapping) and all(isinstance(name, str) for name in terms)):
        raise TypeError(f"{name} must return terms by name, got {terms!r}")
    for term in terms.values():
        if not (isinstance(term, TermValue) and _is_real(term.loss)):
            raise TypeError(f"{name} must return terms of type TermValue, got {term!r}")
    gradient: Any = None
    if want != "value":
        known: Any = gradient_in_place(found)
        gradient = known if isinstance(known, DeviceArray) else np.asarray(known)
        if gradient.shape != (size,) or gradient.dtype.kind not in "fiu":
            raise ValueError(
                f"{name} must return a real gradient of shape ({size},), for all parameters and "
                f"unknowns, got {gradient.dtype} of shape {gradient.shape}"
            )
        gradient = like(theta, gradient)
    triangle = None
    if want == "least_squares":
        triangle = found.triangle
        if not isinstance(triangle, Triangle):
            raise TypeError(
                f"{name} must return a kanml.optim.Triangle for least squares, "
                f"got {reprlib.repr(triangle)}"
            )
        if triangle.n != size:
            raise ValueError(
                f"{name} must return a triangle with {size} columns beside the residual, for all "
                f"parameters and unknowns, got {triangle.n}"
            )
    return replace(found, value=float(found.value), gradient=gradient, triangle=triangle)
