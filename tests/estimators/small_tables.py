"""Tables for the tests of the estimators."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris

FAST = {"penalty": 1e-2, "max_iter": 40, "random_state": 0}


def waves(n=400, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2)) * [10.0, 0.01] + [500.0, 0.0]
    clean = 1000 + 50 * np.sin((x[:, 0] - 500) / 4) + 2e5 * x[:, 1] ** 2
    return x, clean + 50 * noise * rng.normal(size=n), clean


def rows_of_iris():
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "versicolor", "virginica"])[y]
