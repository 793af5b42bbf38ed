"""Networks: their layers, evaluation, refinement and initial parameters."""

from kanml.network.architecture import Block
from kanml.network.build import KAN, MLP
from kanml.network.network import Network, load

__all__ = ["KAN", "MLP", "Block", "Network", "load"]
