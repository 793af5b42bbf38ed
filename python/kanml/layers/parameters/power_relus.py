"""Weights of powers of ReLUs; see `kanml.splines.power_relu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import FloatArray, warn
from kanml.layers.parameters.basis import Basis
from kanml.splines.operators import InvertibleOperator
from kanml.splines.power_relu import ReluTransform
from kanml.splines.space import SplineSpace

__all__ = ["PowerReLUs", "as_channels"]


class PowerReLUs(Basis):
    """Weights w of the powers ``max(x - knots[j], 0)**degree``: w = A^T u for coefficients u."""

    name = "relu"
    encoded = True

    def decoding(self, space: SplineSpace) -> InvertibleOperator:
        """Return A^-T."""
        return ReluTransform(space).T.inverse

    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Raise ValueError if rounding to a dtype may change splines by as much as their size.

        From a hundredth of their size on, issue a RuntimeWarning.
        """
        for space in dict.fromkeys(self.spaces):  # in order: the first bad one is named
            lost = ReluTransform(space).lost(dtype)
            if lost < 0.01:
                continue
            message = (
                f"{where}: {np.dtype(dtype).name} cannot hold the ReLU weights of {space!r}: "
                f"rounding them may change the splines by {lost:.0e} of their size; use fewer "
                f"intervals or more even ones, a lower degree"
                f"{', float64' if dtype == np.float32 else ''} or the spline basis"
            )
            if lost >= 1:
                raise ValueError(message)
            warn(message.replace("cannot", "can hardly"), RuntimeWarning)


def as_channels(
    spaces: Sequence[SplineSpace],
    extrapolation: str,
    coefficients: FloatArray,
    weights: FloatArray,
    dtype: np.dtype[Any],
) -> dict[str, Any]:
    """Return a layer of splines in the form of `export_mlp`: one channel for each power.

    Parameters
    ----------
    spaces : sequence of SplineSpace
    extrapolation : str
        The rule of the layer outside the domains.
    coefficients, weights : ndarray, shape (sum of the dims, n_out)
        The coefficients of B-splines, and the weights of the powers.
    dtype : dtype
        The dtype of the returned arrays.

    Returns
    -------
    dict
        Its slopes are those at the ends of the domains, and zero unless the rule is "linear".
    """
    n_in, degree, n_out = len(spaces), spaces[0].degree, weights.shape[1]
    lower, upper = np.array([space.domain for space in spaces]).T
    slopes = np.zeros((2, n_in, n_out))
    rectified = np.ones(len(weights), dtype=bool)
    if extrapolation == "linear":
        ends = np.cumsum([space.dim for space in spaces])[:-1]
        for p, (space, rows) in enumerate(zip(spaces, np.split(coefficients, ends), strict=True)):
            slopes[:, p] = space.evaluate(rows.T, space.domain, derivative=1).T
    elif extrapolation == "polynomial":
        lower, upper = np.full_like(lower, -np.inf), np.full_like(upper, np.inf)
        rectified = np.concatenate([np.arange(space.dim) for space in spaces]) > degree
    return {
        "layer": "power-relu",
        "inputs": np.repeat(np.arange(n_in), [space.dim for space in spaces]),
        "knots": np.concatenate([s.knots[: s.dim] for s in spaces]).astype(dtype),
        "rectified": rectified,
        "power": degree,
        "weights": weights,
        "lower": lower.astype(dtype),
        "upper": upper.astype(dtype),
        "slopes_below": slopes[0].astype(dtype),
        "slopes_above": slopes[1].astype(dtype),
    }
