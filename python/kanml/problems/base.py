"""The interface of a problem that training minimises."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy.typing as npt

from kanml._validation import FloatArray
from kanml.network import Network
from kanml.optim.matrices import Triangle
from kanml.parallel import ALONE, Communicator
from kanml.problems.evaluation import Evaluation, Want
from kanml.problems.fresh import FreshLoss
from kanml.problems.stacked_rows import StackedRows
from kanml.problems.unknowns import Unknowns, unknown_values

__all__ = ["Problem"]

Self = TypeVar("Self", bound="Problem")


class Problem(ABC):
    """A loss to minimise over the parameters of a network and unknowns of its own.

    Derive a class from it to train on your own loss. Two methods have to be written, `evaluation`
    and `fingerprint`. The others have defaults, which suit a loss that is the
    same function in every step. If it is not, override `advance`, `state` and `restore` together.

    Training works on ``copy.copy(problem)``, and advances another copy in each step. A copy shares
    the attributes of its original, so methods must replace attributes by new objects and change
    none in place. Several Python threads may then evaluate one problem. A problem that has to
    change an array or a random generator in place needs a `__copy__` that copies it.

    Attributes
    ----------
    unknowns : mapping of str to float
        Scalars that are trained with the network, with their initial values. None by default.
    communicator : Communicator
        The processes whose samples make up the loss; by default this one alone.

    Examples
    --------
    The logarithm of the hyperbolic cosine, which is less sensitive to outliers than a square:

    >>> import hashlib
    >>> import kanml
    >>> import numpy as np
    >>> class LogCosh(kanml.Problem):
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    ...
    ...     def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
    ...         error = net(self.x, num_threads=num_threads) - self.y
    ...         cotangent = np.tanh(error) / error.size
    ...         gradient, _ = net.vjp(self.x, cotangent, num_threads=num_threads)
    ...         return kanml.Evaluation(np.mean(np.log(np.cosh(error))), gradient)
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
    communicator: Communicator = ALONE
    _reduces = False  # whether evaluations and excerpts read the communicator

    @abstractmethod
    def evaluation(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        want: Want = "gradient",
        *,
        num_threads: int | None = None,
    ) -> Evaluation:
        """Return the loss, with its gradient if that is wanted, without changing anything.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (number of unknowns,), optional
            Values of the unknowns, in the order of `unknowns`; training passes an array in the
            dtype of the network, empty for a problem without unknowns.
        want : {"value", "gradient", "least_squares"}
            The loss alone, its gradient too, or also the triangle of its rows. A loss that has no
            rows raises TypeError if asked for the last.
        num_threads : int, optional
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of everything that determines the loss, except what `advance` changes.

        A checkpoint belongs to this problem if it has the same digest.
        """

    def value_and_gradient(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient, as `evaluation` does."""
        found = self.evaluation(net, unknowns, "gradient", num_threads=num_threads)
        assert found.gradient is not None
        return found.value, found.gradient

    # Least squares: the loss as a sum of squares of rows

    def n_rows(self, net: Network) -> int:
        """Return the number m of rows that `residuals` returns.

        Raises
        ------
        TypeError
            If the loss is no sum of squares; a class of your own has to override this method and
            the next four for optimizers that need rows.
        """
        return self._stacked_rows(net).count(net)

    def _of_equal_weight(self, rows: int) -> int:
        """Return how many rows of equal weight would tell as much as these; all by default."""
        return rows

    def residuals(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return the residuals r of least squares, scaled such that ``r @ r`` is the loss.

        They come term by term, sample by sample of the present batch, and component by component.
        Those of a penalty come last, those of several processes in the order of their ranks.

        Where the loss of a `Regression` is no square, the rows still have ``2 J^T r`` for its
        gradient, J being `jacobian`, and ``2 J^T J`` for a Gauss-Newton matrix; `docs/mathematics`
        has them. Then ``r @ r`` is not the loss.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        TypeError
            As in `n_rows`.
        """
        rows = self._stacked_rows(net)
        return rows.residuals(net, self._values(unknowns), num_threads)

    def jacobian(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return the derivatives J of `residuals`.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.

        Returns
        -------
        ndarray, shape (m, n)
            With respect to the parameters, followed by those with respect to the unknowns.

        Raises
        ------
        ValueError
            If it needs more memory than the process can have.
        TypeError
            As in `n_rows`.
        """
        rows = self._stacked_rows(net)
        return rows.jacobian(net, self._values(unknowns), num_threads)

    def jvp(
        self,
        net: Network,
        direction: npt.ArrayLike,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the derivative ``J v`` of `residuals` along a direction, without forming J.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.
        direction : array_like, shape (n,)
            Of the parameters, followed by the unknowns.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        TypeError
            As in `n_rows`.
        """
        rows = self._stacked_rows(net)
        return rows.jvp(net, self._values(unknowns), direction, num_threads)

    def vjp(
        self,
        net: Network,
        cotangent: npt.ArrayLike,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the gradient ``J^T u`` of ``u @ residuals``, without forming J.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.
        cotangent : array_like, shape (m,)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        TypeError
            As in `n_rows`.
        """
        rows = self._stacked_rows(net)
        return rows.vjp(net, self._values(unknowns), cotangent, num_threads)

    def linear_parameters(self, net: Network) -> slice:
        """Return the parameters in which `residuals` are affine while all others are fixed.

        These are the parameters of the last layer, if the residuals are affine in the outputs of
        the network: in a regression with squared errors, or a linear equation.

        Raises
        ------
        TypeError
            If the residuals are not, or as in `n_rows`.
        ValueError
            If an activation follows the last layer.
        """
        if not self._stacked_rows(net).is_affine:
            raise TypeError(
                "its residuals are not affine in the outputs of the network, or its penalty is no "
                "square of linear functions of the parameters, as kanml.Smoothness is"
            )
        return net._architecture.linear_parameters

    def linear_triangle(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> Triangle:
        """Return the triangle of `residuals` with their derivatives in the linear parameters.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.

        Raises
        ------
        TypeError, ValueError
            As in `linear_parameters`.
        """
        rows = self._stacked_rows(net)
        linear = self.linear_parameters(net)
        return rows.triangle_of(linear, net, self._values(unknowns), num_threads)

    def triangles(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> tuple[Triangle, ...]:
        """Return the triangles of parts of the rows whose errors may differ in size.

        The error bars of a `Result` tell apart what these are. By default all rows are one part.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.

        Returns
        -------
        tuple of Triangle
            Merged, they are that of `evaluation`.

        Raises
        ------
        TypeError
            As in `n_rows`.
        """
        found = self.evaluation(net, unknowns, "least_squares", num_threads=num_threads)
        if found.triangle is None:
            raise TypeError(f"evaluation of {type(self).__name__} returned no triangle of its rows")
        return (found.triangle,)

    def _stacked_rows(self, net: Network) -> StackedRows:
        """Return the rows, ready to be evaluated for networks like this one."""
        raise TypeError(
            f"a {type(self).__name__} has no rows for least squares; its class has to override "
            "n_rows, residuals, jacobian, jvp and vjp, and return an evaluation with a triangle"
        )

    def _values(self, unknowns: Unknowns | None) -> list[float]:
        """Return the values of the unknowns in their order."""
        values: list[float] = unknown_values(unknowns, tuple(self.unknowns)).tolist()
        return values

    # What changes from step to step, and what training has not seen

    def fresh_loss(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FreshLoss | None:
        """Estimate the loss at samples that training has not seen; None, the default: unknown.

        ``kanml.train(schedule="auto")`` reads it at the end of each level.

        Parameters
        ----------
        net, unknowns, num_threads
            As in `evaluation`.
        """
        return None

    @property
    def _fixed(self) -> bool:
        """Whether `advance` changes nothing."""
        return type(self).advance is Problem.advance

    def advance(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        evaluation: Evaluation | None = None,
    ) -> bool:
        """Update the problem after an accepted step; return whether the loss has changed.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (number of unknowns,), optional
        evaluation : Evaluation, optional
            What `evaluation` returned for these arguments, if it is known.
        """
        return False

    def state(self) -> dict[str, Any]:
        """Return what `advance` changes, as plain values for JSON; by default nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises
        ------
        ValueError
            If it cannot be a state of this problem, which is then unchanged.
        """
        if state != {}:
            raise ValueError(f"a {type(self).__name__} has no state to restore, got {state!r}")

    def distributed(self: Self, communicator: Communicator) -> Self:
        """Return a copy of the problem whose loss is that of the samples of all processes.

        Raises
        ------
        TypeError
            If the class does not support it.
        """
        if not self._reduces:
            raise TypeError(f"a {type(self).__name__} cannot be distributed over processes")
        other = copy.copy(self)
        other.communicator = communicator
        return other

    def excerpt(self, samples: int) -> tuple[Problem, float]:
        """Return a smaller problem of the same kind, on which `kanml.train` compares starts.

        Parameters
        ----------
        samples : int
            The largest number of samples of each kind that is needed.

        Returns
        -------
        problem : Problem
            Its loss never changes. By default a copy of the whole problem.
        cost : float
            The cost of an evaluation relative to one of the whole problem.
        """
        return copy.copy(self), 1.0

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        names = dict.fromkeys(getattr(self, "__dict__", ()))
        for part in type(self).__mro__:  # a class may keep attributes in slots
            names |= dict.fromkeys(getattr(part, "__slots__", ()))
        for name in names:
            if hasattr(self, name) and name not in ("__dict__", "__weakref__"):
                value = getattr(self, name)  # users can change a dictionary in place
                object.__setattr__(other, name, dict(value) if type(value) is dict else value)
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self.__copy__()
