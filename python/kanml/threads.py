"""The number of threads that evaluations use; results never depend on it."""

from __future__ import annotations

from kanml import _core
from kanml._validation import MAX_THREADS, integer

__all__ = ["get_num_threads", "set_num_threads"]


def get_num_threads() -> int:
    """Return the number of threads used where a call does not say it.

    At first what OMP_NUM_THREADS says, else the number of processors that this process may use,
    the limits of a container included.
    """
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads used where a call does not say it, in this process.

    Parameters
    ----------
    n : int
        At least 1.

    Examples
    --------
    >>> import kanml
    >>> before = kanml.get_num_threads()
    >>> kanml.set_num_threads(1)
    >>> kanml.get_num_threads()
    1
    >>> kanml.set_num_threads(before)
    """
    _core.set_num_threads(integer(n, "n", 1, MAX_THREADS))
