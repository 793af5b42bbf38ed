"""Estimators for scikit-learn, which is imported here and nowhere else."""

try:
    from kanml.sklearn.classifier import KANClassifier
    from kanml.sklearn.regressor import KANRegressor
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "sklearn":
        raise
    raise ModuleNotFoundError(
        "kanml.sklearn needs scikit-learn: python -m pip install 'kanml[sklearn]'", name=error.name
    ) from error

__all__ = ["KANClassifier", "KANRegressor"]
