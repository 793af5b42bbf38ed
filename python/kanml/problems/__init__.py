"""What is minimised."""

from kanml.problems.base import Problem
from kanml.problems.reference import (
    Advection,
    Biharmonic,
    Burgers,
    Heat,
    Helmholtz,
    Poisson,
    PoissonInterface,
    ReferenceProblem,
    RotatedWaves,
)
from kanml.problems.regression import Regression

__all__ = [
    "Advection",
    "Biharmonic",
    "Burgers",
    "Heat",
    "Helmholtz",
    "Poisson",
    "PoissonInterface",
    "Problem",
    "ReferenceProblem",
    "Regression",
    "RotatedWaves",
]
