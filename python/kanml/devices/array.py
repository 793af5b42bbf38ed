"""Arrays in the memory of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanml import _core

if TYPE_CHECKING:
    from kanml.devices.device import Device
    from kanml.devices.operations import DeviceOperations

__all__ = ["DeviceArray", "kinds"]

_KINDS = {
    np.dtype(np.float64): "Float64",
    np.dtype(np.float32): "Float32",
    np.dtype(np.int64): "Int64",
}


def kinds(name: str, dtype: np.dtype[Any]) -> Any:
    """Return what the core has of a name for a dtype."""
    return getattr(_core, name + _KINDS[dtype])


class DeviceArray:
    """An array in the memory of a device. It never changes.

    ``numpy.asarray(array)`` copies it to the memory of the process. Libraries that know DLPack read
    it where it is, for instance ``torch.from_dlpack(array)``; they must not write there.

    Attributes
    ----------
    device : Device
    dtype : dtype
    shape : tuple of int
    """

    __slots__ = ("__weakref__", "core", "device", "dtype", "shape")

    core: Any
    device: Device
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __init__(self, core: Any, device: Device, dtype: npt.DTypeLike) -> None:
        self.core, self.device, self.dtype = core, device, np.dtype(dtype)
        self.shape = core.shape

    @property
    def size(self) -> int:
        """The number of entries."""
        size: int = self.core.size
        return size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def operations(self) -> DeviceOperations:
        """The operations on vectors of this kind, for optimizers."""
        return self.device.operations

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("an array in the memory of a device cannot be read without a copy")
        return np.asarray(self.core.download(), dtype)

    def __getitem__(self, part: slice) -> DeviceArray:
        if not isinstance(part, slice) or self.ndim != 1:
            raise TypeError(f"only vectors have parts, which are slices; got {part!r}")
        start, stop, step = part.indices(self.size)
        if step != 1:
            raise ValueError(f"a part must be contiguous, got the step {step}")
        return self._like(self.core.part(start, max(stop - start, 0)))

    def reshape(self, shape: tuple[int, ...]) -> DeviceArray:
        """Return the array in another shape, in the same memory."""
        return self._like(self.core.reshaped(shape))

    def __dlpack__(self, **_: Any) -> Any:
        return self.core.lend()

    def __dlpack_device__(self) -> tuple[int, int]:
        gpu = self.device.core.gpu
        return (1, 0) if gpu < 0 else (2, gpu)

    def __repr__(self) -> str:
        return f"DeviceArray({np.asarray(self)!r}, device={self.device.name!r})"

    def _like(self, core: Any) -> DeviceArray:
        return DeviceArray(core, self.device, self.dtype)
