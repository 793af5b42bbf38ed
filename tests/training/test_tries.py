"""Which starts training tries, for how long, and which of them it continues with."""

from __future__ import annotations

import signal
import threading

import contest_runs
import numpy as np
import pytest
from contest_runs import PROBLEM, Plain, X, Y, kan, train

import kanml
import kanml.training.tries
from helpers import same_bits
from kanml.training.history import History
from kanml.training.objective import Objective
from kanml.training.settings import Settings

RNG = np.random.default_rng(5)
VP = kanml.VariableProjection()


def steps_needed(count, rounds=(25, 50, 100, 200)):
    """Of a contest, as the documentation describes it."""
    total = 0
    for steps in rounds:
        if count == 1:
            break
        total += count * steps
        count = count // 2 + count % 2
    return total


# How many are tried


@pytest.mark.parametrize(
    ("schedule", "samples", "restarts", "expected"),
    [
        ([49], 300, 15, 0),  # two cost 50 steps on all samples
        ([50], 300, 15, 2),
        ([25, 25], 300, 15, 2),
        ([1600], 300, 15, 16),
        ([1599], 300, 15, 15),
        ([10_000], 300, 15, 16),
        ([10_000], 300, 40, 41),
        ([10_000], 300, 5, 6),
        ([10_000], 300, 0, 0),
        ([25], 2000, 15, 2),  # on 1000 of them
        ([800], 2000, 15, 16),
    ],
)
def test_tries_cost_no_more_than_the_schedule(monkeypatch, schedule, samples, restarts, expected):
    assert steps_needed(16) == 1600
    x = RNG.uniform(-1, 1, (samples, 2))
    counts = []

    def winner(contest, count, show):
        counts.append(count)
        return None, ()

    monkeypatch.setattr(kanml.training.tries.Contest, "winner", winner)
    problem = kanml.Regression(x, x[:, :1])
    stop = [lambda state: True]  # what comes after the contest is not looked at
    train(problem=problem, schedule=schedule, restarts=restarts, callbacks=stop)
    assert counts == ([expected] if expected else [])


@pytest.mark.parametrize(
    "net",
    [
        kan().with_parameters(kan().parameters),
        kanml.KAN([2, 1]),  # one layer: the problem is linear
        kanml.Network([kanml.Affine(0.5, 0.0), kanml.SplineLayer(2, 1, kan().layers[0].spaces[0])]),
    ],
)
def test_nothing_else_to_try(net):
    result = train(net, schedule=[60])
    assert result.history.tries == ()
    assert result.history.loss[0] == PROBLEM.value_and_gradient(net)[0]


def test_without_restarts_training_begins_at_the_network_given():
    net = kan()
    assert train(restarts=0).history.loss[0] == PROBLEM.value_and_gradient(net)[0]


@pytest.mark.parametrize("restarts", [-1, 1.5, None, "3", True])
def test_bad_restarts(restarts):
    with pytest.raises((ValueError, TypeError), match="restarts must be"):
        train(restarts=restarts)


def test_large_networks_have_fewer_starts(monkeypatch):
    settings = Settings(kan(), PROBLEM, [1], kanml.LBFGS(), "prolong", None, 15, None, None)
    contest = kanml.training.tries.Contest(Objective(settings), interrupted=lambda: False)
    one = 8 * kanml.LBFGS().numbers(kan().n_parameters, 25)
    for bytes_allowed, starts in ((one, 1), (4 * one, 4), (100 * one, 16)):
        monkeypatch.setattr(kanml.training.tries, "MAX_BYTES", bytes_allowed)
        assert contest.starts_within(16, 10**6) == starts


# The contest


def test_the_better_half_is_tried_for_longer():
    history = train(schedule=[600, 600], restarts=9).history
    tries = history.tries
    assert [t.number for t in tries] == list(range(10))
    steps = np.array([t.steps for t in tries])
    losses = np.array([t.loss for t in tries])
    assert sorted(steps.tolist()) == [25] * 5 + [75] * 2 + [175] * 1 + [375] * 2
    assert all(t.evaluations > t.steps for t in tries)
    # Training begins with what became of the best; all 300 samples were looked at.
    assert history.loss[0] == losses.min()
    assert steps[losses.argmin()] == 375
    assert history.step[0] == 0


def test_the_own_start_is_one_of_them():
    """What L-BFGS makes of it in 25 steps is in the list."""
    first = train(schedule=[600, 600], restarts=9).history.tries[0]
    alone = train(schedule=[25], restarts=0).history
    assert first.loss <= alone.loss[-1]
    if first.steps == 25:
        assert first.loss == alone.loss.min()


def test_neither_network_nor_problem_is_changed():
    net, problem = kan(), kanml.Regression(X, Y, batch_size=50)
    before, state = net.parameters.copy(), problem.state()
    result = train(net, problem, [200, 200])
    assert result.history.tries
    assert same_bits(before, net.parameters)
    assert problem.state() == state


def test_the_same_bits_for_any_number_of_threads():
    one, two, again = (train(num_threads=n) for n in (1, 2, 2))
    assert len(one.history.tries) > 1
    for other in (two, again):
        assert one.history.tries == other.history.tries
        assert same_bits(one.history.loss, other.history.loss)
        assert same_bits(one.network.parameters, other.network.parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_dtypes_and_bases(dtype, basis):
    result = train(kan(dtype=dtype, basis=basis))
    assert len(result.history.tries) > 1
    assert result.network.dtype == dtype
    assert result.network.layers[0].basis == basis
    assert result.history.loss[-1] < 0.01


def test_the_basis_does_not_decide_who_wins():
    spline, relu = (train(kan(basis=basis)).history.tries for basis in ("spline", "relu"))
    assert [t.steps for t in spline] == [t.steps for t in relu]
    for left, right in zip(spline, relu, strict=True):
        assert left.loss == pytest.approx(right.loss, rel=1e-3)


def test_the_case_of_compositions():
    """A start that stays on a plateau alone learns the function with others to choose from."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 4))
    inner = [np.sin(np.pi * (x[:, i] ** 2 + x[:, i + 1] ** 2)) for i in (0, 2)]
    problem = kanml.Regression(x, np.exp((inner[0] + inner[1]) / 2)[:, None])

    def losses(restarts):
        return [
            train(
                kanml.KAN([4, 4, 2, 1], intervals=4, seed=seed, data=x, start="linear"),
                problem,
                [200, 200],
                restarts=restarts,
            ).history.loss[-1]
            for seed in range(3)
        ]

    assert np.median(losses(0)) > 1e-2
    assert np.median(losses(15)) < 1e-4


def test_a_pinn_with_unknowns():
    x = np.linspace(0, 1, 50)[:, None]
    terms = [
        kanml.Term("ode", x, lambda u, a: u.x + a * u),
        kanml.Term("data", x, lambda u, x: u - np.exp(-2 * x)),
    ]
    problem = kanml.PINN("x", terms, unknowns={"a": 0.5})
    result = train(kanml.KAN([1, 2, 1], domain=(0, 1)), problem, [100, 100])
    assert len(result.history.tries) > 1
    assert result.unknowns["a"] == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_optimizer_goes_on_with_what_it_knows(scale):
    """Targets of another size: the first steps of L-BFGS are bad ones, and are taken once."""

    def median(restarts):
        problem = kanml.Regression(X, scale * X[:, :1] * np.exp(X[:, 1:]))
        losses = [
            train(kan(seed=seed), problem, [100, 100, 100], restarts=restarts).history.loss[-1]
            for seed in range(5)
        ]
        return np.median(losses)

    assert median(15) < 0.5 * median(0)


# What decides, and who is dropped


def test_validation_decides():
    """The noise of few rows is learnt by those with the least loss."""
    rng = np.random.default_rng(0)
    rows, noisy = slice(0, 60), Y + rng.normal(0, 0.3, Y.shape)
    held_out = kanml.Regression(X[60:], noisy[60:])
    history = train(
        problem=kanml.Regression(X[rows], noisy[rows]), schedule=[200, 200], validation=held_out
    ).history
    assert len(history.tries) > 1
    assert history.validation[0] == min(t.loss for t in history.tries)


def test_validation_by_a_problem_without_the_unknowns():
    x = np.linspace(0, 1, 50)[:, None]
    problem = kanml.PINN("x", [kanml.Term("ode", x, lambda u, a: u.x + a * u)], unknowns={"a": 0.5})
    held_out = kanml.Regression(x, np.exp(-x))
    result = train(kanml.KAN([1, 2, 1], domain=(0, 1)), problem, [200], validation=held_out)
    assert len(result.history.tries) > 1
    assert result.history.validation[0] == min(t.loss for t in result.history.tries)


def test_a_start_that_is_refused_is_dropped():
    """Of the layer that refuses what lies outside, only one start has all samples inside."""

    class Picky(Plain):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            first = net.parameters[0]
            if first > 0:  # as good as any rule
                return kanml.Evaluation(np.inf, np.full_like(net.parameters, np.nan))
            return super().evaluation(net, unknowns, want)

    history = train(problem=Picky(), schedule=[500]).history
    losses = np.array([t.loss for t in history.tries])
    assert np.isinf(losses).any()
    assert np.isfinite(losses).any()
    assert all(t.steps == 0 for t in history.tries if t.loss == np.inf)
    assert np.isfinite(history.loss).all()


class RefusingOne(Plain):
    """A problem that refuses one vector, but not on its excerpt."""

    def __init__(self, refused, answer):
        self.refused, self.answer = refused, answer

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        found = super().evaluation(net)
        if same_bits(net.parameters, self.refused):
            return kanml.Evaluation(*self.answer(found.value, found.gradient))
        return found

    def excerpt(self, samples):
        return Plain(), 1.0


def infinite(value, gradient):
    return np.inf, gradient


def without_gradient(value, gradient):
    return value, gradient * np.nan


@pytest.mark.parametrize(
    ("who", "answer"),
    [("problem", infinite), ("problem", without_gradient), ("validation", infinite)],
    ids=["loss", "gradient", "validation loss"],
)
def test_samples_that_were_left_out_count_as_well(who, answer):
    """The winner on a part may be refused by the whole: then it is the next."""
    states = []

    class First(kanml.Callback):
        def begin(self, state):
            states.append(state)
            return True

    options = {"schedule": [200], "callbacks": [First()]}
    tries = train(**options, **{"problem": Plain(), who: Plain()}).history.tries
    refusing = RefusingOne(states[0].network.parameters, answer)
    again = train(**options, **{"problem": Plain(), who: refusing}).history.tries
    assert again == tries
    best, second = sorted(t.loss for t in tries)[:2]
    assert (states[0].loss, states[1].loss) == (best, second)


def test_a_gradient_that_is_not_finite_drops_a_start():
    class Picky(Plain):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            if net.parameters[0] > 0:
                return kanml.Evaluation(1e-9, np.full_like(net.parameters, np.nan))
            return super().evaluation(net, unknowns, want)

    result = train(problem=Picky(), schedule=[500])
    losses = np.array([t.loss for t in result.history.tries])
    assert np.isinf(losses).any()
    assert np.isfinite(losses).any()
    assert losses.min() > 1e-9
    assert result.status == "completed"


# Checkpoints and interrupts


@pytest.mark.parametrize(("optimizer", "steps"), [(kanml.LBFGS(), 100), (VP, 15)])
def test_a_checkpoint_keeps_the_tries(tmp_path, optimizer, steps):
    def train(**options):
        return contest_runs.train(schedule=[steps, steps], optimizer=optimizer, **options)

    path = tmp_path / "run"
    whole = train()
    train(callbacks=[kanml.Checkpoint(path), lambda state: state.step == 4 * steps // 3])
    resumed = train(resume=path)
    assert resumed.history.tries == whole.history.tries
    assert len(whole.history.tries) > 1
    assert same_bits(resumed.history.loss, whole.history.loss)
    assert same_bits(resumed.network.parameters, whole.network.parameters)
    with pytest.raises(ValueError, match="another run"):
        train(resume=path, restarts=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("tries.steps"), "the tries of a history have the columns"),
        (lambda c: c.update({"tries.other": c["tries.loss"]}), "have the columns"),
        (lambda c: c["tries.number"].__setitem__(0, 1), "numbered"),
        (lambda c: c["tries.steps"].__setitem__(0, -1), "holds what no try can have"),
        (lambda c: c["tries.loss"].__setitem__(0, np.nan), "tries.loss"),
        (lambda c: c.update({"tries.loss": c["tries.loss"][:-1]}), "tries.loss"),
        (lambda c: c.update({"tries.steps": c["tries.loss"]}), "tries.steps"),
        (
            lambda c: c.update({n: c[n][:1] for n in list(c) if n.startswith("tries.")}),
            "numbered",
        ),
    ],
)
def test_tries_that_no_run_could_have_written(change, message):
    columns = {name: column.copy() for name, column in train().history.arrays().items()}
    assert History.from_arrays(columns).tries == train().history.tries
    change(columns)
    with pytest.raises(ValueError, match=message):
        History.from_arrays(columns)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
@pytest.mark.parametrize("evaluation", [1, 2, 7, 60, 110, 160])
@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), VP])
def test_ctrl_c_while_starts_are_tried(evaluation, optimizer):
    """The best so far becomes the result."""

    class Pressing(kanml.Regression):
        count = 0

        def evaluation(self, *args, **options):
            self.press()
            return super().evaluation(*args, **options)

        def linear_triangle(self, *args, **options):
            self.press()
            return super().linear_triangle(*args, **options)

        def press(self):
            Pressing.count += 1
            if Pressing.count == evaluation:
                signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = train(problem=Pressing(X, Y), schedule=[200, 200], optimizer=optimizer)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.status == "interrupted"
    assert result.history.step.tolist() == [0]
    best = min(t.loss for t in result.history.tries)
    if np.isfinite(best):
        assert result.history.loss.tolist() == [best]
    assert Pressing.count <= evaluation + 2  # the winner is evaluated, and its row written


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), VP])
def test_a_search_that_ctrl_c_ended_is_done_again(optimizer, tmp_path):
    class Pressing(kanml.Regression):
        count = 0

        def evaluation(self, *args, **options):
            Pressing.count += 1
            if Pressing.count == 60:
                signal.raise_signal(signal.SIGINT)
            return super().evaluation(*args, **options)

    def run(**options):
        problem = Pressing(X, Y)
        return train(problem=problem, schedule=[200, 200], optimizer=optimizer, **options)

    path = tmp_path / "run.kanml"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cut = run(callbacks=[kanml.Checkpoint(path)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert cut.status == "interrupted"
    resumed, whole = run(resume=path), run()
    assert resumed.history.tries == whole.history.tries != cut.history.tries
    assert same_bits(resumed.network.parameters, whole.network.parameters)


# Steps of variable projection


def train_for_five_steps(net=None, **options):
    return train(net, optimizer=VP, callbacks=[lambda state: state.step == 5], **options)


def test_variable_projection_tries_starts_by_its_own_steps():
    history = train_for_five_steps(schedule=[350]).history
    tries = history.tries
    steps = np.array([t.steps for t in tries])
    losses = np.array([t.loss for t in tries])
    assert sorted(steps.tolist()) == [8] * 8 + [20] * 4 + [38] * 2 + [65] * 2
    assert history.loss[0] == losses.min()
    assert steps[losses.argmin()] == 65


def test_a_contest_of_variable_projection_is_continued_as_if_it_were_the_run():
    """On 300 samples nothing is left out, so the radius is that of the last step."""
    history = train_for_five_steps(schedule=[350]).history
    best = min(history.tries, key=lambda t: t.loss)
    net = kan().restart(best.number)
    alone = train(net, schedule=[best.steps + 5], optimizer=VP, restarts=0).history
    assert same_bits(history.loss, alone.loss[best.steps :])
    assert same_bits(history.report["radius"], alone.report["radius"][best.steps :])


@pytest.mark.parametrize("steps", [15, 16, 349, 350])
def test_a_contest_of_variable_projection_costs_no_more_than_the_schedule(steps):
    within = [n for n in range(2, 17) if steps_needed(n, (8, 12, 18, 27)) <= steps]
    tries = train_for_five_steps(schedule=[steps]).history.tries
    assert len(tries) == max(within, default=0)
