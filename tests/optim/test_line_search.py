import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanml.optim.line_search import CURVATURE, SUFFICIENT_DECREASE, Trial, strong_wolfe

NOISE = math.sqrt(np.finfo(np.float64).eps)


def search(phi, first):
    """Search along t -> (value, slope), which must go downhill at 0."""

    def trial(t):
        return Trial(t, *phi(t), np.empty(0), np.empty(0))

    start = trial(0.0)
    return start, strong_wolfe(trial, start, first, NOISE)


def assert_strong_wolfe(start, trial):
    enough = trial.value <= start.value + SUFFICIENT_DECREASE * trial.t * start.slope
    assert enough or math.isclose(trial.value, start.value, rel_tol=NOISE)
    assert abs(trial.slope) <= CURVATURE * abs(start.slope)


coefficient = st.floats(-10, 10)


@given(
    quartic=st.floats(0.01, 10),
    cubic=coefficient,
    square=coefficient,
    slope=st.floats(0.01, 10),
    wave=st.floats(0, 3),
    frequency=st.floats(0.1, 10),
    offset=st.floats(-1e3, 1e3),
    first=st.floats(-4, 2).map(lambda exponent: 10.0**exponent),
)
def test_line_search_returns_strong_wolfe_points(
    quartic, cubic, square, slope, wave, frequency, offset, first
):
    def phi(t):
        value = quartic * t**4 + cubic * t**3 + square * t**2 - slope * t
        derivative = 4 * quartic * t**3 + 3 * cubic * t**2 + 2 * square * t - slope
        oscillation = wave * math.cos(frequency * t)
        return (
            value + oscillation + offset,
            derivative - wave * frequency * math.sin(frequency * t),
        )

    start, found = search(phi, first)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(
    minimiser=st.floats(-6, 6).map(lambda exponent: 10.0**exponent),
    curvature=st.floats(-6, 6).map(lambda exponent: 10.0**exponent),
)
def test_line_search_on_parabolas_of_any_scale(minimiser, curvature):
    def phi(t):
        return 0.5 * curvature * (t - minimiser) ** 2, curvature * (t - minimiser)

    start, found = search(phi, 1.0)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(wall=st.floats(1e-6, 10), minimiser=st.floats(0.1, 0.9), bad=st.sampled_from([1, -1, 0]))
def test_line_search_stops_before_a_wall(wall, minimiser, bad):
    beyond = {1: math.inf, -1: -math.inf, 0: math.nan}[bad]

    def phi(t):
        if t >= wall:
            return beyond, beyond
        return (t - minimiser * wall) ** 2, 2 * (t - minimiser * wall)

    start, found = search(phi, 1.0)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(first=st.floats(1e-6, 1e2))
def test_line_search_gives_up_within_its_budget(first):
    calls = 0

    def phi(t):
        nonlocal calls
        calls += 1
        return t, -1.0

    start, found = search(phi, first)
    assert not found.accepted
    assert found.trial is start
    assert found.evaluations == calls - 1 <= 25
