"""Validation and early stopping: which network is best, and when levels end."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, (90, 1))
Y = np.sin(4 * X) + RNG.normal(0, 0.3, X.shape)
TRAINING = kanml.Regression(X[:50], Y[:50])
HELD_OUT = kanml.Regression(X[50:], Y[50:])
SCHEDULE = [30, 30, 30, 30]


def train(schedule=SCHEDULE, problem=TRAINING, patience=4, **options):
    if patience is not None:
        options["callbacks"] = [kanml.EarlyStopping(patience), *options.get("callbacks", ())]
    net = kanml.KAN([1, 3, 1], intervals=2, data=X, seed=1)
    return kanml.train(
        net,
        problem,
        schedule,
        **{"validation": HELD_OUT, "restarts": 0, "progress": False, **options},
    )


def held_out_loss(net):
    return np.mean((net(X[50:]) - Y[50:]) ** 2)


OPTIMIZERS = {
    "L-BFGS": (kanml.LBFGS(memory=5), TRAINING),
    "Adam": (kanml.Adam(0.05), kanml.Regression(X[:50], Y[:50], batch_size=10)),
}
each = pytest.mark.parametrize(("optimizer", "problem"), OPTIMIZERS.values(), ids=OPTIMIZERS)


# The column, and the best network


@each
def test_the_column_is_the_loss_of_the_validation_problem(optimizer, problem):
    seen = []

    def callback(state):
        seen.append((held_out_loss(state.network), state.validation))

    result = train([30], problem, None, optimizer=optimizer, callbacks=[callback])
    history = result.history
    assert history.validation.shape == history.loss.shape
    expected, given = np.transpose(seen)
    np.testing.assert_allclose(history.validation[1:], expected, rtol=1e-12)
    assert same_bits(history.validation[1:], given)
    assert same_bits(history.arrays()["validation"], history.validation)
    assert history.last["validation"] == history.validation[-1]
    # On one grid it only observes: the same steps as without it.
    assert same_bits(
        train([30], problem, None, optimizer=optimizer, validation=None).history.loss, history.loss
    )


def test_without_validation_there_is_no_column():
    history = train(validation=None, patience=None).history
    assert history.validation.shape == (0,)
    assert "validation" not in history.arrays()
    assert "validation" not in history.last


@each
@pytest.mark.parametrize("patience", [None, 3, 8])
def test_the_result_is_the_best_network(patience, optimizer, problem):
    result = train(SCHEDULE, problem, patience, optimizer=optimizer)
    history = result.history
    assert result.status == "completed"
    assert held_out_loss(result.network) == pytest.approx(history.validation.min(), rel=1e-9)
    assert history.validation[-1] > history.validation.min()  # it was worth going back
    for level, net in enumerate(result.levels):
        best = history.validation[history.level == level].min()
        assert held_out_loss(net) == pytest.approx(best, rel=1e-9)


def ending(how, step):
    def callback(state):
        if state.step == step:
            if how == "interrupted":
                raise KeyboardInterrupt
            return True
        return None

    return callback


@pytest.mark.parametrize("how", ["stopped", "interrupted"])
@pytest.mark.parametrize("step", [1, 5, 12, 30, 33])
@each
def test_the_best_so_far_however_it_ends(step, how, optimizer, problem):
    result = train([30, 30], problem, None, optimizer=optimizer, callbacks=[ending(how, step)])
    assert result.status == how
    assert result.history.step[-1] == step
    assert held_out_loss(result.network) == pytest.approx(result.history.validation.min(), rel=1e-9)


def test_a_diverged_run_keeps_the_best_network():
    problem = kanml.Regression(X[:50], Y[:50], batch_size=10)
    result = train([200], problem, None, optimizer=kanml.GradientDescent(1e6))
    assert result.status == "diverged"
    best = result.history.validation.min()
    assert held_out_loss(result.network) == pytest.approx(best, rel=1e-9)


# Early stopping


@each
@pytest.mark.parametrize("patience", [1, 3, 7])
def test_a_level_ends_after_patience(patience, optimizer, problem):
    """From the history alone: the steps on each level, and where training ends."""
    result = train([60] * 5, problem, patience, optimizer=optimizer)
    history = result.history
    for level in range(history.level[-1] + 1):
        values = history.validation[history.level == level]
        since = np.arange(len(values)) - [np.argmin(values[: i + 1]) for i in range(len(values))]
        assert (since[:-1] < patience).all()
        assert since[-1] == patience or len(values) == 61
        improved = np.argmin(values) > 0
        assert improved == (level < len(result.levels)) or level == 0
    assert len(result.levels) in (history.level[-1], history.level[-1] + 1)
    if len(result.levels) == history.level[-1]:
        assert result.message == f"the validation loss did not improve on level {history.level[-1]}"


@each
@pytest.mark.parametrize("how", ["prolong", "reset"])
def test_refinement_starts_from_the_best_state(how, optimizer, problem):
    """With the memory that the optimizer had there."""
    states = {}

    def keep(state):
        states[state.step] = state.snapshot()

    result = train([500, 1], problem, 4, optimizer=optimizer, transfer_state=how, callbacks=[keep])
    history = result.history
    coarse = history.validation[history.level == 0]
    best, last = int(np.argmin(coarse)), len(coarse) - 1
    assert best == last - 4
    first = len(coarse)  # the row of the refinement
    assert history.step[first] == last
    assert history.validation[first] == pytest.approx(coarse[best], rel=1e-9)
    assert history.evaluations[first] == history.evaluations[first - 1] + 1
    there, fine = states[best].optimizer_state, states[last + 1].optimizer_state
    assert fine.step == last + 1
    assert fine.level_step == 1
    if isinstance(optimizer, kanml.Adam):
        assert fine.updates == (there.updates + 1 if how == "prolong" else 1)
    elif how == "prolong":
        operator = states[best].network.prolongation(states[last + 1].network)
        moved = [operator @ step for step in there.steps[1:]]
        np.testing.assert_allclose(fine.steps[:-1], moved, rtol=1e-12)
    else:
        assert len(fine.steps) == 1


def test_levels_without_steps_are_passed():
    """Who asks for no steps on a level does not ask for an improvement there."""
    result = train([0, 0, 30], patience=None)
    assert result.history.level[-1] == 2
    assert len(result.levels) == 3


def test_the_last_level_is_not_returned_if_it_is_no_better():
    """A network that fits the held-out rows as well as it can: every step makes it worse."""
    x = np.linspace(-1, 1, 20)[:, None]
    net = kanml.KAN([1, 1], intervals=2).with_parameters(np.zeros(5))
    result = kanml.train(
        net,
        kanml.Regression(x, np.ones_like(x)),
        [3, 3, 3],
        kanml.GradientDescent(0.01),
        validation=kanml.Regression(x, np.zeros_like(x)),
        progress=False,
    )
    assert result.message == "the validation loss did not improve on level 1"
    assert result.levels == (result.network,)
    assert result.network.layers[0].spaces[0].intervals == 2
    assert not result.network.parameters.any()
    assert result.history.step.tolist() == [0, 1, 2, 3, 3, 4, 5, 6]


@each
def test_the_problems_are_left_as_they_are(optimizer, problem):
    held_out = kanml.Regression(X[50:], Y[50:], batch_size=7, seed=1)
    before = copy.deepcopy((problem.state(), held_out.state()))
    first = train(SCHEDULE, problem, 3, optimizer=optimizer, validation=held_out)
    assert (problem.state(), held_out.state()) == before
    again = train(SCHEDULE, problem, 3, optimizer=optimizer, validation=held_out)
    assert same_bits(first.history.validation, again.history.validation)


# Problems with unknowns


def decay(points, **options):
    data = np.exp(-1.7 * points[:, 0]) + 0.05 * np.sin(40 * points[:, 0])
    terms = [
        kanml.Term("ode", points, lambda u, a: u.x + a * u, **options),
        kanml.Term("data", points, lambda u: u - data),
    ]
    return kanml.PINN("x", terms, unknowns={"a": 0.5})


def test_a_pinn():
    """Network and unknowns are those of one moment."""
    points = np.linspace(0, 1, 13)[:, None]
    held_out = decay(np.linspace(0.03, 0.97, 8)[:, None])
    net = kanml.KAN([1, 1], degree=3, intervals=3, domain=(0, 1))
    result = kanml.train(
        net,
        decay(points, attention=kanml.RBA(0.1)),
        [40, 40],
        validation=held_out,
        callbacks=[kanml.EarlyStopping(5)],
        progress=False,
    )
    loss, _ = held_out.value_and_gradient(result.network, result.unknowns)
    assert loss == pytest.approx(result.history.validation.min(), rel=1e-9)
    assert len(result.history.terms["ode"]) == len(result.history.validation)


def test_rows_held_out_of_a_problem_with_unknowns():
    """The validation problem need not know the unknowns."""
    x = np.linspace(0, 1, 9)[:, None]
    net = kanml.KAN([1, 1], degree=3, intervals=3, domain=(0, 1))
    result = kanml.train(
        net, decay(x), [20], validation=kanml.Regression(x, np.exp(-1.7 * x)), progress=False
    )
    assert result.history.validation[-1] < result.history.validation[0]


# Checkpoints


@each
@pytest.mark.parametrize("order", [1, -1])
def test_resuming_from_any_step(order, optimizer, problem, tmp_path):
    """Also from the step after which a level ends, whichever callback comes first."""
    path = tmp_path / "run"

    def run(extra=(), **options):
        callbacks = [kanml.EarlyStopping(3), *extra][::order]
        return train([9, 9, 9], problem, None, optimizer=optimizer, callbacks=callbacks, **options)

    whole = run()
    steps = whole.history.step[-1]
    assert whole.history.level[-1] > 0
    for step in range(1, steps + 1):
        run([kanml.Checkpoint(path, every=1), ending("stopped", step)])
        again = run(resume=path)
        for name in ("level", "step", "loss", "evaluations", "validation"):
            assert same_bits(getattr(again.history, name), getattr(whole.history, name)), name
        assert same_bits(again.network.parameters, whole.network.parameters)
        assert len(again.levels) == len(whole.levels)
        assert again.message == whole.message


def test_a_checkpoint_belongs_to_its_validation_problem(tmp_path):
    path = tmp_path / "run"
    train([5], patience=None, callbacks=[kanml.Checkpoint(path)])
    for other in (None, TRAINING, kanml.Regression(X[50:], -Y[50:])):
        with pytest.raises(ValueError, match="another run"):
            train([5], patience=None, validation=other, resume=path)


# Bad input


@pytest.mark.parametrize("patience", [0, -1, 1.5, None, True, "3"])
def test_patience(patience):
    with pytest.raises((TypeError, ValueError), match=naming("patience", repr(patience))):
        kanml.EarlyStopping(patience)


def test_early_stopping_without_validation_is_refused_before_the_first_step():
    seen = []
    with pytest.raises(ValueError, match=naming("EarlyStopping(patience=4)", "validation=")):
        train(validation=None, callbacks=[lambda state: seen.append(state.step)])
    assert seen == []


def test_validation_that_does_not_fit():
    x = np.linspace(0, 1, 9)[:, None]
    for bad, *parts in [
        ((X, Y), "validation", "Problem"),
        (kanml.Regression(np.tile(X, 2), Y), "validation", "1 inputs", "(90, 2)"),
        (decay(x), "validation", "unknowns", "['a']"),
    ]:
        with pytest.raises((TypeError, ValueError), match=naming(*parts)):
            train(validation=bad)


def strict():
    space = kanml.SplineSpace.uniform(-1, 1, 2, 3)
    return kanml.Network([kanml.SplineLayer(1, 1, space, extrapolation="error")])


def test_validation_outside_the_domain():
    """At the start the data do not fit."""
    outside = kanml.Regression(X * 1.5, Y)
    with pytest.raises(ValueError, match=naming("validation", "refuses the value")):
        kanml.train(strict(), TRAINING, [3], validation=outside, progress=False)


def test_validation_that_is_not_finite_is_never_the_best():
    class Spoilt(kanml.Regression):
        calls = 0

        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            self.calls += 1
            found = super().evaluation(net, unknowns, want, num_threads=num_threads)
            return found if self.calls == 3 else replace(found, value=np.nan)

    result = train([6], patience=None, validation=Spoilt(X[50:], Y[50:]))
    assert np.isnan(result.history.validation).tolist() == [True, True, False] + [True] * 4
    assert held_out_loss(result.network) == pytest.approx(result.history.validation[2], rel=1e-12)
