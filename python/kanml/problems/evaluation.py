"""What a problem returns: its loss, and what that is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from kanml._validation import FloatArray
from kanml.devices import DeviceArray
from kanml.optim.matrices import Triangle
from kanml.optim.vectors import Vector

__all__ = ["WANTED", "Evaluation", "TermValue", "Want", "gradient_in_place"]

Want: TypeAlias = Literal["value", "gradient", "least_squares"]
"""What an evaluation is for: the loss alone, its gradient too, or also the triangle of its rows."""

WANTED = get_args(Want)


@dataclass(frozen=True, eq=False)
class TermValue:
    """One term of a loss over its samples.

    Attributes
    ----------
    loss : float
        Its part in the loss of the problem.
    sum : float
        The sum over the samples, before it is normalised.
    count : int
        The number of samples.
    largest : float
        The largest absolute value of the residuals; NaN if there is a NaN.
    residuals : ndarray, shape (count, components), or None
        The residuals, if `advance` needs them.
    """

    loss: float
    sum: float
    count: int
    largest: float
    residuals: FloatArray | None = None


class _Gradient:
    """The field of a gradient, which stays on a device until somebody reads it."""

    def __get__(self, evaluation: Any, owner: type | None = None) -> FloatArray | None:
        if evaluation is None:
            return None  # the default of the field
        gradient: Any = vars(evaluation).get("gradient")
        if isinstance(gradient, DeviceArray):
            gradient = vars(evaluation)["gradient"] = np.array(gradient)
        found: FloatArray | None = gradient
        return found

    def __set__(self, evaluation: Any, gradient: Any) -> None:
        vars(evaluation)["gradient"] = gradient


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """A loss at the parameters of a network and unknowns.

    Parameters
    ----------
    value : float
    gradient : ndarray, shape (n_parameters + number of unknowns,), optional
        With respect to the parameters, followed by that with respect to the unknowns; None if only
        the value was wanted.
    terms : mapping of str to TermValue, optional
        The terms of the loss by name; none for a loss that has no terms.
    triangle : Triangle, optional
        The rows of least squares, reduced to a triangle with one column for each parameter, one for
        each unknown and one for the residuals. None unless `want` was "least_squares".

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 20)[:, None]
    >>> problem = kanml.PINN("x", [kanml.Term("ode", x, lambda u: u.x - u)])
    >>> found = problem.evaluation(kanml.KAN([1, 1], domain=(0, 1)), want="value")
    >>> found.value == found.terms["ode"].loss
    True
    >>> found.gradient is None
    True
    """

    value: float
    gradient: _Gradient = _Gradient()
    terms: Mapping[str, TermValue] = field(default_factory=dict)
    triangle: Triangle | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "gradient": self.gradient}  # read, on any device

    def __repr__(self) -> str:
        known = gradient_in_place(self)
        gradient = "" if known is None else f", gradient of shape {np.shape(known)}"
        terms = f", terms {list(self.terms)}" if self.terms else ""
        return f"<Evaluation: {self.value!r}{gradient}{terms}>"


def gradient_in_place(evaluation: Evaluation) -> Vector | None:
    """Return the gradient where it is, which may be on a device."""
    fields = vars(evaluation)
    if "gradient" not in fields:  # a subclass may have a property of this name
        return evaluation.gradient
    gradient: Vector | None = fields["gradient"]
    return gradient
