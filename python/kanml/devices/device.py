"""Devices by name, and arrays in their memory."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml.devices.host_operators import HostOperators
from kanml.devices.kinds import of_kind
from kanml.devices.operations import DeviceOperations
from kanml.optim.vectors import Operations

__all__ = ["Device", "DeviceArray", "find"]


class DeviceArray(HostOperators):
    """An array in the memory of a device. It never changes.

    ``numpy.asarray(array)`` copies it to the memory of the process. Arithmetic is done with such
    copies, and gives NumPy arrays. Libraries that know DLPack read it where it is, for instance
    ``torch.from_dlpack(array)``; they must not write there.

    Attributes
    ----------
    device : Device
    dtype : dtype
    """

    __slots__ = ("__weakref__", "core", "device", "dtype")

    core: Any
    device: Device
    dtype: np.dtype[Any]

    def __init__(self, core: Any, device: Device, dtype: npt.DTypeLike) -> None:
        self.core, self.device, self.dtype = core, device, np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of entries along each axis."""
        shape: tuple[int, ...] = self.core.shape
        return shape

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
    def operations(self) -> Operations:
        """The operations on vectors of this kind, for optimizers."""
        return self.device.operations

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("an array in the memory of a device cannot be read without a copy")
        return np.asarray(self.core.download(), dtype)

    def __getitem__(self, part: Any) -> Any:
        """Return a part: consecutive entries of the first axis in place, all else as a copy."""
        if not isinstance(part, slice) or self.ndim == 0:
            return np.asarray(self)[part]
        start, stop, step = part.indices(len(self))
        if step != 1:
            return np.asarray(self)[part]
        count, (_, *rest) = max(stop - start, 0), self.shape
        width = math.prod(rest)
        found = self._like(self.core.part(start * width, count * width))
        return found if self.ndim == 1 else found.reshape((count, *rest))

    def reshape(self, *shape: Any) -> DeviceArray:
        """Return the array in another shape, in the same memory, as NumPy does."""
        given: Any = shape[0] if len(shape) == 1 else shape
        sizes = [operator.index(given)] if np.ndim(given) == 0 else list(map(operator.index, given))
        if sizes.count(-1) == 1 and (known := -math.prod(sizes)) > 0:
            sizes[sizes.index(-1)] = self.size // known
        if math.prod(sizes) != self.size or min(sizes, default=0) < 0:
            raise ValueError(f"an array of shape {self.shape} cannot have the shape {given}")
        return self._like(self.core.reshaped(sizes))

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        here = self.__dlpack_device__()
        if dl_device in (None, here):
            return (self.core.copied() if copy else self.core).lend()
        if dl_device != (1, 0) or copy is False:
            raise BufferError(
                f"an array in the memory of {self.device.name!r} is not lent to the device "
                f"{dl_device} with copy={copy}"
            )
        return np.asarray(self).__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        gpu = self.device.core.gpu
        return (1, 0) if gpu < 0 else (2, gpu)

    def __repr__(self) -> str:
        return f"DeviceArray({np.asarray(self)!r}, device={self.device.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:  # so that it can be pickled
        return _uploaded, (self.device, np.asarray(self))

    def _like(self, core: Any) -> DeviceArray:
        return DeviceArray(core, self.device, self.dtype)


def _uploaded(device: Device, numbers: npt.NDArray[Any]) -> DeviceArray:
    return device.array(numbers)


Arrays: TypeAlias = npt.NDArray[Any] | DeviceArray


class Device:
    """A device with its memory.

    Parameters
    ----------
    core : _core.Device

    Attributes
    ----------
    name : str
    operations : Operations
        The operations on vectors in its memory.
    """

    def __init__(self, core: Any) -> None:
        self.core, self.name = core, core.name
        self.operations: Operations = DeviceOperations(
            core, lambda found, dtype: DeviceArray(found, self, dtype)
        )
        self._placed: dict[int, tuple[weakref.ref[Any], DeviceArray]] = {}
        self._terms: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<Device: {self.name}>"

    # A device is what it is: copies and pickles of what names it name the same.
    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name,)

    def __copy__(self) -> Device:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Device:
        return self

    def array(self, numbers: Arrays) -> DeviceArray:
        """Return an array in the memory of this device; one that is there already itself."""
        if isinstance(numbers, DeviceArray):
            if numbers.device is not self:
                return self.array(np.asarray(numbers))
            return numbers
        ready = np.require(numbers, requirements=["C", "ALIGNED"])
        return DeviceArray(_core.uploaded(self.core, ready), self, ready.dtype)

    def placed(self, numbers: Arrays) -> DeviceArray:
        """Return the same; what cannot change is uploaded once, as long as the array exists.

        It is for arrays that the package owns: users may make theirs writable again.
        """
        if isinstance(numbers, DeviceArray) or _may_change(numbers):
            return self.array(numbers)
        key = id(numbers)
        if (known := self._placed.get(key)) is not None and known[0]() is numbers:
            return known[1]
        array = self.array(numbers)
        forget = weakref.ref(numbers, lambda gone: self._forget(key, gone))
        self._placed[key] = forget, array
        return array

    def _forget(self, key: int, gone: weakref.ref[Any]) -> None:
        if (known := self._placed.get(key)) is not None and known[0] is gone:
            del self._placed[key]

    def taken(self, tensor: Any) -> DeviceArray:
        """Return an array of another library, in the memory of this device, without a copy.

        Parameters
        ----------
        tensor : object with `__dlpack__`
            Float32 or float64, in C order. It must not change while it is used.
        """
        stream = {} if self.core.gpu < 0 else {"stream": 1}  # the default stream
        core = _core.borrowed(self.core, tensor.__dlpack__(**stream))
        is_double = isinstance(core, _core.DeviceArrayFloat64)
        return DeviceArray(core, self, np.float64 if is_double else np.float32)

    def holds(self, value: object) -> bool:
        """Say whether a value is an array of another library in the memory of this device."""
        where = getattr(value, "__dlpack_device__", None)
        if where is None or isinstance(value, (np.ndarray, DeviceArray)):
            return False
        kind, number = where()
        return int(kind) == 2 and int(number) == self.core.gpu

    def terms(self, terms: Sequence[Any], dtype: np.dtype[Any]) -> list[Any]:
        """Return terms of the core with their arrays in the memory of this device."""
        return [self._term(term, dtype) for term in terms]

    def _term(self, term: Any, dtype: np.dtype[Any]) -> Any:
        found = self._terms.get(term)
        if found is None:
            rows = "Row" if "RowTerm" in type(term).__name__ else ""
            found = of_kind(f"Device{rows}Term", dtype)(
                term,
                None if term.rows is None else self.placed(term.rows).core,
                [self.placed(x).core for x, _, _ in term.places],
                [self.placed(vectors).core for _, _, vectors in term.places],
                [self.placed(column).core for column in term.columns],
            )
            self._terms[term] = found
        return found


def _may_change(array: npt.NDArray[Any]) -> bool:
    """Say whether an array, or one that it is a view of, can be written to."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    return owner is not None  # memory of something else


@cache
def _host() -> Device:
    return Device(_core.host_device())


@cache
def _gpu(number: int) -> Device:
    return Device(_core.cuda_device(number))


def find(name: str | Device | None) -> Device | None:
    """Return the device of a name; None stands for the processors.

    Parameters
    ----------
    name : {"cpu", "cuda", "cuda:0", "cuda:1", ..., "block-host"} or Device or None
        "cuda" is "cuda:0". "block-host" runs the programs of GPUs on the host, for tests.

    Raises
    ------
    ValueError
        If there is no such name.
    RuntimeError
        If there is no such GPU, or this build has no code for GPUs.
    """
    if name is None or isinstance(name, Device):
        return name
    if name == "cpu":
        return None
    if name == "block-host":
        return _host()
    kind, _, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    if kind != "cuda" or not ((number.isdecimal() and len(number) < 9) or name == "cuda"):
        raise ValueError(
            f'device must be "cpu", "cuda", "cuda:" with a number, or "block-host", got {name!r}'
        )
    if not _core.has_cuda():
        raise RuntimeError(
            f"device {name!r} needs a build of kanml with code for GPUs, and this one has none; "
            "the guide to GPUs, docs/gpu.md in its sources, has the command that builds one"
        )
    try:
        return _gpu(int(number or 0))
    except RuntimeError as error:
        raise RuntimeError(
            f"device {name!r} cannot be used: {error}; kanml finds {_core.cuda_devices()} GPUs"
        ) from None
