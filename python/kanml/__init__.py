"""Kolmogorov-Arnold networks with spline activations, trained coarse to fine."""

from kanml import analysis, cuda, equations, plotting
from kanml._core import __version__
from kanml.bridges.mlp import export_mlp
from kanml.devices import DeviceArray
from kanml.layers import Activation, Affine, Linear, PeriodicEmbedding, SplineLayer
from kanml.network import KAN, MLP, Network, load
from kanml.optim import (
    LBFGS,
    Adam,
    CyclicDecay,
    GradientDescent,
    LevenbergMarquardt,
    Ramp,
    SSBroyden,
    VariableProjection,
)
from kanml.parallel import MPI
from kanml.problems import (
    PINN,
    RBA,
    Blocks,
    Evaluation,
    Huber,
    ParquetBlocks,
    Problem,
    Quantile,
    Regression,
    RowBlocks,
    Sampler,
    Smoothness,
    Sparsity,
    Term,
)
from kanml.splines import SplineSpace
from kanml.splines.power_relu import relu_basis, relu_transform
from kanml.splines.prolongation import prolongation
from kanml.threads import get_num_threads, set_num_threads
from kanml.training import March, MarchError, Result, Slab, march, train
from kanml.training.callbacks import Callback, Checkpoint, EarlyStopping
from kanml.training.logger import Logger

__all__ = [
    "KAN",
    "LBFGS",
    "MLP",
    "MPI",
    "PINN",
    "RBA",
    "Activation",
    "Adam",
    "Affine",
    "Blocks",
    "Callback",
    "Checkpoint",
    "CyclicDecay",
    "DeviceArray",
    "EarlyStopping",
    "Evaluation",
    "GradientDescent",
    "Huber",
    "LevenbergMarquardt",
    "Linear",
    "Logger",
    "March",
    "MarchError",
    "Network",
    "ParquetBlocks",
    "PeriodicEmbedding",
    "Problem",
    "Quantile",
    "Ramp",
    "Regression",
    "Result",
    "RowBlocks",
    "SSBroyden",
    "Sampler",
    "Slab",
    "Smoothness",
    "Sparsity",
    "SplineLayer",
    "SplineSpace",
    "Term",
    "VariableProjection",
    "__version__",
    "analysis",
    "cuda",
    "equations",
    "export_mlp",
    "get_num_threads",
    "load",
    "march",
    "plotting",
    "prolongation",
    "relu_basis",
    "relu_transform",
    "set_num_threads",
    "train",
]
