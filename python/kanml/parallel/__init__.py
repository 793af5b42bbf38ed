"""Several processes that train one network, each with samples of its own."""

from kanml.parallel.communicator import ALONE, Communicator, ProcessError, failing_together
from kanml.parallel.in_process import in_threads
from kanml.parallel.mpi import MPI

__all__ = ["ALONE", "MPI", "Communicator", "ProcessError", "failing_together", "in_threads"]
