"""What is minimised: data fits, PDE residuals, and the library's reference problems."""

from kanml.problems.base import Problem
from kanml.problems.pinn import PINN
from kanml.problems.points import Sampler
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
from kanml.problems.term import RBA, Term

__all__ = [
    "PINN",
    "RBA",
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
    "Sampler",
    "Term",
]
