"""What is minimised."""

from kanml.problems.base import Problem
from kanml.problems.reference import RotatedWaves
from kanml.problems.regression import Regression

__all__ = ["Problem", "Regression", "RotatedWaves"]
