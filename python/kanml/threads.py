"""The number of threads that evaluations use; results never depend on it."""

from __future__ import annotations

import os

from kanml import _core
from kanml._system import processors_within_quota
from kanml._validation import MAX_THREADS, integer

__all__ = ["get_num_threads", "set_num_threads"]


def get_num_threads() -> int:
    """Return the number of threads of calls without `num_threads`.

    The initial value is that of OMP_NUM_THREADS, or else the number of processors that this process
    may use, within the limits of its container.
    """
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads of calls without `num_threads`, in this process.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError, TypeError
        If `n` is not an integer of at least 1.

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


def _respect_quota() -> None:
    quota = processors_within_quota()
    if quota is not None and "OMP_NUM_THREADS" not in os.environ:
        _core.set_num_threads(min(quota, _core.get_num_threads()))


_respect_quota()
