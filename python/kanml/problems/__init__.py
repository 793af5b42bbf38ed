"""What is minimised."""

from kanml.problems.base import Problem
from kanml.problems.reference import (
    Advection,
    AllenCahn,
    Biharmonic,
    Burgers,
    Heat,
    Helmholtz,
    KortewegDeVries,
    KuramotoSivashinsky,
    Poisson,
    PoissonInterface,
    ReferenceProblem,
    RotatedWaves,
)
from kanml.problems.regression import Regression

__all__ = [
    "Advection",
    "AllenCahn",
    "Biharmonic",
    "Burgers",
    "Heat",
    "Helmholtz",
    "KortewegDeVries",
    "KuramotoSivashinsky",
    "Poisson",
    "PoissonInterface",
    "Problem",
    "ReferenceProblem",
    "Regression",
    "RotatedWaves",
]
