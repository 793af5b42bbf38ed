"""What hypothesis draws: breakpoints of every scale and shape, refinements, points to look at."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

degrees = st.integers(1, 5)


@st.composite
def breakpoints(draw, min_intervals=1, max_intervals=24):
    """Uniform, or with spacings that differ by up to a factor 1e3; any offset, scales 1e-3..1e3."""
    n = draw(st.integers(min_intervals, max_intervals))
    exponent = st.floats(0.0, 3.0)
    spacing = np.ones(n)
    if draw(st.booleans()):
        spacing = 10.0 ** np.array(draw(st.lists(exponent, min_size=n, max_size=n)))
    inner = np.concatenate([[0.0], np.cumsum(spacing)]) / spacing.sum()
    scale = 10.0 ** draw(st.floats(-3.0, 3.0))
    offset = draw(st.floats(-10.0, 10.0))
    return scale * (offset + inner)


@st.composite
def refinements(draw, max_intervals=10, max_new=12):
    """Nested breakpoints (coarse, fine); the new ones anywhere, also close to the end."""
    coarse = draw(breakpoints(max_intervals=max_intervals))
    places = st.tuples(st.integers(0, coarse.size - 2), st.floats(0.02, 0.98))
    new = [
        coarse[i] + share * (coarse[i + 1] - coarse[i])
        for i, share in draw(st.lists(places, max_size=max_new))
    ]
    fine = list(coarse)
    for t in new:
        # Keep spacings within the 1e3 or so that the bounds of the tests are stated for.
        if min(abs(t - f) for f in fine) > 1e-3 * np.diff(coarse).min():
            fine.append(t)
    return coarse, np.sort(fine)


def all_points(t, between=4):
    """Points of [a, b]: each breakpoint, the doubles next to it, and some inside each interval."""
    t = np.asarray(t)
    shares = (np.arange(between) + 0.5) / between
    inner = (t[:-1, None] + np.diff(t)[:, None] * shares).ravel()
    x = np.concatenate([t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), inner])
    return np.sort(x[(x >= t[0]) & (x <= t[-1])])


def around_ends(t, dtype=np.float64):
    """Points on both sides of each end of [a, b]: at it, next to it, near and far."""
    a, b = dtype(t[0]), dtype(t[-1])
    length = b - a
    ends = [f(e) for e in (a, b) for f in (lambda v: v, lambda v: np.nextafter(v, dtype(-np.inf)))]
    ends += [np.nextafter(e, dtype(np.inf)) for e in (a, b)]
    away = [a - s * length for s in (0.01, 0.3, 2.0)] + [b + s * length for s in (0.01, 0.3, 2.0)]
    return np.array([*ends, *away, *np.linspace(a, b, 9)], dtype=dtype)
