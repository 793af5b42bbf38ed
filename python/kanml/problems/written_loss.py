"""Losses of data that users write as functions of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kanml._validation import Float64Array
from kanml.expressions import Expression, Leaf, Program, Trace, leaves, record
from kanml.problems.losses import DataLoss, Fields
from kanml.problems.sample_loss import fields, sample_values, single

__all__ = ["Written"]


class Written(DataLoss):
    """A loss that a user wrote, as its operations on fields.

    These are recorded once. Unlike the function, they can be pickled.

    Parameters
    ----------
    function : callable
        Receives a field for the outputs and one for the targets if there is one column of targets,
        otherwise two tuples of fields.
    y : ndarray, shape (n, n_out)
        The targets of the first samples, or of all.
    samples : int
        The number N of all samples.
    in_blocks : bool
        Whether the samples come in blocks, so that arrays with an entry for each are refused.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], y: Float64Array, samples: int, in_blocks: bool
    ) -> None:
        columns = y.shape[1]
        self.name = getattr(function, "__name__", type(function).__name__)
        trace = Trace("", points=samples)
        u, targets = fields(trace, columns, columns)
        given = (u[0], targets[0]) if columns == 1 else (tuple(u), tuple(targets))
        what = "fields u and y" if columns == 1 else f"tuples u and y of {columns} fields"
        try:
            recording = record(trace, lambda **_: function(*given), _named(u, targets), "loss")
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise TypeError(f"loss cannot be applied to {what}: {error}") from error
        expression = single(trace, recording.returned)
        if trace.has_data and in_blocks:
            raise ValueError(
                "loss must hold no arrays if the samples come in blocks; factors can be the "
                "sample_weight, and other numbers columns of y"
            )
        self._recorded = recording.function("loss")
        self._text = repr(expression)
        if not any(leaf.kind == "derivative" for leaf in leaves([expression])):
            raise ValueError(f"loss must depend on the outputs of the network, got {self._text}")
        if _is_nan(expression, y):
            raise ValueError(
                "loss must be a number, got NaN for every sample, with outputs near 0 and near "
                f"the targets: {self._text}"
            )

    def of_sample(self, u: Fields, y: Fields) -> Any:
        """Do the operations again, on these fields."""
        return self._recorded(**_named(u, y))

    def __repr__(self) -> str:
        return self._text


def _named(u: Fields, y: Fields) -> dict[str, Expression]:
    named = {f"u{i}": field for i, field in enumerate(u)}
    return named | {f"y{i}": field for i, field in enumerate(y)}


def _is_nan(expression: Expression, y: Float64Array) -> bool:
    """Whether a loss is NaN for all samples, near the targets and near 0, where networks start."""
    program, n = Program([expression]), len(y)
    for shift in (0.5, 0.0, 1.0, -0.5, -1.0):
        for u in (y + shift, np.full_like(y, shift)):
            outputs = {Leaf("derivative", f"u{i}"): u[:, i].copy() for i in range(y.shape[1])}
            [losses] = program.evaluate(outputs | sample_values(y, None), n)
            if not np.isnan(losses).all():
                return False
    return True
