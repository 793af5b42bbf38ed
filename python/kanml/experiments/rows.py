"""The rows of the paper's tables: what is trained, for how long, and what the paper prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from kanml.network import Network
from kanml.optim import LBFGS, Adam

__all__ = ["Row", "kan_rows"]

Optimizer: TypeAlias = Adam | LBFGS  # which have a geometry


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    name : str
    network : callable
        Of the seed.
    schedule : tuple of int
        Steps a level.
    optimizer : Adam or LBFGS
    paper : str
        The loss that the paper prints, if it prints one.
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
    """Return the rows of one network: on the coarse grid, on the fine one, multilevel.

    Parameters
    ----------
    network : callable
        Of the number of intervals and the seed.
    intervals : (int, int)
        Coarse and fine.
    schedules : mapping of str to tuple of int
        Of "coarse", "fine" and "multilevel".
    optimizer : Adam or LBFGS
    paper : mapping of str to str
        The losses of the paper, by the names of rows.
    in_relus : sequence of str
        Which of them are also trained in the geometry of ReLU weights.
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
