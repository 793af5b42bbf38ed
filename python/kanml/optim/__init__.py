"""Optimizers: frozen hyperparameters, which turn a state and a function into the next state."""

from kanml.optim.adam import Adam, AdamState
from kanml.optim.base import (
    IDENTITY,
    Coarser,
    Function,
    Geometry,
    Optimizer,
    State,
    TransferMaps,
)
from kanml.optim.gradient_descent import GradientDescent
from kanml.optim.lbfgs import LBFGS, LBFGSState
from kanml.optim.least_squares import LeastSquares, SumOfSquares
from kanml.optim.levenberg_marquardt import LevenbergMarquardt, LevenbergMarquardtState
from kanml.optim.matrices import Triangle
from kanml.optim.names import OptimizerName, as_optimizer
from kanml.optim.schedules import CyclicDecay, Ramp, Schedule
from kanml.optim.ssbroyden import SSBroyden, SSBroydenState
from kanml.optim.variable_projection import VariableProjection
from kanml.optim.vectors import Vector

__all__ = [
    "IDENTITY",
    "LBFGS",
    "Adam",
    "AdamState",
    "Coarser",
    "CyclicDecay",
    "Function",
    "Geometry",
    "GradientDescent",
    "LBFGSState",
    "LeastSquares",
    "LevenbergMarquardt",
    "LevenbergMarquardtState",
    "Optimizer",
    "OptimizerName",
    "Ramp",
    "SSBroyden",
    "SSBroydenState",
    "Schedule",
    "State",
    "SumOfSquares",
    "TransferMaps",
    "Triangle",
    "VariableProjection",
    "Vector",
    "as_optimizer",
]
