"""Operators of arrays that are done on the host."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["HostOperators"]


def _with_reflected(operation: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Return the methods of an operator, for an array on its left and on its right."""

    def method(array: Any, other: Any) -> Any:
        return operation(np.asarray(array), other)

    def reflected(array: Any, other: Any) -> Any:
        return operation(other, np.asarray(array))

    return method, reflected


def _alone(operation: Callable[..., Any]) -> Any:
    def method(array: Any, *others: Any) -> Any:
        return operation(np.asarray(array), *others)

    return method


class HostOperators:
    """Operators and conversions of NumPy, on a copy in the memory of the process.

    A subclass has ``__array__``, which makes the copy. Functions of NumPy use that too.
    """

    __slots__ = ()

    __add__, __radd__ = _with_reflected(operator.add)
    __sub__, __rsub__ = _with_reflected(operator.sub)
    __mul__, __rmul__ = _with_reflected(operator.mul)
    __matmul__, __rmatmul__ = _with_reflected(operator.matmul)
    __truediv__, __rtruediv__ = _with_reflected(operator.truediv)
    __floordiv__, __rfloordiv__ = _with_reflected(operator.floordiv)
    __mod__, __rmod__ = _with_reflected(operator.mod)
    __divmod__, __rdivmod__ = _with_reflected(divmod)
    __pow__, __rpow__ = _with_reflected(operator.pow)
    __neg__, __pos__, __abs__ = _alone(operator.neg), _alone(operator.pos), _alone(abs)

    __lt__, __le__ = _alone(operator.lt), _alone(operator.le)
    __gt__, __ge__ = _alone(operator.gt), _alone(operator.ge)
    __eq__, __ne__ = _alone(operator.eq), _alone(operator.ne)
    __hash__ = None  # type: ignore[assignment]

    __bool__, __int__, __float__ = _alone(bool), _alone(int), _alone(float)

    def __iter__(self) -> Iterator[Any]:
        return iter(np.asarray(self))

    def __format__(self, specification: str) -> str:
        return format(np.asarray(self), specification) if specification else repr(self)
