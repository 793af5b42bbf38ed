"""How often a run evaluates its problem: once for each evaluation that its optimizer counts."""

from __future__ import annotations

import numpy as np
import pytest
from training_runs import OPTIMIZERS, SPOIL, Wrapped, X, Y, train

import kanml
from helpers import same_bits

RNG = np.random.default_rng(0)
INSIDE = RNG.uniform(-1, 1, (80, 2))
EDGE = np.stack([np.full(20, -1.0), np.linspace(-1, 1, 20)], axis=1)


class Counting(kanml.PINN):
    """A problem that notes what it is asked for, and what it has answered."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.asked, self.found, self.known = [], [], []

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        self.asked.append(want)
        self.found.append(super().evaluation(net, unknowns, want, num_threads=num_threads))
        return self.found[-1]

    def advance(self, net, unknowns=None, evaluation=None):
        if evaluation is not None:
            value, gradient = kanml.PINN.value_and_gradient(self, net, unknowns)
            self.asked.pop()
            assert (value, True) == (evaluation.value, same_bits(gradient, evaluation.gradient))
        self.known.append(evaluation is not None)
        return super().advance(net, unknowns, evaluation)


def counting(**options):
    terms = [
        kanml.Term("pde", INSIDE, lambda u: u.t + u * u.x - 0.1 * u.xx, **options),
        kanml.Term("start", EDGE, lambda u, x: u + np.sin(np.pi * x), weight=2.0),
    ]
    return Counting("tx", terms)


def run(task, optimizer, schedule=(12, 6), **options):
    net = kanml.KAN([2, 3, 1], intervals=3, seed=0)
    return kanml.train(net, task, schedule, optimizer, progress=False, restarts=0, **options)


OPTIONS = {
    "full batch": {},
    "attention": {"attention": kanml.RBA(0.1)},
    "minibatches": {"batch_size": 30},
    "both": {"batch_size": 30, "attention": kanml.RBA(0.1)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("memory", [1, 20])
def test_lbfgs_evaluates_what_it_counts(options, memory):
    """Neither the history nor attention takes another pass."""
    task = counting(**options)
    result = run(task, kanml.LBFGS(memory=memory))
    assert result.history.step[-1] == 18
    assert task.asked == ["gradient"] * result.history.evaluations[-1]
    assert all(task.known)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("optimizer", [kanml.Adam(1e-2), kanml.GradientDescent(1e-3)], ids=repr)
def test_first_order_methods_evaluate_once_more_a_step_for_attention(optimizer, options):
    """Attention is updated by residuals at the new parameters, under the weights of the old."""
    task = counting(**options)
    history = run(task, optimizer).history
    more = history.step[-1] if "attention" in options else 0
    assert task.asked.count("gradient") == history.evaluations[-1] == history.step[-1] + 2
    assert task.asked.count("value") == more


def test_the_evaluation_of_an_earlier_trial_is_known():
    """A search that finds nothing better later returns to the lowest trial that it has seen."""
    seen = []

    class Watched(Wrapped):
        def advance(self, net, unknowns=None, evaluation=None):
            seen.append(evaluation)
            return super().advance(net, unknowns, evaluation)

    # The gradient is small, so that the first trial is far too short.
    faint = kanml.PINN("x", [kanml.Term("it", X, lambda u: u - Y[:, 0], weight=1e-6)])
    task = Watched(faint, 3, SPOIL["loss inf"])  # of the start and the first trial, all is well
    history = train(task=task, schedule=[12]).history
    assert history.step.tolist() == [0, 1]
    assert history.evaluations[-1] > 20
    assert [evaluation.value for evaluation in seen] == history.loss[1:].tolist()
    assert 0 < history.loss[1] < history.loss[0]
    assert history.terms["it"].tolist() == history.loss.tolist()


@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS.values() if not o.needs_squares])
def test_the_terms_of_the_history_are_those_of_the_evaluations(optimizer):
    task, terms, values = counting(attention=kanml.RBA(0.1)), [], []

    def callback(state):
        found = kanml.PINN.evaluation(state.problem, state.network, want="value")
        terms.append({name: term.loss for name, term in found.terms.items()})
        values.append(found.value)

    history = run(task, optimizer, schedule=[9], callbacks=[callback]).history
    assert list(history.terms) == ["pde", "start"]
    for name, column in history.terms.items():
        assert column[1:].tolist() == [term[name] for term in terms]
    assert history.loss[1:].tolist() == values
    assert (history.terms["pde"] + history.terms["start"]).tolist() == history.loss.tolist()


def test_validation_asks_for_values_alone():
    held_out = counting()
    result = run(counting(), kanml.LBFGS(), validation=held_out)
    assert set(held_out.asked) == {"value"}
    assert len(held_out.asked) == len(result.history)


def test_starts_are_validated_by_values_alone():
    held_out, net = counting(), kanml.KAN([2, 3, 1], intervals=3, seed=0)
    result = kanml.train(net, counting(), [200], validation=held_out, progress=False)
    assert len(result.history.tries) > 1
    assert set(held_out.asked) == {"value"}
    assert len(held_out.asked) > len(result.history)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), kanml.Adam(1e-2)], ids=repr)
def test_callbacks_see_the_evaluation_of_their_step(optimizer, options):
    task, seen = counting(**options), []

    def look(state):
        expected = kanml.PINN.evaluation(state.problem, state.network)
        found = state.evaluation
        assert found.value == state.loss == expected.value
        assert same_bits(found.gradient, expected.gradient)
        assert [t.sum for t in found.terms.values()] == [t.sum for t in expected.terms.values()]
        seen.append(state.step)

    history = run(task, optimizer, callbacks=[look]).history
    assert seen == [*range(1, 19)]
    more = history.step[-1] if "attention" in options and optimizer != kanml.LBFGS() else 0
    assert len(task.asked) == history.evaluations[-1] + more


def test_callbacks_of_a_resumed_run_see_an_evaluation(tmp_path):
    path, seen = tmp_path / "run.kanml", []

    class Look(kanml.Callback):
        def begin(self, state):
            seen.append((state.evaluation.value, state.loss, state.evaluation.gradient is None))

    run(counting(), kanml.LBFGS(), (5,), callbacks=[kanml.Checkpoint(path, 5)])
    run(counting(), kanml.LBFGS(), (5,), callbacks=[Look()], resume=path)
    assert seen == [(seen[0][1], seen[0][1], False)]
