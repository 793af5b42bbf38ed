"""The operations of optimizers on vectors in the memory of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml.devices.kinds import of_kind
from kanml.optim.vectors import ARRAYS, Operations, Vector

__all__ = ["DeviceOperations"]


class DeviceOperations(Operations):
    """See `Operations`. Vectors stay on the device; only numbers come back.

    `signs` and `symmetric_transfer` are computed on the host.

    Parameters
    ----------
    device : _core.Device
    wrap : callable
        Returns an array of the core as one of this package, given its dtype.
    """

    def __init__(self, device: Any, wrap: Callable[[Any, np.dtype[Any]], Any]) -> None:
        self._device, self._wrap = device, wrap
        self._cores: dict[np.dtype[Any], Any] = {}

    def _core(self, like: Vector) -> Any:
        """Return the operations of the core for the dtype of a vector."""
        core = self._cores.get(like.dtype)
        if core is None:
            core = of_kind("DeviceVectors", like.dtype)(self._device)
            self._cores[like.dtype] = core
        return core

    def _uploaded(self, array: Vector) -> Any:
        return self._wrap(_core.uploaded(self._device, array), array.dtype)

    def _of(self, core: Any, like: Any) -> Any:
        return self._wrap(core, like.dtype)

    def vector(self, numbers: npt.ArrayLike, like: Vector) -> Vector:
        """Return numbers on the device; see `Operations.vector`."""
        known: Any = numbers
        if getattr(known, "operations", None) is self and known.dtype == like.dtype:
            same: Vector = known
            return same
        uploaded: Vector = self._uploaded(np.array(known, like.dtype, order="C"))
        return uploaded

    def full(self, value: float, like: Vector) -> Vector:
        """Return equal entries; see `Operations.full`."""
        filled: Vector = self._of(self._core(like).full(value, like.size), like)
        return filled

    def scaled(self, a: float, x: Any) -> Any:
        """Return a x; see `Operations.scaled`."""
        return x if a == 1 else self._of(self._core(x).scaled(a, x.core), x)

    def axpy(self, a: float, x: Any, y: Any, tail: int = 0) -> Any:
        """Return y + a x; see `Operations.axpy`."""
        core = self._core(y)
        if tail == 0:
            return self._of(core.axpy(a, x.core, y.core), y)
        first, last = slice(0, y.size - tail), slice(y.size - tail, y.size)
        return self.joined(
            self._of(core.axpy(a, x[first].core, y[first].core), y),
            last,
            self._of(core.axpy(1.0, x[last].core, y[last].core), y),
        )

    def signs(self, seed: int, like: Any) -> Any:
        """Return random signs; see `Operations.signs`."""
        return self._uploaded(ARRAYS.signs(seed, np.empty(like.shape, like.dtype)))

    def plus_product(self, x: Any, y: Any, z: Any) -> Any:
        """Return x + y z; see `Operations.plus_product`."""
        return self._of(self._core(x).plus_product(x.core, y.core, z.core), x)

    def quotient(self, x: Any, y: Any) -> Any:
        """Return x / y; see `Operations.quotient`."""
        return self._of(self._core(x).quotient(x.core, y.core), x)

    def within(self, x: Any, part: slice) -> Any:
        """Return the entries in a part; see `Operations.within`."""
        return x[part]

    def without(self, x: Any, part: slice) -> Any:
        """Return the other entries; see `Operations.without`."""
        return self._joined(x, x[: part.start], x[part.stop :])

    def joined(self, x: Any, part: slice, y: Any) -> Any:
        """Return both parts as one vector; see `Operations.joined`."""
        return self._joined(x, x[: part.start], y, x[part.start :])

    def _joined(self, like: Any, *parts: Any) -> Any:
        cores = [part.core for part in parts if part.size > 0] or [parts[0].core]
        if len(cores) == 1:
            return self._of(cores[0], like)
        return self._of(self._core(like).joined(cores), like)

    def dot(self, x: Any, y: Any) -> float:
        """Return the scalar product; see `Operations.dot`."""
        product: float = self._core(x).dot(x.core, y.core)
        return product

    def max_abs(self, x: Any) -> float:
        """Return the largest absolute value; see `Operations.max_abs`."""
        largest: float = self._core(x).max_abs(x.core)
        return largest

    def adam(
        self, gradient: Any, first_moment: Any, second_moment: Any, **numbers: Any
    ) -> tuple[Any, Any, Any]:
        """Return direction and moments; see `Operations.adam`."""
        found = self._core(gradient).adam_direction(
            gradient.core, first_moment.core, second_moment.core, **numbers
        )
        direction, first, second = (self._of(core, gradient) for core in found)
        return direction, first, second

    def two_loop(
        self,
        steps: tuple[Any, ...],
        gradient_changes: tuple[Any, ...],
        diagonal: Any,
        gradient: Any,
    ) -> Any:
        """Return the direction; see `Operations.two_loop`."""
        core = self._core(gradient).two_loop(
            [s.core for s in steps],
            [y.core for y in gradient_changes],
            diagonal.core,
            gradient.core,
        )
        return self._of(core, gradient)

    def update_diagonal(self, step: Any, gradient_change: Any, diagonal: Any) -> Any:
        """Return the diagonal; see `Operations.update_diagonal`."""
        core = self._core(step).update_diagonal(step.core, gradient_change.core, diagonal.core)
        return self._of(core, step)

    def multiple_of_identity(self, a: float, like: Any) -> Any:
        """Return a I; see `Operations.multiple_of_identity`."""
        return self._of(self._core(like).multiple_of_identity(a, like.size), like)

    def diagonal(self, matrix: Any, like: Any) -> Any:
        """Return the diagonal; see `Operations.diagonal`."""
        return self._of(self._core(like).diagonal(matrix.core, like.size), like)

    def symmetric_product(self, matrix: Any, x: Any) -> Any:
        """Return the product; see `Operations.symmetric_product`."""
        return self._of(self._core(x).symmetric_product(matrix.core, x.core), x)

    def symmetric_update(self, matrix: Any, x: Any, y: Any, **factors: float) -> Any:
        """Return the updated matrix; see `Operations.symmetric_update`."""
        core = self._core(x).symmetric_update(matrix.core, x.core, y.core, **factors)
        return None if core is None else self._of(core, x)

    def symmetric_transfer(
        self,
        matrix: Vector,
        primal: Callable[[Vector], Vector],
        dual: Callable[[Vector], Vector],
        complement: float,
        like: Vector,
    ) -> Vector:
        """Return the matrix on the finer grid; see `Operations.symmetric_transfer`."""

        def of_arrays(apply: Callable[[Vector], Vector]) -> Callable[[Vector], Vector]:
            return lambda v: np.asarray(apply(v))

        moved = ARRAYS.symmetric_transfer(
            np.asarray(matrix), of_arrays(primal), of_arrays(dual), complement, np.asarray(like)
        )
        return self.vector(moved, like)
