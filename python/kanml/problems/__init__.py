"""What is minimised: data fits, PDE residuals, and the library's reference problems."""

from kanml.problems.base import Problem
from kanml.problems.pinn import PINN, RBA, Term
from kanml.problems.points import Sampler
from kanml.problems.reference import RotatedWaves
from kanml.problems.regression import Regression

__all__ = ["PINN", "RBA", "Problem", "Regression", "RotatedWaves", "Sampler", "Term"]
