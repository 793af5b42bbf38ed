"""Fitting data: the mean squared error over samples."""

from __future__ import annotations

import copy
import hashlib
import math
from typing import Any

import numpy.typing as npt

from kanml._validation import FloatArray, finite, real_array
from kanml.network import Network
from kanml.problems.base import Problem
from kanml.problems.batches import Batches
from kanml.problems.states import checked
from kanml.problems.unknowns import Unknowns, unknown_values

__all__ = ["Regression"]


class Regression(Problem):
    """The mean squared error of a network, over all entries of all samples.

    Parameters
    ----------
    x : array_like, shape (N, n_in)
        Inputs, finite.
    y : array_like, shape (N, n_out)
        Targets, finite.
    batch_size : int, optional
        The number of samples in a minibatch; all by default. Each epoch visits the samples in a new
        random order, and leaves out those that do not fill a last batch.
    seed : int
        The seed of the order of the minibatches.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

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
        self._batches = Batches.first(n, batch_size, seed)
        # The present batch in each dtype, and its position in the sequence.
        self._cached: dict[str, tuple[Batches, FloatArray, FloatArray]] = {}

    @property
    def x(self) -> FloatArray:
        """The inputs, shape (N, n_in), read-only."""
        return self._x

    @property
    def y(self) -> FloatArray:
        """The targets, shape (N, n_out), read-only."""
        return self._y

    def value_and_gradient(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the mean squared error over the present batch, and its gradient.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (0,), optional
            A regression has none.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        value : float
        gradient : ndarray, shape (net.n_parameters,)

        Raises
        ------
        ValueError
            If the network does not fit the data.
        """
        unknown_values(unknowns, ())
        return net.mean_squared_error(*self._batch(net), num_threads=num_threads)

    def residuals(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return the residuals of the present batch as a vector r, with ``r @ r`` the loss."""
        unknown_values(unknowns, ())
        x, y = self._batch(net)
        residuals: FloatArray = (net(x, num_threads=num_threads) - y).ravel() / math.sqrt(y.size)
        return residuals

    def advance(self, net: Network, unknowns: Unknowns | None = None) -> bool:
        """Advance to the next minibatch; return whether the loss has changed."""
        batches = self._batches
        self._batches = batches.next()
        return self._batches is not batches

    def excerpt(self, samples: int) -> tuple[Regression, float]:
        """Return the problem on at most `samples` samples, and its cost relative to a batch."""
        part = copy.copy(self)
        part._batches = self._batches.excerpt(samples)
        return part, part._batches.size / self._batches.size

    def state(self) -> dict[str, Any]:
        """Return the position in the sequence of minibatches, as plain values for JSON."""
        return self._batches.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a position that `state` returned.

        Raises
        ------
        ValueError
            If it cannot be a state of this problem, which is then unchanged.
        """
        with checked("a Regression"):
            self._batches = self._batches.restored(state)

    def fingerprint(self) -> str:
        """Return a digest of the data and the batch size."""
        digest = hashlib.sha256(f"Regression {self._x.shape} {self._batches.size}".encode())
        digest.update(self._x.tobytes())
        digest.update(self._y.tobytes())
        return digest.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        arguments = {"x": self._x, "y": self._y, "batch_size": self._batches.size}
        return {"arguments": arguments, "state": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Regression.__init__(self, **state["arguments"])
        self.restore(state["state"])

    def __repr__(self) -> str:
        batch = "" if self._batches.order is None else f", batch_size={self._batches.size}"
        return f"Regression(x of shape {self._x.shape}, y of shape {self._y.shape}{batch})"

    def _batch(self, net: Network) -> tuple[FloatArray, FloatArray]:
        """Return the present batch in the network's dtype."""
        if self._x.shape[1] != net.n_in or self._y.shape[1] != net.n_out:
            raise ValueError(
                f"a network with {net.n_in} inputs and {net.n_out} outputs does not fit data with "
                f"x of shape {self._x.shape} and y of shape {self._y.shape}"
            )
        key, batches = net.dtype.char, self._batches
        cached = self._cached.get(key)
        if cached is None or cached[0] is not batches:
            x, y = (array[batches.rows].astype(net.dtype) for array in (self._x, self._y))
            cached = batches, x, y
            self._cached = {**self._cached, key: cached}
        return cached[1:]


def _samples(value: npt.ArrayLike, name: str) -> FloatArray:
    array = real_array(value, name)
    if array.ndim != 2:
        column = ".to_frame()" if hasattr(value, "to_frame") else "[:, None]"  # pandas, NumPy
        raise ValueError(
            f"{name} must have shape (N, columns), got shape {array.shape}; "
            f"one column of numbers is {name}{column}"
        )
    array = finite(array, name).copy()
    array.setflags(write=False)
    return array
