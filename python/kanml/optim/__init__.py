"""Optimizers: frozen hyperparameters, which turn a state and a function into the next state."""

from kanml.optim.adam import Adam, AdamState
from kanml.optim.base import (
    IDENTITY,
    Function,
    Geometry,
    Optimizer,
    State,
    TransferMaps,
)
from kanml.optim.gradient_descent import GradientDescent
from kanml.optim.lbfgs import LBFGS, LBFGSState
from kanml.optim.schedules import CyclicDecay, Ramp, Schedule
from kanml.optim.vectors import Vector

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
