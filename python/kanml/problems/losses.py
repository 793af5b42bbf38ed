"""Losses of data: what is lost at a sample, as a function of its outputs and targets.

Each is written as NumPy arithmetic on fields, as a residual is, so its derivatives are traced.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kanml._validation import Float64Array, choice, number
from kanml.expressions import Expression, Leaf, Program, Trace, held, leaves, record
from kanml.problems.point_loss import Place, PointLoss

__all__ = [
    "DataLoss",
    "Huber",
    "Loss",
    "Quantile",
    "Written",
    "known_loss",
    "point_loss",
    "sample_values",
]

Fields: TypeAlias = Sequence[Expression]

WEIGHT = Leaf("coordinate", "weight")


class DataLoss(ABC):
    """A loss of all outputs of a sample together.

    Attributes
    ----------
    name : str
    accepted : str
        What targets must be, in words.
    labels : bool
        Whether one column of targets may be given without its axis, with shape (N,).
    """

    name: str
    accepted = "finite numbers"
    labels = False

    @abstractmethod
    def of_sample(self, u: Fields, y: Fields) -> Any:
        """Return the loss of a sample, given fields for its outputs and its targets."""

    def accepts(self, y: Float64Array) -> Any:
        """Return where the loss is defined for targets, as truth values (N, columns)."""
        return np.isfinite(y)

    def require_targets(self, y: Float64Array) -> None:
        """Raise ValueError if the loss is not defined for targets (N, columns)."""
        accepted = self.accepts(y)
        if not accepted.all():
            row, column = (int(i) for i in np.argwhere(~accepted)[0])
            entry = f"y[{row}]" if y.shape[1] == 1 else f"y[{row}, {column}]"
            raise ValueError(
                f"y must hold {self.accepted} for the loss {self.name!r}, got {entry} = "
                f"{y[row, column]}"
            )

    def require_outputs(self, n_out: int, y: Float64Array) -> None:
        """Raise ValueError if a network with `n_out` outputs does not fit accepted targets."""
        if y.shape[1] != n_out:
            raise ValueError(
                f"a network with {n_out} outputs does not fit data with y of shape {y.shape}"
            )

    def __repr__(self) -> str:
        """Return what the loss is, as text that two processes share."""
        return repr(self.name)


class _OfEntries(DataLoss):
    """The mean of a loss of single outputs, each with its own target."""

    @abstractmethod
    def __call__(self, u: Any, y: Any) -> Any:
        """Return the loss of an output `u` with the target `y`."""

    def of_sample(self, u: Fields, y: Fields) -> Any:
        return sum(self(one, its) for one, its in zip(u, y, strict=True)) * (1.0 / len(u))


class _Squared(_OfEntries):
    name = "squared"

    def __call__(self, u: Any, y: Any) -> Any:
        return (u - y) ** 2


@dataclass(frozen=True)
class Huber(_OfEntries):
    """Half the squared error where it is small, and a linear function of the error elsewhere.

    With ``e = u - y`` it is ``e**2 / 2`` where ``|e| <= delta``, and ``delta * (|e| - delta / 2)``
    beyond. The derivative is continuous: e, cut off at -delta and delta.

    Parameters
    ----------
    delta : float
        The error at which the loss becomes linear, positive, in the units of the targets.

    Raises
    ------
    TypeError, ValueError
        If `delta` is not a positive number.

    References
    ----------
    P. J. Huber, Robust estimation of a location parameter, *Annals of Mathematical Statistics* 35,
    1964.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, np.abs(x), loss=kanml.Huber(0.1))
    """

    delta: float
    name = "huber"

    def __post_init__(self) -> None:
        value = number(self.delta, "delta", "a number > 0", lambda delta: delta > 0)
        object.__setattr__(self, "delta", value)

    def __call__(self, u: Any, y: Any) -> Any:
        """Return the loss of an output `u` with the target `y`."""
        e, delta = u - y, self.delta
        size = np.abs(e)
        return np.where(size <= delta, 0.5 * e**2, delta * (size - 0.5 * delta))


@dataclass(frozen=True)
class Quantile(_OfEntries):
    """The loss that is least, on average, at a quantile of the targets.

    It is ``level * (y - u)`` where the target is larger than the output, and
    ``(1 - level) * (u - y)`` where it is smaller. Where they are equal, the derivative is taken as
    the mean of those of both sides, ``0.5 - level``.

    Parameters
    ----------
    level : float
        Between 0 and 1: the share of targets that lie below the outputs. 0.5 is the median; the
        loss is then half the absolute error.

    Raises
    ------
    TypeError, ValueError
        If `level` is not a number between 0 and 1.

    References
    ----------
    R. Koenker and G. Bassett, Regression quantiles, *Econometrica* 46, 1978.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, x**2, loss=kanml.Quantile(0.9))
    """

    level: float
    name = "quantile"

    def __post_init__(self) -> None:
        value = number(self.level, "level", "a number between 0 and 1", lambda level: 0 < level < 1)
        object.__setattr__(self, "level", value)

    def __call__(self, u: Any, y: Any) -> Any:
        """Return the loss of an output `u` with the target `y`."""
        e = y - u
        return np.maximum(self.level * e, (self.level - 1.0) * e)


class _Logistic(_OfEntries):
    """The negative logarithm of the likelihood of labels 0 and 1; outputs are logits."""

    name = "logistic"
    accepted = "labels 0 and 1"
    labels = True

    def __call__(self, u: Any, y: Any) -> Any:
        return np.logaddexp(0.0, (1.0 - 2.0 * y) * u)

    def accepts(self, y: Float64Array) -> Any:
        return (y == 0) | (y == 1)


class _Poisson(_OfEntries):
    """Half the deviance of counts from a Poisson distribution; outputs are logarithms of rates."""

    name = "poisson"
    accepted = "numbers >= 0"

    def __call__(self, u: Any, y: Any) -> Any:
        # The last part does not depend on the output: with it, the loss of a perfect fit is 0.
        return np.exp(u) - y * u + np.where(y > 0.0, y * np.log(y) - y, 0.0)

    def accepts(self, y: Float64Array) -> Any:
        return y >= 0


class _Softmax(DataLoss):
    """The negative logarithm of the likelihood of a class; outputs are logits."""

    name = "softmax"
    accepted = "labels 0, 1, 2, ..."
    labels = True

    def of_sample(self, u: Fields, y: Fields) -> Any:
        # log(1 + the sum of exp(other - chosen)) keeps all digits of a small loss.
        is_chosen = [y[0] == float(k) for k in range(len(u))]
        chosen = sum(np.where(c, logit, 0.0) for c, logit in zip(is_chosen, u, strict=True))
        others: list[Any] = [np.where(c, -np.inf, z) for c, z in zip(is_chosen, u, strict=True)]
        largest = held(functools.reduce(np.maximum, others))  # changes nothing but rounding
        total = sum(np.exp(other - largest) for other in others)
        return np.logaddexp(0.0, np.log(total) + (largest - chosen))

    def accepts(self, y: Float64Array) -> Any:
        return (y >= 0) & (y == np.rint(y))

    def require_targets(self, y: Float64Array) -> None:
        if y.shape[1] != 1:
            raise ValueError(
                f"y must hold one label a sample for the loss 'softmax', shape (N,) or (N, 1), got "
                f"shape {y.shape}; of one column a class, the labels are y.argmax(axis=1)"
            )
        super().require_targets(y)

    def require_outputs(self, n_out: int, y: Float64Array) -> None:
        if n_out == 1:
            raise ValueError(
                "the loss 'softmax' needs a network with one output a class, got 1 output; for two "
                "classes and one output, take 'logistic'"
            )
        row = int(y.argmax())
        if y[row, 0] >= n_out:
            raise ValueError(
                f"a network with {n_out} outputs has the classes 0 to {n_out - 1}, got the label "
                f"y[{row}] = {int(y[row, 0])}"
            )


class Written(DataLoss):
    """A loss that a user wrote, as its operations on fields.

    These are recorded once. Unlike the function, they can be pickled.

    Parameters
    ----------
    function : callable
        Receives a field for the outputs and one for the targets if there is one column of targets,
        otherwise two tuples of fields.
    y : ndarray, shape (N, n_out)
        The targets.
    """

    def __init__(self, function: Callable[[Any, Any], Any], y: Float64Array) -> None:
        n, columns = y.shape
        self.name = getattr(function, "__name__", type(function).__name__)
        trace = Trace("", points=n)
        u, targets = _fields(trace, columns, columns)
        given = (u[0], targets[0]) if columns == 1 else (tuple(u), tuple(targets))
        what = "fields u and y" if columns == 1 else f"tuples u and y of {columns} fields"
        try:
            recording = record(trace, lambda **_: function(*given), _named(u, targets), "loss")
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise TypeError(f"loss cannot be applied to {what}: {error}") from error
        expression = _single(trace, recording.returned)
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


LOSSES: dict[str, DataLoss] = {
    loss.name: loss for loss in (_Squared(), _Logistic(), _Softmax(), _Poisson())
}

Loss: TypeAlias = str | DataLoss | Callable[[Any, Any], Any]
"""What users give: a name, a loss with parameters, or a function of outputs and targets."""


def known_loss(loss: object) -> DataLoss | Callable[[Any, Any], Any]:
    """Return the loss of a name; a loss or a function unchanged."""
    if isinstance(loss, str):
        return LOSSES[choice(loss, "loss", LOSSES)]
    if isinstance(loss, DataLoss) or (callable(loss) and not isinstance(loss, type)):
        return loss
    raise TypeError(
        f"loss must be {', '.join(map(repr, LOSSES))}, a kanml.Huber, a kanml.Quantile or a "
        f"function of outputs and targets, got {loss!r}"
    )


def point_loss(loss: DataLoss, n_out: int, n_targets: int, weighted: bool) -> PointLoss:
    """Return a loss of a sample, times the weight of the sample if there is one."""
    trace = Trace("")
    u, y = _fields(trace, n_out, n_targets)
    expression = _single(trace, loss.of_sample(u, y))
    if weighted:
        expression = trace.leaf(WEIGHT) * expression
    outputs = {f"u{i}": i for i in range(n_out)}
    return PointLoss(expression, (), [Place(leaves([expression]), outputs, {})], ())


def sample_values(y: Float64Array, weight: Float64Array | None) -> dict[Leaf, Float64Array]:
    """Return what a loss reads of samples, besides the outputs of the network."""
    values = {_target(i): np.ascontiguousarray(column) for i, column in enumerate(y.T)}
    return values if weight is None else values | {WEIGHT: weight}


def _fields(trace: Trace, n_out: int, n_targets: int) -> tuple[Fields, Fields]:
    """Return the fields of the outputs and those of the targets."""
    u = [trace.output(f"u{i}") for i in range(n_out)]
    return u, [trace.leaf(_target(i)) for i in range(n_targets)]


def _target(i: int) -> Leaf:
    return Leaf("coordinate", f"y{i}")


def _named(u: Fields, y: Fields) -> dict[str, Expression]:
    named = {f"u{i}": field for i, field in enumerate(u)}
    return named | {f"y{i}": field for i, field in enumerate(y)}


def _single(trace: Trace, returned: object) -> Expression:
    """Return the loss of a sample, given what its function returned."""
    components = trace.components(returned, "loss")
    if len(components) != 1:
        raise TypeError(
            f"loss must return one expression, the loss of a sample, got {len(components)}; add "
            "them up"
        )
    return components[0]


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
