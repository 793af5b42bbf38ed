"""What is minimised: data fits and residuals of differential equations."""

from kanml.problems.base import Problem
from kanml.problems.data import Blocks, ParquetBlocks, RowBlocks
from kanml.problems.evaluation import Evaluation, TermValue
from kanml.problems.fresh import FreshLoss
from kanml.problems.losses import Huber, Quantile
from kanml.problems.pinn import PINN, RBA, Term
from kanml.problems.points import Sampler
from kanml.problems.regression import Regression
from kanml.problems.smoothness import Smoothness
from kanml.problems.sparsity import Sparsity
from kanml.problems.unknowns import Unknowns

__all__ = [
    "PINN",
    "RBA",
    "Blocks",
    "Evaluation",
    "FreshLoss",
    "Huber",
    "ParquetBlocks",
    "Problem",
    "Quantile",
    "Regression",
    "RowBlocks",
    "Sampler",
    "Smoothness",
    "Sparsity",
    "Term",
    "TermValue",
    "Unknowns",
]
