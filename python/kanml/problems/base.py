"""What training asks of a problem."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from kanml._validation import FloatArray
from kanml.network import Network
from kanml.problems.unknowns import Unknowns

__all__ = ["Problem"]

Self = TypeVar("Self", bound="Problem")


class Problem(ABC):
    """Something to minimise over the parameters of a network, and unknowns of its own.

    Derive a class from it to train on a loss of your own. Two methods have to be written,
    `value_and_gradient` and `fingerprint`. The others have defaults, which suit a loss that is the
    same function in every step. If it is not, override `advance`, `state` and `restore` together.

    Training works on ``copy.copy(problem)``, and advances another copy in each step. A copy shares
    the attributes of its original, so methods must replace attributes by new objects and change
    none in place. Then several Python threads may evaluate one problem, too. A problem that has to
    change an array or a random generator in place needs a `__copy__` that copies it.

    Attributes
    ----------
    unknowns : mapping of str to float
        Scalars that are trained with the network, and where they start. None by default.

    Examples
    --------
    The logarithm of the hyperbolic cosine, which minds outliers less than a square:

    >>> import hashlib
    >>> import kanml
    >>> import numpy as np
    >>> class LogCosh(kanml.Problem):
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    ...
    ...     def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
    ...         error = net(self.x, num_threads=num_threads) - self.y
    ...         cotangent = np.tanh(error) / error.size
    ...         gradient, _ = net.vjp(self.x, cotangent, num_threads=num_threads)
    ...         return np.mean(np.log(np.cosh(error))), gradient
    ...
    ...     def fingerprint(self):
    ...         return hashlib.sha256(self.x.tobytes() + self.y.tobytes()).hexdigest()
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> problem = LogCosh(x, np.sin(4 * x))
    >>> result = kanml.train(kanml.KAN([1, 1]), problem, [20, 20], progress=False)
    >>> bool(result.history.loss[-1] < 1e-4)
    True
    """

    unknowns: Mapping[str, float] = MappingProxyType({})

    @abstractmethod
    def value_and_gradient(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient, and change nothing.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (number of unknowns,), optional
            Values of the unknowns, in the order of `unknowns`; training passes an array in the
            dtype of the network, empty for a problem without unknowns.
        num_threads : int, optional

        Returns
        -------
        value : float
        gradient : ndarray, shape (net.n_parameters + number of unknowns,)
            With respect to the parameters, then to the unknowns.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of everything that decides about the loss, except what `advance` changes.

        It tells whether a checkpoint belongs to this problem.
        """

    def losses(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> dict[str, float]:
        """Return what each term contributes to the loss, for the history; by default no terms."""
        return {}

    def advance(self, net: Network, unknowns: Unknowns | None = None) -> bool:
        """Take note of an accepted step; return whether the loss is another function now."""
        return False

    def state(self) -> dict[str, Any]:
        """Return what `advance` changes, as values that JSON can hold; by default nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state` returned.

        Raises
        ------
        ValueError
            If it cannot be a state of this problem, which then stays as it is.
        """
        if state != {}:
            raise ValueError(f"a {type(self).__name__} has no state to restore, got {state!r}")

    def excerpt(self, samples: int) -> tuple[Problem, float]:
        """Return a smaller problem of the same kind, on which `kanml.train` compares starts.

        Parameters
        ----------
        samples : int
            How many samples of each kind are enough.

        Returns
        -------
        problem : Problem
            Its loss never changes. By default a copy of the whole.
        cost : float
            Of an evaluation, relative to one of the whole problem.
        """
        return copy.copy(self), 1.0

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        for name, value in vars(self).items():  # dictionaries are open to users
            vars(other)[name] = dict(value) if type(value) is dict else value
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self.__copy__()
