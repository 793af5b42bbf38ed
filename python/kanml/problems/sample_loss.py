"""A loss of data at one sample, in the form that the core evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kanml._validation import Float64Array
from kanml.expressions import Expression, Leaf, Trace, leaves
from kanml.problems.losses import DataLoss, Fields
from kanml.problems.point_loss import PointLoss
from kanml.problems.point_program import Place
from kanml.problems.point_rows import PointRows

__all__ = ["fields", "point_loss", "point_rows", "sample_values", "single"]

WEIGHT = Leaf("coordinate", "weight")


def point_loss(loss: DataLoss, n_out: int, n_targets: int, weighted: bool) -> PointLoss:
    """Return a loss of a sample, times the weight of the sample if there is one."""
    trace = Trace("")
    u, y = fields(trace, n_out, n_targets)
    expression = single(trace, loss.of_sample(u, y))
    if weighted:
        expression = trace.leaf(WEIGHT) * expression
    return PointLoss(expression, (), [_outputs([expression], n_out)], ())


def point_rows(loss: DataLoss, n_out: int, n_targets: int, weighted: bool) -> PointRows:
    """Return the rows of a sample, times the root of its weight if there is one.

    Raises
    ------
    TypeError
        If the loss has no rows.
    """
    trace = Trace("")
    rows = trace.components(loss.rows(*fields(trace, n_out, n_targets)), "loss")
    if weighted:
        root: Any = np.sqrt(trace.leaf(WEIGHT))
        rows = tuple(root * row for row in rows)
    return PointRows(rows, [_outputs(rows, n_out)], ())


def _outputs(expressions: Sequence[Expression], n_out: int) -> Place:
    return Place(leaves(expressions), {f"u{i}": i for i in range(n_out)}, {})


def sample_values(y: Float64Array, weight: Float64Array | None) -> dict[Leaf, Float64Array]:
    """Return what a loss reads of samples, besides the outputs of the network."""
    values = {_target(i): np.ascontiguousarray(column) for i, column in enumerate(y.T)}
    return values if weight is None else values | {WEIGHT: weight}


def fields(trace: Trace, n_out: int, n_targets: int) -> tuple[Fields, Fields]:
    """Return the fields of the outputs and those of the targets."""
    u = [trace.output(f"u{i}") for i in range(n_out)]
    return u, [trace.leaf(_target(i)) for i in range(n_targets)]


def _target(i: int) -> Leaf:
    return Leaf("coordinate", f"y{i}")


def single(trace: Trace, returned: object) -> Expression:
    """Return the loss of a sample, given what its function returned."""
    components = trace.components(returned, "loss")
    if len(components) != 1:
        raise TypeError(
            f"loss must return one expression, the loss of a sample, got {len(components)}; add "
            "them up"
        )
    return components[0]
