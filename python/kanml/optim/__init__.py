"""Optimizers: frozen hyperparameters, which turn a state and a function into the next state."""

from kanml.optim.adam import Adam, AdamState
from kanml.optim.base import (
    IDENTITY,
    Function,
    Geometry,
    Optimizer,
    State,
    TransferMaps,
    Vector,
)
from kanml.optim.gradient_descent import GradientDescent
from kanml.optim.lbfgs import LBFGS, LBFGSState
from kanml.optim.schedules import CyclicDecay, Ramp, Schedule

__all__ = [
    "IDENTITY",
    "LBFGS",
    "Adam",
    "AdamState",
    "CyclicDecay",
    "Function",
    "Geometry",
    "GradientDescent",
    "LBFGSState",
    "Optimizer",
    "Ramp",
    "Schedule",
    "State",
    "TransferMaps",
    "Vector",
]
