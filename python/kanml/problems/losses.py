"""Losses of data: what is lost at a sample, as a function of its outputs and targets.

Each is written as NumPy arithmetic on fields, as a residual is, so its derivatives are traced. Most
have rows for least squares too, which are described in docs/mathematics.md.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kanml._validation import Float64Array, choice, number
from kanml.expressions import Expression, held

__all__ = ["DataLoss", "Fields", "Huber", "Loss", "Quantile", "known_loss"]

Fields: TypeAlias = Sequence[Expression]

LEAST_CURVATURE = 2.0**-52
"""Where a loss has less, its slope divided by the root of that would be huge, or not a number."""


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

    def rows(self, u: Fields, y: Fields) -> list[Any]:
        """Return the rows r of a sample, from which least squares have their linear model.

        With J their derivatives with respect to the outputs, ``2 J^T r`` is the gradient of the
        loss, and ``2 J^T J`` its second derivative or an approximation of it. ``r @ r`` is the loss
        only if that is a sum of squares.

        Raises
        ------
        TypeError
            If the loss has no such rows.
        """
        raise TypeError(
            f"the loss {self.name!r} cannot be minimised as a sum of squares; use 'squared', "
            "kanml.Huber, 'logistic', 'softmax' or 'poisson', or an optimizer that needs only "
            "gradients, such as kanml.LBFGS"
        )

    def accepts(self, y: Float64Array) -> Any:
        """Return where the loss is defined for targets, as truth values (N, columns)."""
        return np.isfinite(y)

    def require_targets(self, y: Float64Array, first: int = 0) -> None:
        """Raise ValueError if the loss is not defined for targets (N, columns).

        `first` is the number of the first sample, in messages.
        """
        accepted = self.accepts(y)
        if not accepted.all():
            row, column = (int(i) for i in np.argwhere(~accepted)[0])
            number = first + row
            entry = f"y[{number}]" if y.shape[1] == 1 else f"y[{number}, {column}]"
            raise ValueError(
                f"y must hold {self.accepted} for the loss {self.name!r}, got {entry} = "
                f"{y[row, column]}"
            )

    def require_outputs(self, n_out: int, y: Float64Array, first: int = 0) -> None:
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


class _Curved(_OfEntries):
    """The same of a loss that has a row for each output."""

    @abstractmethod
    def row(self, u: Any, y: Any) -> Any:
        """Return the row of an output `u` with the target `y`."""

    def rows(self, u: Fields, y: Fields) -> list[Any]:
        root = math.sqrt(1.0 / len(u))
        return [root * self.row(one, its) for one, its in zip(u, y, strict=True)]


class _Squared(_Curved):
    name = "squared"

    def __call__(self, u: Any, y: Any) -> Any:
        return (u - y) ** 2

    def row(self, u: Any, y: Any) -> Any:
        return u - y


@dataclass(frozen=True)
class Huber(_Curved):
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

    def row(self, u: Any, y: Any) -> Any:
        """Return the row of the parabola that touches the loss at this error and at its negative.

        The second derivative of the loss is 0 beyond delta, that of the parabola ``delta / |e|``.
        """
        e = u - y
        return np.sqrt(0.5 * held(np.minimum(1.0, self.delta / np.abs(e)))) * e


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


class _Logistic(_Curved):
    """The negative logarithm of the likelihood of labels 0 and 1; outputs are logits."""

    name = "logistic"
    accepted = "labels 0 and 1"
    labels = True

    def __call__(self, u: Any, y: Any) -> Any:
        return np.logaddexp(0.0, (1.0 - 2.0 * y) * u)

    def row(self, u: Any, y: Any) -> Any:
        sign = 1.0 - 2.0 * y
        below, above = 1.0 + np.exp(-sign * u), 1.0 + np.exp(sign * u)
        return _row(u, slope=sign / below, curvature=1.0 / (below * above))

    def accepts(self, y: Float64Array) -> Any:
        return (y == 0) | (y == 1)


class _Poisson(_Curved):
    """Half the deviance of counts from a Poisson distribution; outputs are logarithms of rates."""

    name = "poisson"
    accepted = "numbers >= 0"

    def __call__(self, u: Any, y: Any) -> Any:
        # The last part does not depend on the output: with it, the loss of a perfect fit is 0.
        return np.exp(u) - y * u + np.where(y > 0.0, y * np.log(y) - y, 0.0)

    def row(self, u: Any, y: Any) -> Any:
        rate = np.exp(u)
        return _row(u, slope=rate - y, curvature=rate)

    def accepts(self, y: Float64Array) -> Any:
        return y >= 0


class _Softmax(DataLoss):
    """The negative logarithm of the likelihood of a class; outputs are logits."""

    name = "softmax"
    accepted = "labels 0, 1, 2, ..."
    labels = True

    def of_sample(self, u: Fields, y: Fields) -> Any:
        # log(1 + the sum of exp(other - chosen)) keeps all digits of a small loss.
        is_chosen = _is_chosen(u, y)
        chosen = sum(np.where(c, logit, 0.0) for c, logit in zip(is_chosen, u, strict=True))
        others: list[Any] = [np.where(c, -np.inf, z) for c, z in zip(is_chosen, u, strict=True)]
        largest = held(functools.reduce(np.maximum, others))  # changes nothing but rounding
        total = sum(np.exp(other - largest) for other in others)
        return np.logaddexp(0.0, np.log(total) + (largest - chosen))

    def rows(self, u: Fields, y: Fields) -> list[Any]:
        is_chosen = _is_chosen(u, y)
        largest: Any = functools.reduce(np.maximum, u)  # type: ignore[arg-type]
        powers = [np.exp(logit - largest) for logit in u]
        p = [held(power / sum(powers)) for power in powers]
        missed = sum(np.where(c, 0.0, share) for c, share in zip(is_chosen, p, strict=True))
        slopes = [np.where(c, -missed, share) for c, share in zip(is_chosen, p, strict=True)]
        moved = [logit - held(logit) for logit in u]
        mean = sum(share * by for share, by in zip(p, moved, strict=True))
        return [
            _row_along(by - mean, slope, curvature)
            for by, slope, curvature in zip(moved, slopes, p, strict=True)
        ]

    def accepts(self, y: Float64Array) -> Any:
        return (y >= 0) & (y == np.rint(y))

    def require_targets(self, y: Float64Array, first: int = 0) -> None:
        if y.shape[1] != 1:
            raise ValueError(
                f"y must hold one label a sample for the loss 'softmax', shape (N,) or (N, 1), got "
                f"shape {y.shape}; of one column a class, the labels are y.argmax(axis=1)"
            )
        super().require_targets(y, first)

    def require_outputs(self, n_out: int, y: Float64Array, first: int = 0) -> None:
        if n_out == 1:
            raise ValueError(
                "the loss 'softmax' needs a network with one output a class, got 1 output; for two "
                "classes and one output, take 'logistic'"
            )
        row = int(y.argmax())
        if y[row, 0] >= n_out:
            raise ValueError(
                f"a network with {n_out} outputs has the classes 0 to {n_out - 1}, got the label "
                f"y[{first + row}] = {int(y[row, 0])}"
            )


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


def _row(u: Any, slope: Any, curvature: Any) -> Any:
    """Return the row of a loss of one output that has this first and second derivative."""
    return _row_along(u - held(u), slope, curvature)


def _row_along(moved: Any, slope: Any, curvature: Any) -> Any:
    """Return the row r of these derivatives along `moved`, whose value is 0.

    With L the derivative of r along `moved`, ``2 L r`` is `slope`, and ``2 L^2`` is `curvature`, or
    `LEAST_CURVATURE` if that is more.
    """
    derivative = np.sqrt(0.5 * held(np.maximum(curvature, LEAST_CURVATURE)))
    return held(slope) / (2.0 * derivative) + derivative * moved


def _is_chosen(u: Fields, y: Fields) -> list[Expression]:
    """Return for each class whether it is that of the sample."""
    return [y[0] == float(k) for k in range(len(u))]
