"""What training returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kanml.network import Network
from kanml.problems import Problem
from kanml.training.history import History

__all__ = ["Result", "Status"]

Status: TypeAlias = Literal["completed", "stopped", "interrupted", "diverged"]


@dataclass(frozen=True, repr=False)
class Result:
    """What training returns.

    Attributes
    ----------
    network : Network
        The trained network, on the finest grid reached. With a validation problem, it is the one
        with the least validation loss. Without one, it is the last network whose loss was finite;
        after Ctrl-C the one with the least loss since the loss last became another function, which
        with minibatches is the last network.
    history : History
        The starts that were tried, and one row for the best of them and for each step.
    status : {"completed", "stopped", "interrupted", "diverged"}
        What ended training: all levels are done; a callback returned true; Ctrl-C; the loss became
        NaN or infinite, or a layer with ``extrapolation="error"`` refused a value.
    message : str
        The status in words.
    unknowns : dict of str to float
        The values of the problem's unknowns that belong to the network.
    levels : tuple of Network
        The networks at the end of each level, coarse to fine; the last one is `network`. With a
        validation problem they are the best of each level, without a last one that did not improve.
    problem : Problem
        A copy of the problem as training left it: its minibatch, attention, points.
    """

    network: Network
    history: History
    status: Status
    message: str
    unknowns: dict[str, float]
    levels: tuple[Network, ...]
    problem: Problem

    def __repr__(self) -> str:
        last = self.history.last
        return (
            f"<Result: {self.status} after {last['step']} steps, loss {last['loss']:.3g}, "
            f"{self.network.n_parameters} parameters>"
        )
