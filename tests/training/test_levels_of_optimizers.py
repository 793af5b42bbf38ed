"""One optimizer a level: what it starts with, what the history shows, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from checkpoint_runs import Lengths
from training_runs import OPTIMIZERS, X, Y, problem, same_run, start, train

import kanml
from helpers import naming, same_bits
from kanml.multilevel.geometry import transfer_maps


def test_equal_optimizers_are_one():
    """They hand over their memory: a sequence of equal ones is the same run."""
    for optimizer in OPTIMIZERS.values():
        equal = [copy.copy(optimizer) for _ in range(3)]
        assert same_run(train(optimizer=equal), train(optimizer=optimizer))


NAMES = {
    "lbfgs": kanml.LBFGS(),
    "ssbroyden": kanml.SSBroyden(),
    "levenberg-marquardt": kanml.LevenbergMarquardt(),
    "variable-projection": kanml.VariableProjection(),
}


@pytest.mark.parametrize("name", NAMES)
def test_optimizers_by_name(name):
    named = train(optimizer=name)
    assert same_run(named, train(optimizer=NAMES[name]))
    others = [train(optimizer=NAMES[other]) for other in NAMES if other != name]
    assert not any(same_run(named, other) for other in others)


def test_names_and_optimizers_in_a_sequence():
    mixed = train(optimizer=[kanml.LBFGS(), "ssbroyden", "lbfgs"])
    assert same_run(mixed, train(optimizer=[kanml.LBFGS(), kanml.SSBroyden(), kanml.LBFGS()]))


def test_short_and_long_forms_continue_each_other(tmp_path):
    """A checkpoint does not tell whether a name or an optimizer, a number or a list was given."""
    short = {"schedule": 9, "optimizer": "lbfgs"}
    long = {"schedule": [9], "optimizer": kanml.LBFGS()}
    whole = train(**long)
    for i, (first, second) in enumerate([(short, long), (long, short)]):
        path = tmp_path / str(i)
        stop = [kanml.Checkpoint(path), lambda state: state.step == 4]
        assert train(**first, callbacks=stop).status == "stopped"
        assert same_run(train(**second, resume=path), whole)


@pytest.mark.parametrize("how", ["prolong", "reset"])
def test_another_optimizer_starts_fresh(how):
    """Each level is the run that begins where the level before ended; the counters continue."""
    optimizers = [kanml.LBFGS(), kanml.Adam(0.01), kanml.LBFGS()]
    whole = train(optimizer=optimizers, transfer_state=how)
    assert whole.history.step[-1] == 12
    for level, steps in ((1, 4), (2, 3)):
        begin = whole.levels[level - 1].refine()
        alone = train(begin, schedule=[steps], optimizer=optimizers[level])
        assert same_bits(whole.levels[level].parameters, alone.network.parameters)
        of_level = whole.history.level == level
        assert same_bits(whole.history.loss[of_level], alone.history.loss)
        counted = np.diff(whole.history.evaluations[of_level])
        assert same_bits(counted, np.diff(alone.history.evaluations))
    assert (np.diff(whole.history.evaluations) >= 1).all()


def test_each_level_has_the_geometry_of_its_optimizer():
    optimizers = [kanml.LBFGS(geometry="relu"), kanml.LBFGS()]
    whole = train(schedule=[5, 4], optimizer=optimizers)
    coarse = train(schedule=[5], optimizer=optimizers[0])
    fine = train(coarse.network.refine(), schedule=[4], optimizer=optimizers[1])
    assert same_bits(whole.network.parameters, fine.network.parameters)


def test_with_validation_the_next_begins_at_the_best():
    held_out = kanml.Regression(X[::3], Y[::3])
    optimizers = [kanml.Adam(0.3), kanml.LBFGS(), kanml.LBFGS()]
    whole = train(optimizer=optimizers, validation=held_out)
    assert (np.diff(whole.history.validation[whole.history.level == 0]) > 0).any()
    alone = train(whole.levels[0].refine(), schedule=[4], optimizer=kanml.LBFGS())
    np.testing.assert_array_equal(whole.history.loss[whole.history.level == 1], alone.history.loss)


def test_a_report_is_in_the_rows_of_its_optimizer():
    result = train(optimizer=[kanml.LBFGS(), Lengths(0.01), kanml.Adam(0.01)])
    level, step = result.history.level, result.history.step
    column = result.history.report["longest"]
    assert (np.isfinite(column) == ((level == 1) & (step > 5))).all()
    fine = result.levels[0].refine()
    _, gradient = problem().value_and_gradient(fine)
    assert column[np.isfinite(column)][0] == pytest.approx(0.01 * np.linalg.norm(gradient))
    assert train().history.report == {}


def test_a_reset_accepts_the_state_of_another():
    net, theta = start(), start().parameters
    state = kanml.LBFGS().init(theta).changed(step=7, level_step=4, evaluations=9)
    maps = transfer_maps(net, net.refine(), None)
    moved = kanml.Adam(0.1).transfer(state, maps, "reset")
    assert type(moved) is type(kanml.Adam(0.1).init(theta))
    assert (moved.step, moved.level_step, moved.evaluations, moved.updates) == (7, 0, 9, 0)
    np.testing.assert_allclose(moved.parameters, net.refine().parameters, rtol=1e-12)


class Greedy(Lengths):
    def numbers(self, n, steps):
        return n * 10**12


BAD = {
    "too few": ([kanml.LBFGS()] * 2, "optimizer", "each of the 3 levels", "got 2"),
    "none": ([], "optimizer", "each of the 3 levels", "got 0"),
    "an entry": ([kanml.LBFGS(), "adam", kanml.LBFGS()], "optimizer[1]", "'adam'"),
    "a class": ([kanml.LBFGS] * 3, "optimizer[0]", "LBFGS"),
    "a set": ({kanml.LBFGS()}, "a sequence of them", "LBFGS"),
    "memory": ([kanml.LBFGS(), Greedy(0.1), kanml.LBFGS()], "level 1 of the schedule", "GB"),
    "memory of the last": (
        [kanml.LBFGS(), kanml.LBFGS(), Greedy(0.1)],
        "level 2 of the schedule is impossible",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_optimizers(case):
    optimizer, *parts = BAD[case]
    with pytest.raises((TypeError, ValueError), match=naming(*parts)):
        train(optimizer=optimizer)


def test_memory_is_refused_on_a_single_level_too():
    with pytest.raises(ValueError, match=naming("level 0 of the schedule is impossible", "GB")):
        train(schedule=[3], optimizer=Greedy(0.1))


def test_a_checkpoint_of_other_optimizers(tmp_path):
    path = tmp_path / "run"
    optimizers = [kanml.LBFGS(), kanml.LBFGS(), kanml.Adam(0.01)]
    whole = train(optimizer=optimizers, callbacks=[kanml.Checkpoint(path)])
    with pytest.raises(ValueError, match="another run"):
        train(optimizer=kanml.LBFGS(), resume=path)
    assert same_run(train(optimizer=tuple(optimizers), resume=path), whole)
