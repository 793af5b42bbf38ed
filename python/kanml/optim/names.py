"""The names of the optimizers that need no argument."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from kanml.optim.base import Optimizer
from kanml.optim.lbfgs import LBFGS
from kanml.optim.levenberg_marquardt import LevenbergMarquardt
from kanml.optim.ssbroyden import SSBroyden
from kanml.optim.variable_projection import VariableProjection

__all__ = ["OptimizerName", "as_optimizer"]

OptimizerName: TypeAlias = Literal[
    "lbfgs", "ssbroyden", "levenberg-marquardt", "variable-projection"
]

NAMED: dict[str, type[Optimizer[Any]]] = {
    "lbfgs": LBFGS,
    "ssbroyden": SSBroyden,
    "levenberg-marquardt": LevenbergMarquardt,
    "variable-projection": VariableProjection,
}


def as_optimizer(given: object, name: str) -> Optimizer[Any]:
    """Return an optimizer, made with its defaults if its name is given.

    Raises
    ------
    ValueError
        If there is no optimizer of this name, or it needs a learning rate.
    TypeError
        If it is neither an optimizer nor a string.

    Examples
    --------
    >>> as_optimizer("levenberg-marquardt", "optimizer")
    LevenbergMarquardt(largest_triangle=2000, columns=60)
    """
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str):
        raise TypeError(
            f"{name} must be an Optimizer, for instance LBFGS(), or the name of one, got {given!r}"
        )
    if given not in NAMED:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, NAMED))}, or an Optimizer such as "
            f"Adam(learning rate), got {given!r}"
        )
    return NAMED[given]()
