"""Fit noisy tables by the recipe that opens the user guide, and measure it on rows never seen.

    python -m pip install scikit-learn
    python bench/tables.py

"diabetes" is scikit-learn's table (442 rows, 10 columns); "friedman" is Friedman's first function
of 10 columns, 5000 rows, with noise of standard deviation 1, of which no fit can explain more than
about 0.96. Of each table a fifth is held out for the test, five times. The script prints R^2, the
part of the variance that is explained there, for each split.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
from initial import functions

import kanml

Table = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
FIRST_SEED = 0  # the recipe was chosen on splits from 100 on


def diabetes() -> Table:
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return x, y[:, None]


def friedman() -> Table:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (5000, 10))
    y = functions.friedman(*x.T) + rng.normal(0, 1, 5000)
    return x, y[:, None]


def recipe(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> kanml.Result:
    """Train as the user guide does: standardised inputs, every fifth row held out."""
    held_out = np.arange(len(x)) % 5 == 0
    standardise = kanml.Affine.standardising(x)
    widths = [x.shape[1], 10, 1]
    return kanml.train(
        kanml.KAN(widths, degree=3, intervals=2, domain=(-3, 3), front=[standardise], data=x),
        kanml.Regression(x[~held_out], y[~held_out]),
        schedule=[200, 200, 200, 200],
        validation=kanml.Regression(x[held_out], y[held_out]),
        callbacks=[kanml.EarlyStopping(patience=20)],
        progress=False,
    )


def explained(table: Table, seed: int) -> float:
    """Return R^2 on a random fifth of the rows, after training on the others."""
    rows = np.random.default_rng(seed).permutation(len(table[0]))
    test, training = np.split(rows, [len(rows) // 5])
    x, y = table
    mean, scale = y[training].mean(), y[training].std()
    result = recipe(x[training], (y[training] - mean) / scale)
    error = y[test] - (mean + scale * result.network(x[test]))
    return 1 - float(np.sum(error**2) / np.sum((y[test] - y[test].mean()) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first split")
    arguments = parser.parse_args()
    for name, table in (("diabetes", diabetes()), ("friedman", friedman())):
        seeds = range(arguments.first, arguments.first + arguments.splits)
        found = [explained(table, seed) for seed in seeds]
        shown = " ".join(f"{r:.3f}" for r in found)
        print(f"{name:10s}{shown}   mean {np.mean(found):.3f}, min {min(found):.3f}", flush=True)


if __name__ == "__main__":
    main()
