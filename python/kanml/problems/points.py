"""Collocation points that are drawn again during training."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, choice, finite, integer, number, real_array
from kanml.problems.batches import generator_of

__all__ = ["Sampler"]

FRESH = 2**32  # the number of a draw that no training reaches
METHODS = ("uniform", "sobol", "latin-hypercube", "residual")


class Sampler:
    """Collocation points in a box, drawn again at regular intervals.

    Parameters
    ----------
    lower, upper : array_like, shape (d,)
        The ends of the box.
    n : int
        The number of points.
    method : {"uniform", "sobol", "latin-hypercube", "residual"}
        Independent uniform points; a scrambled Sobol sequence or a Latin hypercube (both need
        SciPy); or points where the residual is large, drawn from `candidates` uniform ones with a
        probability proportional to ``|r|^k / mean(|r|^k) + c`` (residual-based adaptive
        distribution: C. Wu, M. Zhu, Q. Tan, Y. Kartha and L. Lu, A comprehensive study of
        non-adaptive and residual-based adaptive sampling for physics-informed neural networks,
        Comput. Methods Appl. Mech. Engrg. 403, 2023, section 2.2). The first draw is uniform.
    every : int
        The number of steps from one draw to the next.
    seed : int
        The seed of all draws.
    candidates : int, optional
        The number of candidates for "residual"; ten times n by default.
    k, c : float
        Exponent and offset of the probability for "residual", not negative.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    ModuleNotFoundError
        If the method needs SciPy and it is not installed.

    Examples
    --------
    >>> import kanml
    >>> kanml.Sampler([0, -1], [1, 1], n=100, method="uniform", every=50).points.shape
    (100, 2)
    """

    def __init__(
        self,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
        n: int,
        method: str = "uniform",
        *,
        every: int = 100,
        seed: int = 0,
        candidates: int | None = None,
        k: float = 1.0,
        c: float = 1.0,
    ) -> None:
        self.lower, self.upper = (
            finite(real_array(value, name), name).copy()
            for value, name in ((lower, "lower"), (upper, "upper"))
        )
        shape = self.lower.shape
        if len(shape) != 1 or self.upper.shape != shape or not (self.lower < self.upper).all():
            raise ValueError(
                "lower and upper must have the same shape (d,), with lower < upper: got "
                f"{self.lower} and {self.upper}"
            )
        self.n = integer(n, "n", 1)
        self.method = choice(method, "method", METHODS)
        self.every = integer(every, "every", 1)
        pool = 10 * self.n if candidates is None else candidates
        self.candidates = integer(pool, "candidates", self.n)
        self.k = number(k, "k", "a number >= 0", lambda k: k >= 0)
        self.c = number(c, "c", "a number >= 0", lambda c: c >= 0)
        self.seed = integer(seed, "seed", 0)
        self.points = self._draw(0)

    @property
    def adaptive(self) -> bool:
        """Whether a draw needs the residual."""
        return self.method == "residual"

    def draw(self, count: int, magnitude: Any = None, stream: int = 0) -> Float64Array:
        """Return the points of a draw.

        Parameters
        ----------
        count : int
            The number of draws before it.
        magnitude : callable
            Points (m, d) -> the residual's magnitude (m,); required by "residual".
        stream : int
            The process that draws.
        """
        if not self.adaptive or count == 0:
            return self._draw(count, stream)
        rng = generator_of([self.seed, count], stream)
        pool = rng.uniform(self.lower, self.upper, (self.candidates, self.lower.size))
        size = np.abs(np.asarray(magnitude(pool), dtype=np.float64))
        largest = size.max()
        if not (np.isfinite(largest) and largest > 0):  # no candidate can be preferred
            return pool[: self.n]
        weight = (size / largest) ** self.k  # cannot overflow
        # If fewer than n candidates have a residual, arbitrary others are added.
        probability = np.maximum(weight / weight.mean() + self.c, 1e-100)
        chosen = rng.choice(len(pool), self.n, replace=False, p=probability / probability.sum())
        return pool[np.sort(chosen)]

    def fresh(self, stream: int = 0) -> Float64Array:
        """Return n points of the same distribution that training never draws."""
        return self._draw(FRESH, stream)

    def require_inside(self, points: Float64Array) -> None:
        """Raise ValueError if one of the points (n, d) is not in the box."""
        outside = ((points < self.lower) | (points > self.upper)).any(axis=1)
        if outside.any():
            raise ValueError(
                f"points must be in the box from {self.lower.tolist()} to "
                f"{self.upper.tolist()}, got {points[outside.argmax()].tolist()}"
            )

    def _draw(self, count: int, stream: int = 0) -> Float64Array:
        rng = generator_of([self.seed, count], stream)
        d = self.lower.size
        if self.method in ("uniform", "residual"):
            unit = rng.uniform(size=(self.n, d))
        else:
            unit = _quasi_random(self.method, d, self.n, rng)
        points: Float64Array = self.lower + (self.upper - self.lower) * unit
        return points

    def fingerprint(self) -> str:
        """Return a digest of everything that determines the points."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def __repr__(self) -> str:
        return (
            f"Sampler({self.lower.tolist()}, {self.upper.tolist()}, {self.n}, {self.method!r}, "
            f"every={self.every}, seed={self.seed}, candidates={self.candidates}, k={self.k}, "
            f"c={self.c})"
        )


def _quasi_random(method: str, d: int, n: int, rng: np.random.Generator) -> Float64Array:
    try:
        from scipy.stats import qmc
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"method {method!r} needs SciPy: python -m pip install 'kanml[scipy]'", name=error.name
        ) from None
    if method == "latin-hypercube":
        return np.asarray(qmc.LatinHypercube(d, seed=rng).random(n), dtype=np.float64)
    sequence = qmc.Sobol(d, seed=rng)
    # Sobol sequences come in powers of two; a part of one is still spread evenly.
    return np.asarray(sequence.random_base2(max(n - 1, 1).bit_length())[:n], dtype=np.float64)
