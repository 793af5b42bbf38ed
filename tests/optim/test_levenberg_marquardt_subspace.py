"""Levenberg-Marquardt in a subspace."""

import math

import numpy as np
from least_squares_runs import SUBSPACE, TRIANGLE, bent, linear, random_rows
from objectives import run

from helpers import same_bits
from kanml.optim import LevenbergMarquardt


def test_the_last_step_is_kept_for_the_next_subspace():
    function = bent(40, 12, seed=8)
    few = LevenbergMarquardt(largest_triangle=0, columns=4)
    state = few.step(function, few.init(np.full(12, 0.1)))
    assert state.columns == 4
    np.testing.assert_allclose(state.last, state.parameters - 0.1, rtol=0, atol=1e-15)
    after, without = (few.step(function, s) for s in (state, state.changed(last=None)))
    assert after.columns == without.columns == 4
    assert not same_bits(after.parameters, without.parameters)
    assert run(TRIANGLE, function, TRIANGLE.init(np.full(12, 0.1)), 2).last is None


def test_a_subspace_ends_where_there_is_nothing_more():
    residuals, matrix = random_rows(30, 3)
    wide = np.column_stack([matrix] * 20)
    state = SUBSPACE.step(linear(residuals, wide), SUBSPACE.init(np.ones(60)))
    assert state.columns == state.rank == 3
    least = np.sum((residuals + wide @ np.linalg.lstsq(wide, -residuals)[0]) ** 2)
    assert math.isclose(state.value, least, rel_tol=1e-12)
