"""Inputs of a network that are in the memory of a device already."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from kanml.devices.device import Device, DeviceArray

__all__ = ["SupportsDLPack", "in_place"]


class SupportsDLPack(Protocol):
    """An array of another library."""

    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, Any]: ...


def in_place(
    x: Any, device: Device | None, columns: int, dtype: np.dtype[Any]
) -> DeviceArray | None:
    """Return inputs (N, columns) in the memory of a device, without a copy; None if elsewhere.

    Raises
    ------
    ValueError
        If they are in the memory of another device, or have another shape.
    TypeError
        If they have another dtype.
    """
    if isinstance(x, DeviceArray):
        if device is None or x.device is not device:
            there = "the processors" if device is None else repr(device.name)
            raise ValueError(
                f"x is in the memory of {x.device.name!r}, and the network is evaluated on "
                f"{there}: pass device={x.device.name!r}, or numpy.asarray(x)"
            )
        inputs = x
    elif device is not None and device.holds(x):
        inputs = device.taken(x)
    else:
        return None
    if inputs.dtype != dtype:
        raise TypeError(f"x must have the network's dtype {dtype}, got {inputs.dtype}")
    if inputs.ndim != 2 or inputs.shape[1] != columns:
        raise ValueError(f"x must have shape (N, {columns}), got shape {inputs.shape}")
    return inputs
