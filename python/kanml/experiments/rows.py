"""The rows of the paper's tables: networks, schedules, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from kanml.network import Network
from kanml.optim import LBFGS, Adam

__all__ = ["Row", "kan_rows"]

Optimizer: TypeAlias = Adam | LBFGS  # those with a geometry


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    name : str
    network : callable
        Makes the network from a seed.
    schedule : tuple of int
        The steps of each level.
    optimizer : Adam or LBFGS
    paper : str
        The loss that the paper prints, or an empty string.
    """

    name: str
    network: Callable[[int], Network]
    schedule: tuple[int, ...]
    optimizer: Optimizer
    paper: str = ""


def kan_rows(
    network: Callable[[int, int], Network],
    intervals: tuple[int, int],
    schedules: Mapping[str, tuple[int, ...]],
    optimizer: Optimizer,
    paper: Mapping[str, str],
    in_relus: Sequence[str] = ("multilevel",),
) -> tuple[Row, ...]:
    """Return the rows of one network: on the coarse grid, on the fine grid, and multilevel.

    Parameters
    ----------
    network : callable
        Makes the network from the number of intervals and a seed.
    intervals : (int, int)
        Those of the coarse and of the fine grid.
    schedules : mapping of str to tuple of int
        Those of "coarse", "fine" and "multilevel".
    optimizer : Adam or LBFGS
    paper : mapping of str to str
        The losses of the paper by row name.
    in_relus : sequence of str
        The schedules that are also run in the geometry of ReLU weights.
    """
    coarse, fine = intervals

    def row(basis: str, grid: str, optimizer: Optimizer) -> Row:
        n = fine if grid == "fine" else coarse
        name = f"KAN {basis}, {grid}"
        return Row(
            name, lambda seed: network(n, seed), schedules[grid], optimizer, paper.get(name, "")
        )

    splines = [row("spline", grid, optimizer) for grid in schedules]
    relus = [row("ReLU", grid, replace(optimizer, geometry="relu")) for grid in in_relus]
    return (*splines, *relus)
