"""pykan as an estimator of scikit-learn, with its defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from peers import libraries

HIDDEN = 5  # features, as in the examples of its documentation


class _Pykan(BaseEstimator):
    """One hidden layer, and otherwise what ``KAN(width)`` and ``fit(data)`` do."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _fit(self, x: npt.NDArray[np.float64], y: Any, outputs: int, loss: Any) -> None:
        import torch
        from kan import KAN

        with libraries.quiet():
            self.model_ = KAN([x.shape[1], HIDDEN, outputs], seed=self.random_state)
            x = torch.tensor(x, dtype=torch.float32)
            data = {"train_input": x, "train_label": y, "test_input": x, "test_label": y}
            self.model_.fit(data, loss_fn=loss)

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters: the model itself cannot be pickled."""
        return {"parameters": self.model_.state_dict()} if hasattr(self, "model_") else {}

    def _outputs(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        import torch

        with torch.no_grad():
            outputs: npt.NDArray[np.float32] = self.model_(
                torch.tensor(x, dtype=torch.float32)
            ).numpy()
        return outputs


class PykanRegressor(RegressorMixin, _Pykan):
    def fit(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> PykanRegressor:
        import torch

        self._fit(x, torch.tensor(y.reshape(-1, 1), dtype=torch.float32), 1, None)
        return self

    def predict(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        return self._outputs(x)[:, 0]


class PykanClassifier(ClassifierMixin, _Pykan):
    def fit(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> PykanClassifier:
        import torch

        self.classes_, number = np.unique(y, return_inverse=True)
        loss = torch.nn.CrossEntropyLoss()
        self._fit(x, torch.tensor(number), len(self.classes_), loss)
        return self

    def predict(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return self.classes_[self._outputs(x).argmax(axis=1)]
