"""All checks of scikit-learn."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from kanml.sklearn import KANClassifier, KANRegressor

# Defaults but for the number of steps, which is for time. No check is expected to fail.
ESTIMATORS = [KANRegressor(max_iter=5), KANClassifier(max_iter=5)]


@parametrize_with_checks(ESTIMATORS)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)
