"""States of Levenberg-Marquardt: reports, files, levels, threads."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from least_squares_runs import SUBSPACE, TRIANGLE, WAYS, bent
from objectives import rosenbrock, run

import kanml
from kanml.multilevel.geometry import transfer_maps
from kanml.optim import LeastSquares, LevenbergMarquardt, LevenbergMarquardtState


def test_the_last_step_is_reported():
    state = run(TRIANGLE, rosenbrock, TRIANGLE.init([-1.2, 1.0]), 2)
    assert state.report == {
        "radius": state.radius,
        "damping": state.damping,
        "rank": 2,
        "inner iterations": 0,
    }
    state = run(SUBSPACE, rosenbrock, SUBSPACE.init([-1.2, 1.0]), 2)
    assert state.report["inner iterations"] == 2


@WAYS
def test_same_bits_with_any_number_of_threads(optimizer):
    function, found = bent(300, 120, seed=6), []
    before = kanml.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            kanml.set_num_threads(threads)
            found.append(run(optimizer, function, optimizer.init(np.full(120, 0.1)), 6))
    finally:
        kanml.set_num_threads(before)
    for field in fields(found[0]):
        first, *others = (np.array(getattr(state, field.name)) for state in found)
        assert all(repr(first.tolist()) == repr(other.tolist()) for other in others), field.name


def read_back(state):
    """The state after a file: its plain fields through JSON, its vectors as arrays."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    arrays = {name: v.copy() for name, v in values.items() if isinstance(v, np.ndarray)}
    plain = {name: value for name, value in values.items() if name not in arrays}
    return LevenbergMarquardtState(**json.loads(json.dumps(plain)), **arrays)


@WAYS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_that_was_read_back_goes_the_same_way(optimizer, dtype):
    function = bent(40, 12, seed=7)
    straight = optimizer.init(np.full(12, 0.1, dtype))
    resumed = straight
    for _ in range(12):
        straight = optimizer.step(function, straight)
        resumed = optimizer.step(function, read_back(resumed))
        optimizer.require_sound(optimizer.evaluate(function, resumed))
        for field in fields(straight):
            left, right = (getattr(state, field.name) for state in (straight, resumed))
            assert repr(left) == repr(right), field.name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": -1.0}, "radius must not be negative, got -1.0"),
        ({"radius": math.inf}, "radius must be a finite number, got inf"),
        ({"radius": 1}, "radius must be a finite number, got 1"),
        ({"damping": -1.0}, "damping must not be negative, got -1.0"),
        ({"recent": math.nan}, "recent must be a finite number, got nan"),
        ({"earlier": None}, "earlier must be a finite number, got None"),
        ({"rank": -1}, r"rank must be an integer in \[0, 2\*\*53\), got -1"),
        ({"columns": 2.0}, "columns must be an integer .* got 2.0"),
        ({"last": np.ones(3)}, r"last must be finite numbers in float64, of shape \(2,\)"),
        ({"trusted": 0.1}, "trusted must be 0.075 or 0.5, got 0.1"),
    ],
)
def test_states_that_no_run_could_reach(changes, message):
    state = TRIANGLE.evaluate(rosenbrock, TRIANGLE.init([-1.2, 1.0]))
    TRIANGLE.require_sound(state)
    with pytest.raises(ValueError, match=message):
        TRIANGLE.require_sound(state.changed(**changes))


def test_a_level_after_one_that_has_converged_begins_with_long_steps():
    """A coarse level ends with tiny steps; a linear problem needs one step on the finer one."""
    x = np.linspace(-1, 1, 200)[:, None]
    problem = kanml.Regression(x, np.sin(6 * x))
    net, optimizer = kanml.KAN([1, 1], intervals=2), LevenbergMarquardt()
    fine = net.refine()
    design = problem.jacobian(fine)
    target = problem.residuals(fine.with_parameters(np.zeros(fine.n_parameters)))
    least = np.sum((design @ np.linalg.lstsq(design, -target, rcond=None)[0] + target) ** 2)
    state = optimizer.init(net.parameters).changed(radius=1e-15)
    moved = optimizer.transfer(state, transfer_maps(net, fine, None), "prolong")
    function = LeastSquares(
        lambda theta: problem.residuals(fine.with_parameters(theta)), lambda theta: design
    )
    first = optimizer.step(function, moved)  # the longest of those around the norm
    assert first.radius == pytest.approx(3 * np.linalg.norm(moved.parameters), rel=1e-9)
    result = kanml.train(net, problem, [30, 4], optimizer, progress=False)
    assert result.history.loss[-1] == pytest.approx(least, rel=1e-9)
