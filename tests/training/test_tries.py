"""Starts: what `start=` names, which networks are fresh, and how training chooses among them."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest

import kanml
import kanml.training.tries
from helpers import same_bits
from kanml.training.history import History
from kanml.training.objective import Objective
from kanml.training.settings import Settings

KINDS = ("mixed", "linear", "random")
RNG = np.random.default_rng(5)
X = RNG.uniform(-1, 1, (300, 2))
Y = np.sin(np.pi * (X[:, :1] ** 2 + X[:, 1:] ** 2))
PROBLEM = kanml.Regression(X, Y)


def kan(**options):
    return kanml.KAN([2, 3, 1], **{"intervals": 4, "data": X, "seed": 1, **options})


def train(net=None, problem=PROBLEM, schedule=(100, 100), **options):
    net = kan() if net is None else net
    return kanml.train(net, problem, schedule, **{"progress": False, **options})


def steps_needed(count, rounds=(25, 50, 100, 200)):
    """Of a contest, as the documentation describes it."""
    total = 0
    for steps in rounds:
        if count == 1:
            break
        total += count * steps
        count = count // 2 + count % 2
    return total


# What hidden layers start as


def explained_by_a_line(net, x):
    """The part of the variance of the first layer's outputs that is linear in the inputs."""
    layer = net.layers[0]
    first = kanml.Network([kanml.SplineLayer(layer.n_in, layer.n_out, layer.spaces)])
    values = first.with_parameters(net.parameters[: first.n_parameters])(x)
    matrix = np.hstack([x, np.ones((len(x), 1))])
    residual = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    return 1 - np.mean(residual**2) / np.mean((values - values.mean(axis=0)) ** 2)


def test_how_linear_each_start_is():
    """The mixture has half the slope and half the noise, before it is scaled."""

    def of(start):
        nets = [kanml.KAN([2, 40, 1], data=X, seed=seed, start=start) for seed in range(5)]
        return np.mean([explained_by_a_line(net, X) for net in nets])

    linear, mixed, random = (of(start) for start in ("linear", "mixed", "random"))
    assert linear == pytest.approx(1.0, abs=1e-12)
    assert random < 0.5 < mixed < 0.8


@pytest.mark.parametrize("start", KINDS)
def test_a_network_of_the_same_layers_starts_as_the_kan(start):
    net = kan(start=start)
    again = kanml.Network(net.layers, data=X, seed=1, start=start)
    assert same_bits(net.parameters, again.parameters)
    assert same_bits(net.restart(2).parameters, again.restart(2).parameters)


def test_mixed_is_the_default():
    assert same_bits(kan().parameters, kan(start="mixed").parameters)


@pytest.mark.parametrize("start", ["", "Linear", None, 0, ["mixed"]])
def test_a_bad_start(start):
    with pytest.raises((ValueError, TypeError), match="start must be"):
        kan(start=start)


@pytest.mark.parametrize("start", KINDS)
def test_neither_basis_nor_refinement_changes_a_start(start):
    for number in (0, 1, 2):
        spline, relu = (kan(start=start, basis=basis) for basis in ("spline", "relu"))
        if number:
            spline, relu = spline.restart(number), relu.restart(number)
        np.testing.assert_allclose(relu(X), spline(X), rtol=0, atol=1e-12)
        np.testing.assert_allclose(spline.refine()(X), spline(X), rtol=0, atol=1e-14)
    converted = kan(start=start).to_basis("relu").restart(1)
    np.testing.assert_allclose(converted(X), kan(start=start).restart(1)(X), rtol=0, atol=1e-12)


# Fresh networks, and their other starts


CHANGES = {
    "with_parameters": lambda net: net.with_parameters(net.parameters),
    "refine": lambda net: net.refine(),
    "restart": lambda net: net.restart(1),
}
COPIES = {
    "astype": lambda net: net.astype("float64"),
    "to_basis": lambda net: net.to_basis("spline"),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_network_is_not_fresh(name):
    changed = CHANGES[name](kan())
    assert not changed.fresh
    assert changed.restart(0) is changed
    with pytest.raises(ValueError, match="it comes from with_parameters, refine, restart or load"):
        changed.restart(1)


def test_a_loaded_network_is_not_fresh(tmp_path):
    kan().save(tmp_path / "net")
    assert not kanml.load(tmp_path / "net").fresh


@pytest.mark.parametrize("name", COPIES)
def test_copies_have_the_same_starts(name):
    net = kan()
    copied = COPIES[name](net)
    assert net.fresh
    assert copied.fresh
    assert same_bits(net.restart(3).parameters, copied.restart(3).parameters)


def test_starts_differ_and_are_those_of_the_seed():
    numbered = [kan().restart(number).parameters for number in range(1, 8)]
    for left, right in pairwise([kan().parameters, *numbered]):
        assert not same_bits(left, right)
    assert all(
        same_bits(kan().restart(n + 1).parameters, theta) for n, theta in enumerate(numbered)
    )
    generator = kan(seed=np.random.default_rng(1))
    assert same_bits(generator.restart(2).parameters, numbered[1])
    assert not same_bits(kan(seed=2).restart(1).parameters, numbered[0])


@pytest.mark.parametrize("start", KINDS)
def test_all_kinds_take_turns(start):
    """Three starts in a row are of the three kinds."""
    net = kan(start=start)
    linear = [explained_by_a_line(other, X) for other in map(net.restart, (1, 2, 3))]
    assert sum(value > 1 - 1e-12 for value in linear) == 1
    assert (linear[2] > 1 - 1e-12) == (start == "linear")


@pytest.mark.parametrize("number", [-1, 1.5, "1"])
def test_a_bad_number(number):
    with pytest.raises((ValueError, TypeError), match="number must be"):
        kan().restart(number)


def test_other_starts_fill_the_domains_too():
    net = kanml.KAN([2, 4, 3, 1], data=X, seed=2)
    part = kanml.KAN([2, 4, 3])
    for number in range(1, 7):
        other = net.restart(number)
        values = part.with_parameters(other.parameters[: part.n_parameters])(X)
        np.testing.assert_allclose(values.min(axis=0), -1, atol=1e-12)
        np.testing.assert_allclose(values.max(axis=0), 1, atol=1e-12)


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
    train(problem=kanml.Regression(x, x[:, :1]), schedule=schedule, restarts=restarts)
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


# Problems


def test_the_excerpt_of_a_regression():
    problem = kanml.Regression(X, Y, batch_size=30)
    part, cost = problem.excerpt(100)
    assert cost == pytest.approx(100 / 30)
    net = kan(start="random")
    value, gradient = part.value_and_gradient(net)
    residuals = (net(X) - Y)[:, 0] ** 2
    taken = part.residuals(net) ** 2 * 100
    assert len(taken) == 100
    assert np.isclose(taken[:, None], residuals).any(axis=1).all()
    assert value == pytest.approx(taken.mean(), rel=1e-12)
    assert gradient.shape == (net.n_parameters,)
    whole, cost = problem.excerpt(10**6)
    assert cost == pytest.approx(10)
    assert whole.value_and_gradient(net)[0] == pytest.approx(residuals.mean(), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_excerpt_of_a_pinn(reduction):
    """Each term on a part of its points: its mean, and its sum scaled up."""
    edge = np.linspace(-1, 1, 20)[:, None] * [1.0, 0.0]
    terms = [
        kanml.Term("pde", X, lambda u: u.xx + u.yy + u, reduction=reduction, weight=0.5),
        kanml.Term("edge", edge, lambda u: u, batch_size=10),
    ]
    problem = kanml.PINN("xy", terms)
    net = kan(start="random", extrapolation="polynomial")  # smooth at the ends of domains
    part, cost = problem.excerpt(60)
    # In Taylor coefficients: the value, and two orders along x and y.
    assert cost == pytest.approx((60 * 5 + 20) / (300 * 5 + 10))
    squares = problem.evaluate(net, X, lambda u: u.xx + u.yy + u)[:, 0] ** 2
    factor = 300 / 60 if reduction == "sum" else 1
    taken = part.residuals(net)[:60] ** 2 / factor
    scale = 0.5 * (1 if reduction == "sum" else 1 / 60)
    assert np.isclose(taken[:, None] / scale, squares).any(axis=1).all()
    boundary = np.mean(net(edge) ** 2)
    assert part.value_and_gradient(net)[0] == pytest.approx(factor * taken.sum() + boundary)
    assert sum(part.losses(net).values()) == pytest.approx(part.value_and_gradient(net)[0])
    assert part.residuals(net) @ part.residuals(net) == pytest.approx(
        part.value_and_gradient(net)[0]
    )
    part.advance(net)
    assert part.value_and_gradient(net)[0] == pytest.approx(factor * taken.sum() + boundary)
    # The gradient is that of the value.
    theta, h = net.parameters, 1e-6
    direction = RNG.standard_normal(theta.size)
    slope = (
        part.value_and_gradient(net.with_parameters(theta + h * direction))[0]
        - part.value_and_gradient(net.with_parameters(theta - h * direction))[0]
    ) / (2 * h)
    assert part.value_and_gradient(net)[1] @ direction == pytest.approx(slope, rel=1e-5)


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


class Plain(kanml.Problem):
    """A problem that has no excerpt."""

    def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
        return PROBLEM.value_and_gradient(net)

    def fingerprint(self):
        return "plain"


def test_a_problem_without_an_excerpt_is_tried_as_a_whole():
    ours, plain = train(), train(problem=Plain())
    assert ours.history.tries == plain.history.tries
    assert same_bits(ours.history.loss, plain.history.loss)


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


def test_a_start_that_is_refused_is_dropped():
    """Of the layer that refuses what lies outside, only one start has all samples inside."""

    class Picky(Plain):
        def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
            value, gradient = super().value_and_gradient(net)
            first = net.parameters[0]
            if first > 0:  # as good as any rule
                return np.inf, np.full_like(gradient, np.nan)
            return value, gradient

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

    def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
        value, gradient = super().value_and_gradient(net)
        return (
            self.answer(value, gradient)
            if same_bits(net.parameters, self.refused)
            else (value, gradient)
        )

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
        def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
            value, gradient = super().value_and_gradient(net)
            if net.parameters[0] > 0:
                return 1e-9, np.full_like(gradient, np.nan)
            return value, gradient

    result = train(problem=Picky(), schedule=[500])
    losses = np.array([t.loss for t in result.history.tries])
    assert np.isinf(losses).any()
    assert np.isfinite(losses).any()
    assert losses.min() > 1e-9
    assert result.status == "completed"


def test_validation_by_a_problem_without_the_unknowns():
    x = np.linspace(0, 1, 50)[:, None]
    problem = kanml.PINN("x", [kanml.Term("ode", x, lambda u, a: u.x + a * u)], unknowns={"a": 0.5})
    held_out = kanml.Regression(x, np.exp(-x))
    result = train(kanml.KAN([1, 2, 1], domain=(0, 1)), problem, [200], validation=held_out)
    assert len(result.history.tries) > 1
    assert result.history.validation[0] == min(t.loss for t in result.history.tries)


class Weighted(kanml.Regression):
    def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
        value, gradient = super().value_and_gradient(net, num_threads=num_threads)
        return 2 * value, 2 * gradient


def test_the_excerpt_of_a_subclass_has_its_loss():
    x = RNG.uniform(-1, 1, (3000, 2))
    y = x[:, :1] * x[:, 1:]
    plain, weighted = (cls(x, y).excerpt(1000) for cls in (kanml.Regression, Weighted))
    assert plain[1] == weighted[1] == pytest.approx(1 / 3)
    loss, gradient = weighted[0].value_and_gradient(kan())
    assert loss == 2 * plain[0].value_and_gradient(kan())[0]
    assert same_bits(gradient, 2 * plain[0].value_and_gradient(kan())[1])


@pytest.mark.parametrize("excerpt", [None, PROBLEM, (PROBLEM, 0.0), (PROBLEM, -1), (3, 0.5)])
def test_a_bad_excerpt(excerpt):
    class Bad(Plain):
        def excerpt(self, samples):
            return excerpt

    with pytest.raises(TypeError, match="excerpt of Bad must return a problem and what it costs"):
        train(problem=Bad())
    assert train(problem=Bad(), restarts=0).status == "completed"


def test_large_networks_have_fewer_starts(monkeypatch):
    settings = Settings(kan(), PROBLEM, [1], kanml.LBFGS(), "prolong", None, 15, None)
    contest = kanml.training.tries.Contest(Objective(settings), interrupted=lambda: False)
    one = kan().n_parameters * 8 * kanml.LBFGS().vectors(25)
    for bytes_allowed, starts in ((one, 1), (4 * one, 4), (100 * one, 16)):
        monkeypatch.setattr(kanml.training.tries, "MAX_BYTES", bytes_allowed)
        assert contest.starts_within(16, 10**6) == starts


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


def test_a_grid_is_seen_as_a_whole_by_all_starts():
    """Rows in the order of a grid, of which every hundredth has one value in a column."""
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 1000), np.linspace(-1, 1, 50), indexing="ij"))
    x = grid.reshape(2, -1).T
    net = kanml.KAN([2, 5, 1], data=x, seed=1)
    part = kanml.KAN([2, 5])
    for number in range(6):
        theta = net.restart(number).parameters
        values = part.with_parameters(theta[: part.n_parameters])(x)
        assert abs(abs(values).max(axis=0) - 1).max() < 0.1


@pytest.mark.parametrize("start", KINDS)
def test_data_beyond_the_domain(start):
    """Splines continue there, and so do their starts."""
    x = RNG.uniform(-1, 4, (500, 2))
    net = kanml.KAN([2, 5, 1], data=x, start=start)
    part = kanml.KAN([2, 5])
    values = part.with_parameters(net.parameters[: part.n_parameters])(x)
    np.testing.assert_allclose(values.min(axis=0), -1, atol=1e-12)
    np.testing.assert_allclose(values.max(axis=0), 1, atol=1e-12)


def test_errors_are_those_of_the_problem_as_it_was_given():
    x = RNG.uniform(-1, 1, (5000, 3))
    with pytest.raises(ValueError, match=r"x of shape \(5000, 3\)"):
        train(problem=kanml.Regression(x, x[:, :1]), schedule=[300])


# Checkpoints and interrupts


def test_a_checkpoint_keeps_the_tries(tmp_path):
    path = tmp_path / "run"
    whole = train()
    train(callbacks=[kanml.Checkpoint(path), lambda state: state.step == 130])
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
def test_ctrl_c_while_starts_are_tried(evaluation):
    """The best so far becomes the result."""

    class Pressing(Plain):
        count = 0

        def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
            Pressing.count += 1
            if Pressing.count == evaluation:
                signal.raise_signal(signal.SIGINT)
            return super().value_and_gradient(net)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = train(problem=Pressing(), schedule=[200, 200])
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.status == "interrupted"
    assert result.history.step.tolist() == [0]
    best = min(t.loss for t in result.history.tries)
    if np.isfinite(best):
        assert result.history.loss.tolist() == [best]
    assert Pressing.count <= evaluation + 2  # the winner is evaluated, and its row written
