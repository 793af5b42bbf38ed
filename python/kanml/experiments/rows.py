"""The rows of the paper's tables: networks, schedules, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from kanml.layers import SplineLayer
from kanml.network import Network
from kanml.optim import LBFGS, Adam, Optimizer, SSBroyden
from kanml.training.settings import Transfer

__all__ = ["Row", "by_quasi_newton", "kan_rows"]

WithGeometry: TypeAlias = Adam | LBFGS


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
    optimizer : Optimizer or sequence of Optimizer
        One for all levels, or one for each.
    paper : str
        The loss that the paper prints, or an empty string.
    transfer_state : {"reset", "prolong"}
        See `kanml.train`. By default the optimizer restarts on each level, as the ramped learning
        rates of the paper suggest.
    """

    name: str
    network: Callable[[int], Network]
    schedule: tuple[int, ...]
    optimizer: Optimizer[Any] | Sequence[Optimizer[Any]]
    paper: str = ""
    transfer_state: Transfer = "reset"


def kan_rows(
    network: Callable[[int, int], Network],
    intervals: tuple[int, int],
    schedules: Mapping[str, tuple[int, ...]],
    optimizers: WithGeometry | Sequence[WithGeometry],
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
    optimizers : Adam or LBFGS, or sequence of them
        One for all levels, or one for each. Rows on a single grid have the first.
    paper : mapping of str to str
        The losses of the paper by row name.
    in_relus : sequence of str
        The schedules that are also run in the geometry of ReLU weights.
    """
    coarse, fine = intervals
    levels = len(schedules["multilevel"])
    of_levels = (optimizers,) * levels if isinstance(optimizers, Optimizer) else optimizers

    def row(basis: str, grid: str) -> Row:
        n = fine if grid == "fine" else coarse
        name = f"KAN {basis}, {grid}"
        geometry = "relu" if basis == "ReLU" else None
        own = of_levels[: len(schedules[grid])]
        return Row(
            name,
            lambda seed: network(n, seed),
            schedules[grid],
            tuple(replace(optimizer, geometry=geometry) for optimizer in own),
            paper.get(name, ""),
        )

    splines = [row("spline", grid) for grid in schedules]
    relus = [row("ReLU", grid) for grid in in_relus]
    return (*splines, *relus)


def by_quasi_newton(row: Row, optimizer: LBFGS | SSBroyden) -> Row:
    """Return a row with the same network and steps, trained by a method that learns curvature.

    Outside their domains its splines continue as polynomials. Continued as lines, they have second
    derivatives that jump there, and so has the loss, at which line searches fail.
    """
    return replace(
        row,
        name=f"{row.name}, {type(optimizer).__name__}",
        network=lambda seed: _continued(row.network(seed)),
        optimizer=optimizer,
        paper="",
        transfer_state="prolong",
    )


def _continued(net: Network) -> Network:
    """Return the network whose splines continue as polynomials."""
    layers = [
        SplineLayer(layer.n_in, layer.n_out, layer.spaces, extrapolation="polynomial")
        if isinstance(layer, SplineLayer)
        else layer
        for layer in net.layers
    ]
    return Network(layers).with_parameters(net.parameters)
