"""Settings for evolutions that are solved slab after slab in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.equations import KortewegDeVries, KuramotoSivashinsky, ReferenceProblem
from kanml.experiments.settings import Setting, circle, kan, lattice
from kanml.problems import PINN, Term

__all__ = ["EVOLUTIONS", "Evolution"]

SAMPLES = 1024  # of a solution over its period
MODES = 128  # that are kept
CHUNK = 4096  # points evaluated together


class Fourier:
    """The trigonometric polynomial through equispaced values of a function on [-1, 1).

    Parameters
    ----------
    values : ndarray, shape (n,)
        At ``-1 + 2 * np.arange(n) / n``.
    modes : int
        Only terms with fewer waves are kept: what training left beyond them is noise, and
        derivatives would magnify it.
    """

    def __init__(self, values: FloatArray, modes: int = MODES) -> None:
        modes = min(modes, (len(values) + 1) // 2)  # at n / 2 waves a sine is zero
        coefficients = np.fft.rfft(values)[:modes] / len(values)
        coefficients[1:] *= 2
        self.coefficients = coefficients

    def __call__(self, x: Float64Array, order: int = 0) -> Float64Array:
        """Return a derivative at positions (N,), by default the values."""
        waves = 1j * math.pi * np.arange(len(self.coefficients))
        factors = waves**order * self.coefficients
        parts = [
            (np.exp(np.outer(x[i : i + CHUNK] + 1, waves)) @ factors).real
            for i in range(0, len(x), CHUNK)
        ]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Handover:
    """How the solution of a slab begins: exactly with the end of the slab before.

    The solution is ``u = fade(t) u0(x) + (1 - fade(t)) N(t, x)`` with ``fade(t) = exp(-(t - start)
    / duration)``. So N need not carry the waves of `u0` to all later times, which it would in ``u0
    + (t - start) N``: they move on.

    Attributes
    ----------
    u0 : Fourier
    start, duration : float
    """

    u0: Fourier
    start: float
    duration: float

    def transform(self, u: Any, t: Any, x: Any) -> Any:
        """Return the part of the network."""
        return (1 - np.exp((self.start - t) / self.duration)) * u

    def known(self, points: Float64Array) -> Float64Array:
        """Return the other part at points (N, 2)."""
        return self._fade(points) * self.u0(points[:, 1])

    def fields(self, points: Float64Array) -> SimpleNamespace:
        """Return the other part, ``u``, and its derivatives, ``t``, ``x``, ... ``xxxx``."""
        fade = self._fade(points)
        orders = {"x" * order or "u": fade * self.u0(points[:, 1], order) for order in range(5)}
        return SimpleNamespace(**orders, t=-orders["u"] / self.duration)

    def _fade(self, points: Float64Array) -> Float64Array:
        return np.exp((self.start - points[:, 0]) / self.duration)


@dataclass(frozen=True)
class Evolution:
    """How an evolution, periodic in x from -1 to 1, is solved slab after slab.

    Each slab has a network [3,8,8,1] of its own, which is trained coarse to fine from the start.

    Attributes
    ----------
    equation : ReferenceProblem
    residual : callable
        Takes the fields of the part that the network has in the solution, and a namespace of those
        of the other part, and returns the residual of the equation for their sum.
    initial : callable
        The solution at time zero at positions (N,).
    times : tuple of float
        The ends of the slabs, from zero.
    handover : float
        The time in which the solution at the start of a slab fades. About that in which a wave
        moves as far as it is wide is best.
    points : int
        Of each slab.
    schedule : tuple of int
        The steps of each level.
    elsewhere : tuple of str
        Errors that others print, with their method, the size of the network and the time.
    """

    equation: ReferenceProblem
    residual: Callable[[Any, SimpleNamespace], Any]
    initial: Callable[[Float64Array], Float64Array]
    times: tuple[float, ...]
    handover: float
    points: int
    schedule: tuple[int, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """The networks and their points."""
        return (
            f"{len(self.times) - 1} slabs up to t = {self.times[-1]:g}, each with [3,8,8,1] of "
            f"(t, cos(pi x), sin(pi x))\nand {self.points} points; initial values exactly"
        )

    def slab(self, number: int, before: Callable[[Float64Array], FloatArray] | None) -> Setting:
        """Return the setting of a slab, given the solution in the slab before at points (N, 2)."""
        start, end = self.times[number : number + 2]
        x = -1.0 + 2.0 * np.arange(SAMPLES) / SAMPLES
        at_start = np.stack([np.full(SAMPLES, start), x], axis=1)
        u0 = Fourier(self.initial(x) if before is None else before(at_start)[:, 0])
        handover = Handover(u0, start, self.handover)

        def problem() -> PINN:
            points = lattice([(start, end), self.equation.domain[1]], self.points)
            known = handover.fields(points)
            term = Term("volume", points, lambda u: self.residual(u, known))
            return PINN(self.equation.inputs, [term], transform=handover.transform)

        return Setting(
            self.equation,
            self.about,
            kan([2, 8, 8, 1], *circle(start, end)),
            problem,
            self.schedule,
            known=handover.known,
            times=(start, end),
        )


def _steep_waves() -> Evolution:
    equation = KortewegDeVries(mu=0.022**2, modes=384, steps=16_000)
    return Evolution(
        equation,
        lambda u, w: u.t + w.t + (u + w.u) * (u.x + w.x) + equation.mu * (u.xxx + w.xxx),
        lambda x: np.cos(np.pi * x),
        times=(0.0, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0),
        handover=0.05,
        points=4000,
        schedule=(500, 1500, 3000),
        elsewhere=("3.4e-4: SOAP with PirateNet (arXiv:2502.00604)",),
    )


def _chaos() -> Evolution:
    equation = KuramotoSivashinsky.chaotic()

    def residual(u: Any, w: SimpleNamespace) -> Any:
        linear = equation.beta * (u.xx + w.xx) + equation.gamma * (u.xxxx + w.xxxx)
        return u.t + w.t + equation.alpha * (u + w.u) * (u.x + w.x) + linear

    return Evolution(
        equation,
        residual,
        lambda x: np.cos(np.pi * x) * (1 + np.sin(np.pi * x)),
        times=(0.0, *(i / 40 for i in range(2, 21))),
        handover=0.005,
        points=5000,
        schedule=(500, 1500, 2500),
        elsewhere=(
            "5.1e-7 up to t = 1: DSGNAR (arXiv:2607.02194), eight slabs, 5227 s on an NVIDIA H100",
            "6.5e-4 up to t = 1: SSBroyden (arXiv:2501.16371), 20 windows",
        ),
    )


EVOLUTIONS = {
    "korteweg-de-vries-steep": _steep_waves(),
    "kuramoto-sivashinsky": _chaos(),
}
