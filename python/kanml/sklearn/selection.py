"""The inputs that a table needs: those whose effect makes predictions of other rows better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kanml._validation import Float64Array
from kanml.expressions import Leaf, Program, Trace
from kanml.network import Network
from kanml.problems import Sparsity
from kanml.problems.losses import DataLoss, known_loss
from kanml.problems.sample_loss import fields, sample_values, single
from kanml.sklearn.fitting import ENOUGH, FIRST, STRENGTHS, Member
from kanml.sklearn.table import BoolArray, Table, quantiles

__all__ = ["needed_inputs"]

LEAST = 0.05  # of the spread of predictions: an input that moves them by less is switched off
NOTHING = 1e-3  # and one that moves scaled predictions by less than this


def needed_inputs(
    begun: Sequence[tuple[Network, BoolArray]],
    table: Table,
    loss: str | DataLoss,
    sparsity: float,
    steps: int,
    report: Callable[[str], None],
) -> BoolArray:
    """Return which inputs are not switched off.

    The effect of an input is how predictions of a sparse network change when it is fixed at its
    median, up to a constant. An input is needed if its effect has a spread of at least `LEAST`
    times that of the predictions, and of more than `NOTHING`. Also, half of its effect must lower
    the loss on rows held out, by more than the standard error of that difference. Half, because a
    network that follows the noise of its rows has effects that are right, yet too large.

    Parameters
    ----------
    begun, table, loss, steps, report
        See `fit`.
    sparsity : float
        The strength of the penalty on the functions of each input.
    """
    spread, spreads = 0.0, np.zeros(table.x.shape[1])
    gains, weights = [], []
    for net, out in begun:
        member = Member(net, table.rows(~out), table.rows(out), loss)
        member = member.excerpt(min(1.0, ENOUGH / len(table)))
        network = _sparse(member, sparsity, steps)
        rows = member.held_out if len(member.held_out) else member.training
        (medians,) = quantiles(member.training.x, member.training.weight, [0.5])
        outputs = np.asarray(network(rows.x), np.float64)
        share = (rows.weight / rows.weight.sum())[:, None]
        spread += float((share * _centred(outputs, share) ** 2).sum())
        gain = np.empty(rows.x.shape)
        for j, median in enumerate(medians):
            fixed = rows.x.copy()
            fixed[:, j] = median
            effect = _centred(outputs - network(fixed), share)
            spreads[j] += (share * effect**2).sum()
            without, with_half = outputs - effect, outputs - 0.5 * effect
            gain[:, j] = _losses(loss, without, rows.y) - _losses(loss, with_half, rows.y)
        if len(member.held_out):
            gains.append(gain)
            weights.append(rows.weight)
    needed: BoolArray = spreads > max(LEAST**2 * spread, NOTHING**2 * len(begun))
    if gains:
        needed &= _certain(np.concatenate(gains), np.concatenate(weights))
    report(f"sparsity {sparsity:g}: {needed.sum()} of {len(needed)} inputs are needed")
    return needed


def _sparse(member: Member, sparsity: float, steps: int) -> Network:
    """Return the network of a member trained with sparsity, without a look at rows held out."""
    blind = replace(member, held_out=member.held_out.excerpt(0))
    run = blind.train(member.net, STRENGTHS[FIRST], [steps], Sparsity(sparsity))
    if run.history.step[-1] == 0:
        raise ValueError(f"sparsity {sparsity:g} is too large: no step lowers the loss")
    return run.network


def _centred(outputs: Float64Array, share: Float64Array) -> Float64Array:
    return np.asarray(outputs - (share * outputs).sum(axis=0))


def _losses(loss: str | DataLoss, outputs: Float64Array, y: Float64Array) -> Float64Array:
    """Return the loss of each row, (N,)."""
    known = known_loss(loss)
    assert isinstance(known, DataLoss)
    u, targets = fields(trace := Trace(""), outputs.shape[1], y.shape[1])
    program = Program([single(trace, known.of_sample(u, targets))])
    columns = np.ascontiguousarray(outputs.T)
    values = {Leaf("derivative", f"u{i}"): column for i, column in enumerate(columns)}
    (found,) = program.evaluate(values | sample_values(y, None), len(y))
    return np.asarray(found, np.float64)


def _certain(gain: Float64Array, weight: Float64Array) -> BoolArray:
    """Return which columns have a weighted mean that is larger than its standard error."""
    share = (weight / weight.sum())[:, None]
    mean = (share * gain).sum(axis=0)
    error = np.sqrt((share**2 * (gain - mean) ** 2).sum(axis=0))
    return np.asarray(mean > error)
