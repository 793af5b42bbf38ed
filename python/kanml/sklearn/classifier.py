"""The classifier: labels as numbers, logits as probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from kanml._validation import Float64Array
from kanml.sklearn.base import KANEstimator, all_or_nothing, described, validated, weights
from kanml.sklearn.table import Table

__all__ = ["KANClassifier"]


@described
class KANClassifier(ClassifierMixin, KANEstimator):
    """Classification by a Kolmogorov-Arnold network, by its log loss.

    Inputs are scaled inside. Labels may be anything that scikit-learn accepts.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    network_ : Network
        It takes inputs as they are; its outputs are logits: one for each
        class, or that of the second of two classes.

    Examples
    --------
    >>> from kanml.sklearn import KANClassifier
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = KANClassifier(penalty=1e-2, random_state=0).fit(x[::2], y[::2])
    >>> model.score(x[1::2], y[1::2]) > 0.9
    True
    >>> model.predict_proba(x[:1]).shape
    (1, 3)
    """

    @all_or_nothing
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KANClassifier:
        """Fit the network to a table.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.
        y : array_like, shape (N,)
            Labels, of two classes or more.
        sample_weight : array_like, shape (N,), optional
            Weights of the rows, not negative.

        Returns
        -------
        KANClassifier
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described. Columns with text are named, with some of it.
        """
        x, y = validated(self, X, y)
        check_classification_targets(y)
        weight = weights(sample_weight, x)
        classes = np.unique(y[weight > 0])
        label = np.searchsorted(classes, y).astype(np.float64)
        n = len(classes)
        if n < 2:
            raise ValueError(f"y must hold two classes or more, got one class: {classes[0]}")
        table = Table.of(x, label[:, None], weight)
        loss, n_out = ("logistic", 1) if n == 2 else ("softmax", n)
        self._fit(table, n_out, loss, groups=table.y[:, 0])
        self.classes_ = classes
        return self

    def decision_function(self, X: Any) -> Float64Array:
        """Return logits.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.

        Returns
        -------
        ndarray, shape (N,) or (N, n_classes)
            One for each class, or that of the second of two classes.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict_proba(self, X: Any) -> Float64Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.

        Returns
        -------
        ndarray, shape (N, n_classes)
            In the order of `classes_`.
        """
        logits = self._outputs(X)
        if len(self.classes_) == 2:
            logits = np.hstack([np.zeros_like(logits), logits])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array_like, shape (N, n_in)
            Finite numbers, also as a data frame.

        Returns
        -------
        ndarray, shape (N,)
        """
        outputs = self._outputs(X)
        binary = len(self.classes_) == 2
        index = (outputs[:, 0] > 0).astype(int) if binary else outputs.argmax(axis=1)
        return np.asarray(self.classes_[index])
