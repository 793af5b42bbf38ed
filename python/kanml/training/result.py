"""The result of training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from kanml._validation import Float64Array
from kanml.network import Network
from kanml.problems import Problem
from kanml.training.history import History
from kanml.training.uncertainty import covariance_of_last

__all__ = ["Result", "Status"]

Status: TypeAlias = Literal["completed", "stopped", "interrupted", "diverged"]


@dataclass(frozen=True, repr=False)
class Result:
    """The result of training.

    Attributes
    ----------
    network : Network
        The trained network, on the finest grid reached. With a validation problem, it is the one
        with the lowest validation loss. Without one, it is the last network whose loss was finite,
        or after Ctrl-C the one with the lowest loss since the loss function last changed. With
        minibatches that is the last network.
    history : History
        The starts that were tried, one row for the beginning of training, and one for each step.
    status : {"completed", "stopped", "interrupted", "diverged"}
        The reason for the end: all levels are done; a callback returned true; Ctrl-C; the loss
        became NaN or infinite, or a layer with ``extrapolation="error"`` refused a value.
    message : str
        The status in words.
    unknowns : dict of str to float
        The values of the problem's unknowns that belong to the network.
    levels : tuple of Network
        The networks at the end of each level, coarse to fine; the last one is `network`. With a
        validation problem they are the best of each level, except a last one without improvement.
    problem : Problem
        A copy of the problem after training, with its minibatch, attention and points.

    Examples
    --------
    A rate and its standard error, from measurements with noise:

    >>> import kanml
    >>> import numpy as np
    >>> t = np.linspace(0, 2, 60)[:, None]
    >>> measured = np.exp(-1.5 * t[:, 0]) + np.random.default_rng(0).normal(0, 0.01, 60)
    >>> problem = kanml.PINN("t", [
    ...     kanml.Term("ode", t, lambda u, rate: u.t + rate * u),
    ...     kanml.Term("data", t, lambda u: u - measured),
    ... ], unknowns={"rate": 1.0})
    >>> net = kanml.KAN([1, 1], degree=4, intervals=4, domain=(0, 2))
    >>> result = kanml.train(net, problem, [50], kanml.LevenbergMarquardt(), progress=False)
    >>> abs(result.unknowns["rate"] - 1.5) < 3 * result.standard_errors["rate"] < 0.1
    True
    """

    network: Network
    history: History
    status: Status
    message: str
    unknowns: dict[str, float]
    levels: tuple[Network, ...]
    problem: Problem

    @cached_property
    def covariance(self) -> Float64Array:
        """The covariance of the estimated unknowns, shape (k, k), in the order of `unknowns`.

        It is that of least squares to first order, at a minimum: of independent errors in the rows,
        with one variance for all rows of a term before they are weighted. The residuals of a term
        tell its variance, whatever the weights, so that a term which holds almost exactly counts
        as almost exact. An unknown that the rows do not determine has infinite variance. Rows are
        those of the batch, points and attention that training ended with, in this process.

        It is computed when it is first read, and takes an evaluation with the Jacobian for each
        term.

        Raises
        ------
        TypeError
            If the loss of the problem has no rows, as those that `LevenbergMarquardt` refuses.
        ValueError
            If there are no more rows than they determine parameters, or they are not finite.
        """
        if not self.unknowns:
            return np.zeros((0, 0))
        values = list(self.unknowns.values())
        return covariance_of_last(self.problem.triangles(self.network, values), len(values))

    @property
    def standard_errors(self) -> dict[str, float]:
        """The standard error of each unknown, the square root of its variance in `covariance`."""
        return dict(zip(self.unknowns, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def __repr__(self) -> str:
        last = self.history.last
        return (
            f"<Result: {self.status} after {last['step']} steps, loss {last['loss']:.3g}, "
            f"{self.network.n_parameters} parameters>"
        )
