"""Multilevel training: runs, their history, and callbacks."""

from kanml.training.callbacks import Callback, Checkpoint, EarlyStopping, TrainingState
from kanml.training.history import History, Try
from kanml.training.logger import Logger
from kanml.training.march import March, MarchError, Slab, march
from kanml.training.result import Result
from kanml.training.train import train
from kanml.training.tries import RESTARTS

__all__ = [
    "RESTARTS",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "Logger",
    "March",
    "MarchError",
    "Result",
    "Slab",
    "TrainingState",
    "Try",
    "march",
    "train",
]
