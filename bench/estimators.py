"""Compare the estimators of kanml with others on the tables that scikit-learn has, at defaults.

    python -m pip install scikit-learn
    OMP_NUM_THREADS=1 python bench/estimators.py            # half an hour of processor time
    OMP_NUM_THREADS=1 python bench/estimators.py --pykan    # on the small tables; it needs torch

Of each table a fifth is held out for the test, five times. The error is the part of the variance
that is not explained, or the share of wrong classes. Friedman's functions have noise, of standard
deviations 1, 125 and 0.1: no error can be less than about 0.04, 0.1 and 0.1. All but trees get
inputs of mean 0 and variance 1, and in regressions targets too. "additive" is a spline of each
input, with a ridge penalty chosen by cross-validation, or a logistic regression on them. "pykan"
has one hidden layer of five features. Sizes are those of pickles, and seconds are CPU seconds.
Results are kept in a folder, so that an interrupted run continues.
"""

from __future__ import annotations

import argparse
import pickle
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from store import Store

REGRESSION = ("diabetes", "friedman1", "friedman2", "friedman3")
CLASSES = ("iris", "wine", "breast_cancer", "digits")
MODELS = ("kan", "trees", "vectors", "perceptron", "additive")
SMALL = ("diabetes", "iris", "wine")


class Job(NamedTuple):
    """A fit. The estimators of kanml were made on splits from 100 on."""

    table: str
    model: str
    split: int


def table(name: str) -> tuple[Any, Any]:
    from sklearn import datasets

    if name == "friedman1":
        return datasets.make_friedman1(5000, noise=1, random_state=0)
    if name == "friedman2":
        return datasets.make_friedman2(1000, noise=125, random_state=0)
    if name == "friedman3":
        return datasets.make_friedman3(1000, noise=0.1, random_state=0)
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def estimator(model: str, classes: bool, seed: int) -> Any:
    from sklearn import ensemble, linear_model, neural_network, svm
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    from kanml.sklearn import KANClassifier, KANRegressor

    if model == "kan":
        return (KANClassifier if classes else KANRegressor)(random_state=seed)
    if model == "trees":
        boosting = ensemble.HistGradientBoostingRegressor
        if classes:
            boosting = ensemble.HistGradientBoostingClassifier
        return boosting(random_state=seed)
    if model == "vectors":
        inner = svm.SVC() if classes else svm.SVR()
    elif model == "perceptron":
        network = neural_network.MLPClassifier if classes else neural_network.MLPRegressor
        inner = network(random_state=seed)
    elif model == "pykan":
        from peers.estimators import PykanClassifier, PykanRegressor

        inner = (PykanClassifier if classes else PykanRegressor)(random_state=seed)
    else:
        strengths = np.logspace(-3, 4, 15)
        inner = linear_model.RidgeCV(strengths)
        if classes:
            inner = linear_model.LogisticRegression(max_iter=1000)
        inner = make_pipeline(SplineTransformer(), inner)
    whole = make_pipeline(StandardScaler(), inner)
    return whole if classes else TransformedTargetRegressor(whole, transformer=StandardScaler())


def measured(job: Job) -> tuple[Job, list[float]]:
    """Return the job with its error, the CPU seconds of fit and prediction, and the size in kB."""
    import warnings

    from sklearn.model_selection import train_test_split

    x, y = table(job.table)
    classes = job.table in CLASSES
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=0.2, random_state=job.split, stratify=y if classes else None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # perceptrons want more steps than they take by default
        model = estimator(job.model, classes, job.split)
        begin = time.process_time()
        model.fit(x, y)
        fitted = time.process_time()
        model.predict(x_test)
        predicted = time.process_time()
    size = len(pickle.dumps(model)) / 1000
    return job, [1 - model.score(x_test, y_test), fitted - begin, predicted - fitted, size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--only", nargs="+", choices=REGRESSION + CLASSES, metavar="TABLE")
    parser.add_argument("--pykan", action="store_true", help="add pykan, on the small tables")
    parser.add_argument("--folder", type=Path, default=Path("estimators-study"), metavar="DIR")
    arguments = parser.parse_args()
    store = Store(arguments.folder, Job, "bench/estimators.py")
    for name in arguments.only or REGRESSION + CLASSES:
        models = [*MODELS, "pykan"] if arguments.pykan and name in SMALL else MODELS
        jobs = {model: [Job(name, model, k) for k in range(arguments.splits)] for model in models}
        store.complete([job for group in jobs.values() for job in group], measured, 1)
        print(f"\n{name:24s}error   of splits        fit, s   predict, ms   size, kB")
        for model, group in jobs.items():
            found = np.array([store.results[job] for job in group])
            error, fit, predict, size = found.mean(axis=0)
            spread = f"{found[:, 0].min():.4f} - {found[:, 0].max():.4f}"
            shown = f"{fit:6.2f}  {1000 * predict:12.2f}  {size:9.0f}"
            print(f"  {model:20s}{error:7.4f}   {spread}{shown}", flush=True)


if __name__ == "__main__":
    main()
