"""Fitting a network to a scaled table: rows held out, the strength of the penalty, levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from kanml.layers import Affine, SplineLayer
from kanml.network import Network
from kanml.problems import Regression, Smoothness
from kanml.problems.losses import DataLoss
from kanml.problems.penalty import Penalty
from kanml.sklearn.joining import mean_of
from kanml.sklearn.table import BoolArray, IntArray, Scaling, Table, quantiles
from kanml.splines import SplineSpace
from kanml.training import Result, train
from kanml.training.callbacks import EarlyStopping

__all__ = ["Fit", "Form", "fit", "starts"]

REACH = 3.0  # splines adapt on [-3, 3], in standard deviations
STRENGTHS = [10.0**k for k in range(-6, 2)]
FIRST = STRENGTHS.index(1e-2)  # the best one, or next to it, on most tables
PATIENCE = 20
SMALL = 1_000_000  # rows times parameters, up to which all members choose the penalty
MEDIUM = 20_000_000  # and up to which there are several members
LEVELS = (2000, 20_000)  # the numbers of rows from which there is a finer level
ENOUGH = 40_000  # rows for the choice of the penalty and the coarsest level; more than in LEVELS


@dataclass(frozen=True)
class Form:
    """The form of a network: its widths behind the inputs, and its splines."""

    widths: tuple[int, ...]
    degree: int
    intervals: int
    by_quantiles: bool

    def layers(self, table: Table, scaled: Scaling) -> list[Affine | SplineLayer]:
        """Return the layers for a table, of which the first scales inputs."""
        scale = np.where(scaled.constant, 0.0, 1 / scaled.scale)
        hidden = SplineSpace.uniform(-REACH, REACH, self.intervals, self.degree)
        spaces = [hidden] * table.x.shape[1]
        if self.by_quantiles:
            levels = np.linspace(0, 1, self.intervals + 1)
            columns = quantiles(scaled(table.x), table.weight, levels)
            knots = [np.unique(column) for column in columns.T]
            spaces = [SplineSpace(k, self.degree) if len(k) > 1 else hidden for k in knots]
        return [
            Affine(scale, -scaled.centre * scale),
            SplineLayer(len(spaces), self.widths[0], spaces),
            *(SplineLayer(*widths, hidden) for widths in pairwise(self.widths)),
        ]


@dataclass(frozen=True)
class Fit:
    """What a fit leaves; see the attributes of the estimators."""

    network: Network
    strength: float
    losses: dict[float, float]
    runs: list[Result]


@dataclass(frozen=True)
class Member:
    """A network as it starts, the rows that it is trained on, and those that are held out."""

    net: Network
    training: Table
    held_out: Table
    loss: str | DataLoss

    def train(
        self, net: Network, strength: float, schedule: Sequence[int], *others: Penalty
    ) -> Result:
        """Return the result of training from a network on, with other penalties."""
        smoothness = [Smoothness(strength)] if strength > 0 else []
        penalty = [*smoothness, *others]
        validation = self._problem(self.held_out) if len(self.held_out) else None
        return train(
            net,
            self._problem(self.training, penalty or None),
            schedule,
            validation=validation,
            restarts=0,
            callbacks=[EarlyStopping(PATIENCE)] if validation else [],
            progress=False,
        )

    def excerpt(self, share: float) -> Member:
        """Return the network with a share of its rows."""
        training, held_out = (
            rows.excerpt(math.ceil(share * len(rows))) for rows in (self.training, self.held_out)
        )
        return replace(self, training=training, held_out=held_out)

    def _problem(self, rows: Table, penalty: Sequence[Penalty] | None = None) -> Regression:
        weight = rows.weight
        return Regression(rows.x, rows.y, loss=self.loss, sample_weight=weight, penalty=penalty)


def starts(
    form: Form, table: Table, scaled: Scaling, parts: IntArray, rng: np.random.Generator
) -> list[tuple[Network, BoolArray]]:
    """Return a network as it starts for each member of a mean, and the rows that it holds out.

    Tables that are not large have a member for each part 0, 1, ... of the rows, others one alone.
    Rows in the part -1 are held out by none.
    """
    layers = form.layers(table, scaled)
    few = len(table) * Network(layers).n_parameters <= MEDIUM
    return [
        (Network(layers, seed=int(rng.integers(2**31)), data=table.x), parts == part)
        for part in range(max(int(parts.max()) + 1, 1) if few else 1)
    ]


def fit(
    begun: Sequence[tuple[Network, BoolArray]],
    table: Table,
    loss: str | DataLoss,
    strength: float | None,
    behind: Affine | None,
    steps: int,
    report: Callable[[str], None],
) -> Fit:
    """Train all members, with the strength that suits the rows held out best.

    Parameters
    ----------
    begun : sequence of (Network, ndarray (N,))
        See `starts`.
    table : Table
        With the targets of the loss.
    loss : str or DataLoss
    strength : float or None
        None: chosen on the rows held out.
    behind : Affine or None
        What the network ends with.
    steps : int
        On each level.
    report : callable
        Called with lines of text.
    """
    members = [Member(net, table.rows(~out), table.rows(out), loss) for net, out in begun]
    small = len(table) * begun[0][0].n_parameters <= SMALL
    coarse = [each.excerpt(min(1.0, ENOUGH / len(table))) for each in members]
    choosing = coarse if small else coarse[:1]
    found: dict[float, list[Result]] = {}
    losses: dict[float, float] = {}

    def loss_at(strength: float) -> float:
        if strength not in losses:
            found[strength] = [each.train(each.net, strength, [steps]) for each in choosing]
            losses[strength] = _held_out_loss(choosing, found[strength])
            report(f"penalty {strength:.0e}: loss {losses[strength]:.4g} on rows held out")
        return losses[strength]

    if strength is None and all(len(each.held_out) for each in choosing):
        strength = _lowest(loss_at)
    elif strength is None:
        strength = STRENGTHS[FIRST]
    loss_at(strength)
    others = [each.train(each.net, strength, [steps]) for each in coarse[len(choosing) :]]
    runs = found[strength] + others
    finer = [steps] * sum(len(table) >= rows for rows in LEVELS)
    latest = runs
    if finer:
        latest = [
            each.train(run.network.refine(), strength, finer)
            for each, run in zip(members, runs, strict=True)
        ]
        runs = [*runs, *latest]
        report(f"on finer knots: loss {_held_out_loss(members, latest):.4g} on rows held out")
    network = mean_of([run.network for run in latest], [] if behind is None else [behind])
    return Fit(network, strength, losses, runs)


def _lowest(loss_at: Callable[[float], float]) -> float:
    """Return the strength of the lowest loss, looked for downhill from the first one."""
    best = FIRST
    for way in (-1, 1):
        while 0 <= best + way < len(STRENGTHS):
            if not loss_at(STRENGTHS[best + way]) < loss_at(STRENGTHS[best]):
                break
            best += way
        if best != FIRST:
            break
    return STRENGTHS[best]


def _held_out_loss(members: Sequence[Member], runs: Sequence[Result]) -> float:
    """Return the mean loss on the rows that members hold out; NaN if none do."""
    total = weight = 0.0
    for each, run in zip(members, runs, strict=True):
        if len(each.held_out):
            share = float(each.held_out.weight.sum())
            total += share * float(run.history.validation.min())
            weight += share
    return total / weight if weight else math.nan
