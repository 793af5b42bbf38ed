"""The regressor: scaled targets, rates of counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from kanml._validation import Float64Array, choice
from kanml.layers import Affine
from kanml.problems.losses import Huber, Quantile
from kanml.sklearn.base import KANEstimator, require_numbers, weights
from kanml.sklearn.table import Table, scaling

__all__ = ["KANRegressor"]


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
    hidden : "auto", int or sequence of int
        The widths of the hidden layers. ``()`` has none: the network is then a sum of a function
        of each input. "auto" takes one layer of 10 to 50 features, three for each output.
    degree : int
        Of the splines, 2 to 5.
    intervals : int
        Of each spline on the coarsest level. They are halved once from 2000 rows on, twice from
        20,000 on.
    knots : {"uniform", "quantile"}
        Where the splines of the inputs have theirs: at equal distances within three standard
        deviations from the mean, or with as many rows between any two.
    penalty : "auto" or float
        How much the splines may bend: the strength of a `kanml.Smoothness`. "auto" takes the power
        of ten that is best on the rows held out.
    sparsity : float
        How much functions of inputs cost: the strength of a `kanml.Sparsity`. Inputs that it
        switches off, in a first fit, are left out of the network. 0 keeps all.
    validation_fraction : float or None
        The share of rows held out, at most 0.5. Training ends when the loss there no longer falls.
        Unless the table is large, each part of the rows is held out once, and the network is the
        mean of one network for each. With None, and with fewer than two rows for each part,
        nothing is held out: training takes all its steps, and "auto" is a penalty of 0.01.
    max_iter : int
        The steps of L-BFGS on each level, at most.
    random_state : int, RandomState or None
        The source of the starts, and of the choice of rows held out.
    verbose : bool
        Whether to print the loss on the rows held out for each penalty.

    Attributes
    ----------
    network_ : Network
        It takes inputs as they are; its outputs are predictions, or their logarithms for "poisson".
    penalty_ : float
        The strength of the penalty.
    validation_losses_ : dict of float
        The loss on the rows held out for each penalty tried, on the coarsest level and with targets
        scaled. NaN if none are held out.
    active_features_ : ndarray of bool, shape (n_in,)
        Which inputs have an effect. Constant ones have none, nor have those switched off.
    history_ : list of History
        One for each run of `kanml.train` that led to the network.
    n_iter_ : int
        The number of steps of the longest run.
    n_features_in_ : int
        The number of inputs.
    feature_names_in_ : ndarray of str
        Their names, if they are columns of a data frame.

    Notes
    -----
    Constant columns have no effect. Equal rows are joined, and their weights added, so that a fit
    depends neither on the order of the rows, nor on whether one of them counts twice or is there
    twice. It does not depend on the number of threads either.

    Examples
    --------
    >>> from kanml.sklearn import KANRegressor
    >>> from sklearn.datasets import make_friedman1
    >>> x, y = make_friedman1(300, noise=0.5, random_state=0)
    >>> model = KANRegressor(penalty=1e-3, random_state=0).fit(x[:200], y[:200])
    >>> model.score(x[200:], y[200:]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        loss: Any = "squared",
        hidden: Any = "auto",
        degree: int = 3,
        intervals: int = 2,
        knots: str = "uniform",
        penalty: Any = "auto",
        sparsity: float = 0.0,
        validation_fraction: float | None = 0.2,
        max_iter: int = 200,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden=hidden,
            degree=degree,
            intervals=intervals,
            knots=knots,
            penalty=penalty,
            sparsity=sparsity,
            validation_fraction=validation_fraction,
            max_iter=max_iter,
            random_state=random_state,
            verbose=verbose,
        )
        self.loss = loss

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
        require_numbers(X)
        x, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one_column = y.ndim == 1
        weight = weights(sample_weight, x)
        table = Table.of(x, np.asarray(y, np.float64).reshape(len(x), -1), weight)
        self._predicts_rates = self._counts
        if self._predicts_rates:
            shift = self._log_means(table)
            behind = Affine(np.ones_like(shift), shift)
            table = table.with_targets(table.y / np.exp(shift))
        else:
            scaled = scaling(table.y, table.weight, robust=not isinstance(self.loss, str))
            behind = Affine(np.where(scaled.constant, 0.0, scaled.scale), scaled.centre)
            table = table.with_targets(scaled(table.y))
        self._fit(table, table.y.shape[1], self.loss, behind)
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
        means = table.weight @ table.y / table.weight.sum()
        if not means.all():
            raise ValueError("y must hold a number > 0 for the loss 'poisson', got zeros only")
        return np.asarray(np.log(means))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
