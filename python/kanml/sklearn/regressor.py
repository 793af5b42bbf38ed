"""The regressor: scaled targets, rates of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from kanml._validation import Float64Array, choice
from kanml.layers import Affine
from kanml.problems.losses import Huber, Quantile
from kanml.sklearn.base import (
    KANEstimator,
    all_or_nothing,
    described,
    require_moderate,
    validated,
    weights,
)
from kanml.sklearn.table import Table, means, scaling

__all__ = ["KANRegressor"]


@described
@dataclass(kw_only=True, eq=False, repr=False)
class KANRegressor(RegressorMixin, KANEstimator):
    """Regression by a Kolmogorov-Arnold network.

    Inputs and targets are scaled inside, and predictions are in the units of the targets.

    Parameters
    ----------
    loss : str, Huber or Quantile
        What is lost at a prediction.

        - "squared": the square of its error.
        - "poisson": half the deviance of counts; predictions are rates. Targets are not negative.
        - ``kanml.Huber(delta)``: a square up to the error `delta`, beyond it linear. `delta` is in
          standard deviations of the targets, which quartiles estimate here.
        - ``kanml.Quantile(level)``: predictions are quantiles, below which this share of the
          targets lies.

    Attributes
    ----------
    network_ : Network
        It takes inputs as they are; its outputs are predictions, or their logarithms for "poisson".

    Examples
    --------
    >>> from kanml.sklearn import KANRegressor
    >>> from sklearn.datasets import make_friedman1
    >>> x, y = make_friedman1(300, noise=0.5, random_state=0)
    >>> model = KANRegressor(penalty=1e-3, random_state=0).fit(x[:200], y[:200])
    >>> model.score(x[200:], y[200:]) > 0.9
    True
    """

    loss: Any = "squared"

    @all_or_nothing
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KANRegressor:
        """Fit the network to a table.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.
        y : array_like, shape (N,) or (N, n_out)
            Targets, finite.
        sample_weight : array_like, shape (N,), optional
            Weights of the rows, not negative.

        Returns
        -------
        KANRegressor
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described. Columns with text are named, with some of it.
        """
        x, y = validated(self, X, y, multi_output=True, y_numeric=True)
        require_moderate(y, "y")
        weight = weights(sample_weight, x)
        table = Table.of(x, np.asarray(y, np.float64).reshape(len(x), -1), weight)
        counts = self._counts
        if counts:
            shift = self._log_means(table)
            behind = Affine(np.ones_like(shift), shift)
            table = table.with_targets(table.y / np.exp(shift))
        else:
            scaled = scaling(table.y, table.weight, robust=not isinstance(self.loss, str))
            behind = Affine(np.where(scaled.constant, 0.0, scaled.scale), scaled.centre)
            table = table.with_targets(scaled(table.y))
        self._fit(table, table.y.shape[1], self.loss, behind)
        self._predicts_rates, self._one_column = counts, y.ndim == 1
        return self

    def predict(self, X: Any) -> Float64Array:
        """Return predictions.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.

        Returns
        -------
        ndarray, shape (N,) or (N, n_out)
            As the targets of `fit`.
        """
        outputs = self._outputs(X)
        if self._predicts_rates:
            outputs = np.exp(outputs)
        return outputs[:, 0] if self._one_column else outputs

    @property
    def _counts(self) -> bool:
        if isinstance(self.loss, str):
            return choice(self.loss, "loss", ("squared", "poisson")) == "poisson"
        if not isinstance(self.loss, (Huber, Quantile)):
            raise TypeError(
                "loss must be 'squared', 'poisson', a kanml.Huber or a kanml.Quantile, "
                f"got {self.loss!r}"
            )
        return False

    @staticmethod
    def _log_means(table: Table) -> Float64Array:
        if table.y.min() < 0:
            raise ValueError(
                f"y must hold numbers >= 0 for the loss 'poisson', got {table.y.min()}"
            )
        rates = means(table.y, table.weight)
        if not rates.all():
            zero = int(np.argmin(rates))
            where = f" in column {zero}" if len(rates) > 1 else ""
            raise ValueError(
                f"y must hold a number > 0{where} for the loss 'poisson', got zeros only"
            )
        return np.asarray(np.log(rates))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
