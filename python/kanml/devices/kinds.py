"""What the core has once for each dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanml import _core

__all__ = ["of_kind"]

_KINDS = {
    np.dtype(np.float64): "Float64",
    np.dtype(np.float32): "Float32",
    np.dtype(np.int64): "Int64",
}


def of_kind(name: str, dtype: np.dtype[Any]) -> Any:
    """Return what the core has of a name for a dtype."""
    return getattr(_core, name + _KINDS[dtype])
