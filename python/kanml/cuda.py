"""GPUs that networks can be trained and evaluated on: ``kanml.train(..., device="cuda")``."""

from __future__ import annotations

from kanml import _core

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Say whether this build of kanml has code for GPUs, and finds one.

    Examples
    --------
    >>> import kanml
    >>> kanml.cuda.is_available() == (kanml.cuda.device_count() > 0)
    True
    """
    return device_count() > 0


def device_count() -> int:
    """Return the number of GPUs that `device` can name: "cuda:0", "cuda:1", ..."""
    return _core.cuda_devices()
