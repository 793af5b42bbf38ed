"""Losses at fresh samples: points between the given ones, other draws, and formulas."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from kanml.parallel import in_threads
from kanml.problems.fresh import between

RNG = np.random.default_rng(0)
T = np.linspace(0, 1, 41)
WALLS = np.concatenate(
    [np.stack([T, 0 * T + x], axis=1) for x in (0, 1)]
    + [np.stack([0 * T + t, T], axis=1) for t in (0, 1)]
)


# Points between points


def test_between_points_of_a_region():
    """Inside of it, and as far as can be from the given points on the way between neighbours."""
    for d, n in ((1, 40), (2, 300), (3, 400)):
        points = RNG.uniform(-2, 5, (n, d))
        found = between(points)
        assert n / 2 < len(found) <= n
        distances = np.linalg.norm(found[:, None] - points[None], axis=2)
        nearest = np.sort(distances, axis=1)
        assert (nearest[:, 0] > 0).all()
        np.testing.assert_allclose(nearest[:, 0], nearest[:, 1])
        assert (found >= points.min(axis=0)).all()
        assert (found <= points.max(axis=0)).all()


def test_between_points_of_a_lattice():
    lattice = np.stack(np.meshgrid(T[::4], T[::5]), axis=-1).reshape(-1, 2)
    steps = between(lattice) / [T[4], T[5]]
    assert len(steps) == len(lattice)
    whole = abs(steps - np.round(steps)) < 1e-9
    half = abs(steps - np.floor(steps) - 0.5) < 1e-9
    assert (whole ^ half).all()
    assert (half.sum(axis=1) == 1).all()


def test_between_points_of_flat_walls():
    """On the walls, where a condition holds: no corner is cut."""
    found = between(WALLS)
    assert len(found) > 100
    on_wall = np.min([abs(found), abs(1 - found)], axis=(0, 2))
    assert on_wall.max() == 0
    assert {tuple(wall) for wall in np.argwhere(abs(found - 0.5).max(axis=0) == 0.5)} != set()
    oblique = np.concatenate([T[:, None], 2 - 3 * T[:, None]], axis=1)
    found = between(oblique)
    np.testing.assert_allclose(found[:, 1], 2 - 3 * found[:, 0], atol=1e-14)
    plane = np.concatenate([RNG.uniform(size=(200, 2)), np.full((200, 1), 0.3)], axis=1)
    assert (between(plane)[:, 2] == 0.3).all()


def test_no_points_between_those_of_something_curved():
    angles = np.linspace(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert between(circle) is None
    assert between(circle[:20]) is None
    sphere = RNG.normal(size=(300, 3))
    assert between(sphere / np.linalg.norm(sphere, axis=1)[:, None]) is None


def test_no_points_between_a_few():
    """Two ends of an interval are no interval."""
    assert between(np.array([[0.0], [1.0]])) is None
    assert between(RNG.uniform(size=(19, 2))) is None
    same = np.full((50, 2), 0.3)
    assert between(same) is None


def test_many_points():
    points = RNG.uniform(size=(50_000, 2))
    found = between(points)
    assert 500 < len(found) <= 1000
    np.testing.assert_array_equal(between(points), found)


# Regression


def kan(**options):
    return kanml.KAN([1, 1], **{"intervals": 4, **options})


def test_the_final_prediction_error():
    """On average over noise it is the loss at fresh targets of the best fit."""
    x = np.linspace(-1, 1, 40)[:, None]
    net = kan()
    design = net.layers[0].spaces[0].design_matrix(x[:, 0])
    estimates, losses = [], []
    for _ in range(2000):
        y, fresh = np.sin(x) + RNG.normal(0, 0.5, (2, 40, 1))
        fitted = net.with_parameters(np.linalg.lstsq(design, y[:, 0], rcond=None)[0])
        problem = kanml.Regression(x, y)
        found = problem.fresh_loss(fitted)
        assert found.present == problem.evaluation(fitted, want="value").value
        assert found.rows == 40
        estimates.append(found.value)
        losses.append(kanml.Regression(x, fresh).evaluation(fitted, want="value").value)
    difference = np.array(estimates) - losses
    assert abs(difference.mean()) < 5 * difference.std() / np.sqrt(2000)
    assert found.value == pytest.approx(found.present * (40 + 7) / (40 - 7))


def test_all_samples_count_and_no_penalty():
    x = RNG.uniform(-1, 1, (60, 1))
    y = np.stack([np.sin(x[:, 0]), x[:, 0]], axis=1)
    net = kanml.KAN([1, 2], intervals=4, seed=0)
    plain = kanml.Regression(x, y).fresh_loss(net)
    batches = kanml.Regression(x, y, batch_size=7, penalty=kanml.Smoothness(0.1))
    before = batches.state(), batches.value_and_gradient(net)[0]
    assert batches.fresh_loss(net) == plain
    assert (batches.state(), batches.value_and_gradient(net)[0]) == before
    assert plain.rows == 120


def test_rows_count_by_their_weights():
    """Rows of weight zero count as absent, and others by the size of Kish (1965)."""
    x = RNG.uniform(-1, 1, (60, 1))
    kept, net = np.arange(60) < 20, kan()
    absent = kanml.Regression(x[kept], np.sin(x[kept])).fresh_loss(net)
    zero = kanml.Regression(x, np.sin(x), sample_weight=kept.astype(float)).fresh_loss(net)
    assert zero.rows == absent.rows == 20
    assert zero.present == pytest.approx(absent.present, rel=1e-13)
    assert zero.value == pytest.approx(absent.value, rel=1e-13)
    weights = np.where(kept, 3.0, 1.0)
    uneven = kanml.Regression(x, np.sin(x), sample_weight=weights).fresh_loss(net)
    assert uneven.rows == round(100**2 / (20 * 9 + 40))
    halves = [
        kanml.Regression(x[part], np.sin(x[part]), sample_weight=weights[part])
        for part in (slice(0, 30), slice(30, 60))
    ]
    found = in_threads(2, lambda group: halves[group.rank].distributed(group).fresh_loss(net).rows)
    assert found == [uneven.rows] * 2


@pytest.mark.parametrize("loss", ["logistic", "softmax", "poisson"])
def test_likelihoods_have_akaikes_criterion(loss):
    x = RNG.uniform(-1, 1, (50, 1))
    y = RNG.integers(0, 2, 50)
    net = kanml.KAN([1, 2 if loss == "softmax" else 1], intervals=4, seed=0)
    found = kanml.Regression(x, y[:, None], loss=loss).fresh_loss(net)
    assert found.value == pytest.approx(found.present + net.n_parameters / 50)


def test_more_parameters_than_samples():
    x = np.linspace(-1, 1, 7)[:, None]
    assert kanml.Regression(x, x).fresh_loss(kan()).value == np.inf
    assert kanml.Regression(x, x).fresh_loss(kan(intervals=3)).value < np.inf


# PINN


def pinn(points, **options):
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", points, lambda u: u.t - u.xx + u, weight=3.0, **options),
            kanml.Term("walls", WALLS, lambda u, t: (u - t, u.t), reduction="sum"),
        ],
    )


def test_residuals_between_points():
    points = RNG.uniform(size=(200, 2))
    net = kanml.KAN([2, 3, 1], domain=(0, 1), intervals=3, seed=0)
    problem = pinn(points)
    found = problem.fresh_loss(net)

    def loss(inside, walls):
        r = problem.evaluate(net, inside, lambda u: u.t - u.xx + u)
        s = problem.evaluate(net, walls, lambda u, t: (u - t, u.t))
        return 3 * np.mean(r**2) + len(WALLS) * np.mean(np.sum(s**2, axis=1))

    assert found.value == pytest.approx(loss(between(points), between(WALLS)), rel=1e-12)
    assert found.present == pytest.approx(loss(points, WALLS), rel=1e-12)
    assert found.present == pytest.approx(problem.evaluation(net).value, rel=1e-12)
    assert found.rows == 200 + 2 * len(WALLS)
    other = pinn(points, attention=kanml.RBA(0.5), batch_size=50)
    for _ in range(3):
        other.advance(net)
    state = other.state()
    assert other.fresh_loss(net) == found
    assert other.state() == state


@pytest.mark.parametrize("method", ["uniform", "sobol", "residual"])
def test_another_draw(method):
    """Training has not seen its points, and the given ones are those of the present draw."""
    sampler = kanml.Sampler([0, 0], [1, 1], 64, method, every=1, seed=3)
    net = kanml.KAN([2, 1], domain=(0, 1), seed=0)
    problem = kanml.PINN("tx", [kanml.Term("a", sampler, lambda u, x: u - x)])
    found = [problem.fresh_loss(net)]
    for _ in range(3):
        problem.advance(net)
        found.append(problem.fresh_loss(net))
        assert found[-1].present == pytest.approx(problem.evaluation(net).value, rel=1e-12)
    assert len({each.value for each in found}) == 1
    assert len({each.present for each in found}) == 4
    assert found[0].value not in {each.present for each in found}
    assert ((sampler.fresh() >= 0) & (sampler.fresh() <= 1)).all()


def test_terms_that_stay():
    """Arrays, partners and directions of single points: what is at their points stays there."""
    net = kanml.KAN([2, 1], domain=(0, 1), seed=0)
    points = RNG.uniform(size=(100, 2))
    inside = kanml.Term("inside", points, lambda u: u.t)
    measured = RNG.normal(size=len(WALLS))
    staying = {
        "array": kanml.Term("stays", WALLS, lambda u: u - measured),
        "partner": kanml.Term(
            "stays", WALLS, lambda u, u_partner: u - u_partner, partner=1 - WALLS
        ),
        "directions": kanml.Term(
            "stays", WALLS, lambda u: u.n, directions={"n": RNG.normal(size=WALLS.shape)}
        ),
    }
    moved = kanml.PINN("tx", [inside]).fresh_loss(net)
    for term in staying.values():
        alone = kanml.PINN("tx", [term])
        loss = alone.evaluation(net).value
        found = kanml.PINN("tx", [inside, term]).fresh_loss(net)
        assert found.value == pytest.approx(moved.value + loss, rel=1e-12)
        assert found.present == pytest.approx(moved.present + loss, rel=1e-12)
        m, p = len(WALLS), net.n_parameters
        assert alone.fresh_loss(net).value == pytest.approx(loss * (m + p) / (m - p))


def test_unknowns_and_a_transform():
    net = kanml.KAN([1, 1], domain=(0, 1), seed=0)
    problem = kanml.PINN(
        "x",
        [kanml.Term("ode", T[:, None], lambda u, a: u.x - a * u)],
        unknowns={"a": 1.0},
        transform=lambda u, x: 1 + x * u,
        penalty=kanml.Smoothness(0.1),
    )
    found = problem.fresh_loss(net, [2.0])
    r = problem.evaluate(net, between(T[:, None]), lambda u, a: u.x - a * u, [2.0])
    assert found.value == pytest.approx(np.mean(r**2), rel=1e-12)


def test_several_processes():
    """One loss, of the points of all of them."""
    points, net = RNG.uniform(size=(200, 2)), kanml.KAN([2, 1], domain=(0, 1), seed=0)

    def work(communicator):
        mine = slice(communicator.rank, None, communicator.size)
        parts = {
            "pinn": pinn(points[mine]),
            "regression": kanml.Regression(points[mine], points[mine, :1]),
        }
        return {
            name: problem.distributed(communicator).fresh_loss(net)
            for name, problem in parts.items()
        }

    first, second = in_threads(2, work)
    assert first == second
    alone = kanml.Regression(points, points[:, :1]).fresh_loss(net)
    assert first["regression"].rows == alone.rows
    assert first["regression"].value == pytest.approx(alone.value, rel=1e-12)
    assert first["pinn"].rows == 200 + 4 * len(WALLS)
    halves = [pinn(points[i::2]).fresh_loss(net) for i in (0, 1)]
    walls = pinn(points).fresh_loss(net).present - 3 * np.mean(
        pinn(points).evaluate(net, points, lambda u: u.t - u.xx + u) ** 2
    )
    inside = first["pinn"].present - 2 * walls
    assert inside == pytest.approx(np.mean([half.present for half in halves]) - walls, rel=1e-9)
