"""Fitting data: the mean squared error over samples."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import FloatArray, finite, integer, real_array
from kanml.network import Network

__all__ = ["Regression"]


class Regression:
    """The mean squared error of a network, over all entries of all samples.

    Parameters
    ----------
    x : array_like, shape (N, n_in)
        Inputs, finite.
    y : array_like, shape (N, n_out)
        Targets, finite.
    batch_size : int, optional
        Samples of a minibatch; each epoch visits the samples in a new random order, leaving out
        those that do not fill a last batch. By default all samples at once.
    seed : int
        For the order of the minibatches.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, np.sin(3 * x))
    >>> loss, gradient = problem.value_and_gradient(kanml.KAN([1, 1], intervals=8))
    >>> gradient.shape
    (11,)
    """

    def __init__(
        self, x: npt.ArrayLike, y: npt.ArrayLike, *, batch_size: int | None = None, seed: int = 0
    ) -> None:
        self._x = _samples(x, "x")
        self._y = _samples(y, "y")
        n = len(self._x)
        if len(self._y) != n:
            raise ValueError(
                f"x and y must hold the same samples, got x of shape {self._x.shape} "
                f"and y of shape {self._y.shape}"
            )
        if n == 0:
            raise ValueError(f"x must hold at least one sample, got shape {self._x.shape}")
        self._batch_size = n if batch_size is None else integer(batch_size, "batch_size", 1, n)
        self._rng = np.random.default_rng(integer(seed, "seed", 0))
        self._order = np.zeros(0, dtype=np.int64)
        self._position = 0
        self._cached: dict[str, tuple[FloatArray, FloatArray]] = {}
        if self._batch_size < n:
            self._shuffle()

    @property
    def x(self) -> FloatArray:
        """The inputs, shape (N, n_in), read-only."""
        return self._x

    @property
    def y(self) -> FloatArray:
        """The targets, shape (N, n_out), read-only."""
        return self._y

    def value_and_gradient(
        self, net: Network, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the mean squared error over the present batch, and its gradient.

        Returns
        -------
        value : float
        gradient : ndarray, shape (net.n_parameters,)
        """
        return net.mean_squared_error(*self._batch(net), num_threads=num_threads)

    def residuals(self, net: Network, *, num_threads: int | None = None) -> FloatArray:
        """Return the vector r over the present batch whose square ``r @ r`` is the loss."""
        x, y = self._batch(net)
        residuals: FloatArray = (net(x, num_threads=num_threads) - y).ravel() / math.sqrt(y.size)
        return residuals

    def advance(self, net: Network) -> bool:
        """Go to the next minibatch; return whether there is one, that is, the loss changed."""
        if self._batch_size == len(self._x):
            return False
        self._position += self._batch_size
        if self._position + self._batch_size > len(self._x):
            self._shuffle()
        self._cached.clear()
        return True

    def state(self) -> dict[str, Any]:
        """Return the place in the sequence of minibatches, as values that JSON can hold."""
        return {
            "generator": self._rng.bit_generator.state,
            "order": self._order.tolist(),
            "position": self._position,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a place that `state` returned."""
        self._rng.bit_generator.state = state["generator"]
        self._order = np.array(state["order"], dtype=np.int64)
        self._position = int(state["position"])
        self._cached.clear()

    def fingerprint(self) -> str:
        """Return a digest of the data and the batch size."""
        digest = hashlib.sha256(f"Regression {self._x.shape} {self._batch_size}".encode())
        digest.update(self._x.tobytes())
        digest.update(self._y.tobytes())
        return digest.hexdigest()

    def _shuffle(self) -> None:
        self._order = self._rng.permutation(len(self._x))
        self._position = 0

    def _batch(self, net: Network) -> tuple[FloatArray, FloatArray]:
        """Return the present batch in the network's dtype."""
        if self._x.shape[1] != net.n_in or self._y.shape[1] != net.n_out:
            raise ValueError(
                f"a network with {net.n_in} inputs and {net.n_out} outputs does not fit data with "
                f"x of shape {self._x.shape} and y of shape {self._y.shape}"
            )
        key = net.dtype.char
        if key not in self._cached:
            x, y = self._x, self._y
            if self._order.size:
                rows = self._order[self._position : self._position + self._batch_size]
                x, y = x[rows], y[rows]
            self._cached[key] = (x.astype(net.dtype), y.astype(net.dtype))
        return self._cached[key]


def _samples(value: npt.ArrayLike, name: str) -> FloatArray:
    array = real_array(value, name)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have shape (N, columns), got shape {array.shape}; "
            f"one column of numbers is {name}[:, None]"
        )
    array = finite(array, name).copy()
    array.setflags(write=False)
    return array
