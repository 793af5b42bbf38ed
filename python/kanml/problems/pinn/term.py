"""A term of a loss as users write it: a residual at points."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt

from kanml._validation import choice, number
from kanml.expressions import record_alone
from kanml.problems.points import Sampler

__all__ = ["RBA", "Residual", "Term", "different_terms"]

Residual: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class RBA:
    """Residual-based attention: a weight for each point, which grows where residuals stay large.

    After each accepted step ``weight = (1 - mu) * weight + mu * |e| / max|e|``, with e the
    residual; the loss uses ``weight * e`` instead of e. All weights are 1 at first, and again after
    new points were drawn.

    Parameters
    ----------
    mu : float
        The rate of change, between 0 and 1.

    Notes
    -----
    S. J. Anagnostopoulos, J. D. Toscano, N. Stergiopulos and G. E. Karniadakis, Residual-based
    attention in physics-informed neural networks, Comput. Methods Appl. Mech. Engrg. 421, 2024.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> points = np.linspace(0, 1, 9)[:, None]
    >>> term = kanml.Term("ode", points, lambda u: u.x + u, attention=kanml.RBA(mu=0.1))
    """

    mu: float = 1e-4

    def __post_init__(self) -> None:
        number(self.mu, "mu", "a number between 0 and 1", lambda mu: 0 <= mu <= 1)


@dataclass(frozen=True, eq=False, repr=False)
class Term:
    """One term of a loss: a residual at points.

    Parameters
    ----------
    name : str
        The name in messages and in the history.
    points : array_like, shape (N, d), or Sampler
        Where the residual is evaluated; each point holds the inputs of the network.
    residual : callable
        Ordinary NumPy arithmetic on the fields it names as arguments: outputs, inputs and unknowns
        of the `PINN`. ``u`` is a value; ``u.t``, ``u.xx``, ``u.tx`` are its derivatives. It is
        called once, to be traced, and may return a tuple of several residuals.
    weight : float
        The factor of the term in the loss, positive.
    reduction : {"mean", "sum"}
        How the squares at the points are combined.
    attention : RBA, optional
        The rule for weights of single points; none by default.
    directions : mapping of str to array_like, shape (d,) or (N, d), optional
        Additional letters, each for differentiation along a vector of the inputs. With an input
        ``z = |x|``, ``{"p": (1, 0, 1), "m": (1, 0, -1)}`` differentiate along x from either side.
    partner : array_like, shape (N, d), optional
        A second point for each point. The output u there, with its derivatives, is the field
        ``u_partner``: ``lambda u, u_partner: (u - u_partner, u.x - u_partner.x)`` makes a solution
        periodic. The input x there is the field ``x_partner``. Partners need given points, not a
        `Sampler`.
    batch_size : int, optional
        The number of points in a minibatch; all by default. Each epoch visits them in a new random
        order.
    seed : int
        The seed of the order of the minibatches.

    Notes
    -----
    A pickled term holds the recorded operations of its residual instead of the function, so even
    lambdas can be pickled.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> points = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> kanml.Term("pde", points, lambda u, t, x: u.t + u * u.x - 0.01 * u.xx)
    Term('pde', 100 points)
    """

    name: str
    points: npt.ArrayLike | Sampler
    residual: Residual
    weight: float = 1.0
    reduction: str = "mean"
    attention: RBA | None = None
    directions: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    partner: npt.ArrayLike | None = None
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"the name of a term must be a string, got {self.name!r}")
        where = f"term {self.name!r}: "
        if not callable(self.residual):
            raise TypeError(f"{where}residual must be callable, got {self.residual!r}")
        number(self.weight, f"{where}weight", "a number > 0", lambda weight: weight > 0)
        choice(self.reduction, f"{where}reduction", ("mean", "sum"))
        if self.attention is not None and not isinstance(self.attention, RBA):
            raise TypeError(f"{where}attention must be an RBA or None, got {self.attention!r}")
        if not isinstance(self.directions, Mapping):
            raise TypeError(
                f"{where}directions must map letters to vectors, got {self.directions!r}"
            )

    def __repr__(self) -> str:
        parts = [repr(self.name), f"{_count(self.points)} points"]
        for name in ("weight", "reduction", "attention", "batch_size"):
            value = getattr(self, name)
            if value != self.__dataclass_fields__[name].default:
                parts.append(f"{name}={value!r}")
        return f"Term({', '.join(parts)})"

    # Copies share nothing that can change; pickles cannot hold a function without a name.

    def __copy__(self) -> Term:
        return dataclasses.replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Term:
        return Term(*(copy.deepcopy(value, memo) for value in self._arguments()))

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            residual = record_alone(self.residual)
        except Exception as error:
            raise pickle.PicklingError(
                f"term {self.name!r}: the residual {self.residual!r} cannot be recorded for a "
                f"pickle ({error}); pickle a PINN that has this term"
            ) from error
        return Term, dataclasses.replace(self, residual=residual)._arguments()

    def _arguments(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))


def _count(points: npt.ArrayLike | Sampler) -> int | str:
    if isinstance(points, Sampler):
        return points.n
    return len(points) if isinstance(points, Sized) else "?"


def different_terms(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms as a tuple, after checking that there is one and that all names differ."""
    if not isinstance(terms, Iterable):
        raise TypeError(f"terms must be a sequence of Terms, got {terms!r}")
    terms = tuple(terms)
    if not terms:
        raise ValueError("terms must hold at least one Term, got none")
    for i, term in enumerate(terms):
        if not isinstance(term, Term):
            raise TypeError(f"terms[{i}] must be a Term, got {term!r}")
    labels = [term.name for term in terms]
    if len(set(labels)) < len(labels):
        raise ValueError(f"terms must have different names, got {labels}")
    return terms
