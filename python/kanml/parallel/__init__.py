"""Several processes that train one network, each with samples of its own."""

from kanml.parallel.communicator import ALONE, Communicator
from kanml.parallel.in_process import in_threads

__all__ = ["ALONE", "Communicator", "in_threads"]
