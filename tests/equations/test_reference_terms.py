"""The terms that the reference problems give to training."""

from __future__ import annotations

import numpy as np
import pytest
from solutions import fields, interior

import kanml
from helpers import naming
from kanml.equations import (
    Advection,
    AllenCahn,
    Biharmonic,
    Burgers,
    Heat,
    Helmholtz,
    KortewegDeVries,
    KuramotoSivashinsky,
    Poisson,
    PoissonInterface,
)
from kanml.problems import RBA, Sampler

PI = np.pi
PERIODIC = [Advection(c=2.5), AllenCahn(), KortewegDeVries(), KuramotoSivashinsky()]
PROBLEMS = [
    Poisson(waves=2),
    Helmholtz(a1=2, a2=3, k=1.5),
    PoissonInterface(),
    Biharmonic(),
    Heat(waves=2),
    Burgers(nu=0.5),
    *PERIODIC,
]
every_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=repr)


class Field(np.ndarray):
    """Values of the solution, with its derivatives as attributes."""

    def __getattr__(self, name):
        return self.derivatives[name]


def field(problem, points, widths):
    derivatives = fields(problem, points, widths)
    values = problem.solution(points)[:, 0].view(Field)
    values.derivatives = derivatives
    return values


@pytest.mark.parametrize(
    ("problem", "widths", "tolerance"),
    [
        (Poisson(waves=2), 0.1, 1e-7),
        (Helmholtz(a1=2, a2=3, k=1.5), 0.1, 1e-7),
        (Biharmonic(), 0.15, 1e-3),
        (Heat(waves=2), 0.1, 1e-8),
        (Burgers(nu=0.5), 0.05, 1e-7),
        (Advection(c=2.5), [0.02, 0.2], 1e-8),
        (AllenCahn(), [0.02, 0.004], 1e-4),
        (KortewegDeVries(), [0.008, 0.05], 1e-3),
        (KuramotoSivashinsky(), [0.005, 0.08], 1e-2),
    ],
    ids=repr,
)
def test_the_volume_residual_vanishes_at_the_solution(problem, widths, tolerance):
    points = interior(problem, np.broadcast_to(widths, 2), 25)
    if isinstance(problem, AllenCahn):
        points[:, 0] = np.maximum(points[:, 0], 0.06)
    (term,) = problem.terms({"volume": points})
    given = dict(zip(problem.inputs, points.T, strict=True))
    named = {name: given[name] for name in "txy" if name in term.residual.__code__.co_varnames}
    residual = term.residual(field(problem, points, widths), **named)
    assert abs(residual).max() <= tolerance


def exact(problem):
    """The solution as a transform of any network, where it has a formula."""
    if isinstance(problem, Poisson):
        return lambda u, x, y: (
            0 * u + np.sin(problem.waves * PI * x) * np.sin(problem.waves * PI * y)
        )
    if isinstance(problem, Biharmonic):
        return lambda u, x, y: 0 * u + (np.sin(PI * x) * np.sin(PI * y)) ** 2
    if isinstance(problem, Heat):
        m = problem.waves * PI
        return lambda u, t, x: 0 * u + np.exp(-problem.alpha * m**2 * t) * np.sin(m * x)
    # With z = |x|, sin(pi x) where x < 0 and sin(2 pi x) where x >= 0.
    return lambda u, x, y, z: 0 * u + np.sin(PI * (1.5 * x + 0.5 * z)) * np.sin(3 * PI * y)


@pytest.mark.parametrize(
    "problem", [Poisson(waves=2), Biharmonic(), Heat(waves=2), PoissonInterface()], ids=repr
)
def test_all_terms_vanish_at_the_solution(problem):
    pinn = problem.pinn(
        dict.fromkeys(problem.conditions, 60), transform=exact(problem), reduction="sum"
    )
    net = kanml.KAN([len(problem.network_inputs), 1], degree=5, intervals=2)
    for name, term in pinn.evaluation(net).terms.items():
        assert term.loss <= 1e-20 * (1e9 if name == "volume" else 1), name
    # Not for want of sensitivity: another function of the same size does not fit.
    wrong = problem.pinn(
        dict.fromkeys(problem.conditions, 60),
        transform=lambda u, x: 0 * u + np.cos(x) + x,
        reduction="sum",
    )
    assert min(term.loss for term in wrong.evaluation(net).terms.values()) > 1e-3


def test_the_interface_is_seen_from_both_sides():
    problem = PoissonInterface()
    net = kanml.KAN([3, 4, 1], intervals=3, seed=2)
    points = problem.equispaced("interface", 9)
    np.testing.assert_array_equal(points[:, 0], 0.0)
    (term,) = problem.terms({"interface": points})
    h = 1e-5

    def value(x):
        return net(problem.level_set(points + np.array([x, 0.0])))[:, 0]

    right, left = (value(h) - value(0.0)) / h, (value(0.0) - value(-h)) / h
    found = kanml.PINN("xyz", [term]).residuals(net) * 3  # the mean of 9 squares
    np.testing.assert_allclose(found, 0.5 * right - left, rtol=0, atol=1e-3)


def test_the_sides_of_the_volume():
    problem = PoissonInterface()
    net = kanml.KAN([3, 4, 1], intervals=3, seed=2)
    points = np.array([[-0.5, 0.3], [0.0, 0.2], [0.4, -0.7]])
    h = np.array([[1e-4, 0.0], [0.0, 1e-4]])

    def second(step, at):
        lifted = [problem.level_set(at + s * step) for s in (0, 1, 2)]  # all on one side
        first, middle, last = (net(x)[:, 0] for x in lifted)
        return (first - 2 * middle + last) / 1e-8

    eps = problem.diffusivity(points)[:, 0]
    outwards = np.where(points[:, :1] < 0, -1, 1) * h[0]
    laplacian = second(outwards, points) + second(h[1], points)
    expected = eps * laplacian - problem.source(points)[:, 0]
    found = problem.pinn({"volume": points}, reduction="sum").residuals(net)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("problem", PERIODIC, ids=repr)
def test_periodic_conditions(problem):
    (_, width) = (high - low for low, high in problem.domain)
    pinn = problem.pinn({"boundary": 7}, seed=3, reduction="sum")
    circle = kanml.PeriodicEmbedding(2, {1: width})
    embedded = kanml.MLP([2, 4, 1], activation="tanh", front=[circle])
    assert abs(pinn.residuals(embedded)).max() < 1e-12
    net = kanml.KAN([2, 3, 1], degree=5, intervals=3, seed=1)
    (term,) = pinn.terms
    assert (term.points[:, 1] == problem.domain[1][0]).all()
    orders = {"Advection": 1, "AllenCahn": 2, "KortewegDeVries": 3, "KuramotoSivashinsky": 4}
    words = ["x" * n for n in range(orders[type(problem).__name__])]
    left, right = (
        net.derivatives(x, words, "tx") for x in (term.points, term.points + np.array([0.0, width]))
    )
    expected = np.concatenate([left[word] - right[word] for word in words], axis=1)
    np.testing.assert_allclose(pinn.residuals(net), expected.ravel(), rtol=1e-9, atol=1e-12)


@every_problem
def test_points_by_number(problem):
    low, high = np.array(problem.domain).T
    numbers = {name: 20 + i for i, name in enumerate(problem.conditions)}
    terms, same, other = (problem.terms(numbers, seed=seed) for seed in (4, 4, 5))
    for term, again, different in zip(terms, same, other, strict=True):
        points = np.asarray(term.points)
        assert points.shape == (numbers[term.name], len(problem.network_inputs))
        points = points[:, :2]
        assert ((points >= low) & (points <= high)).all()
        np.testing.assert_array_equal(term.points, again.points)
        assert (term.points != different.points).any()
        fixed = (points == low) | (points == high) | ((points == 0) & (term.name == "interface"))
        assert fixed.any(axis=1).all() == (term.name != "volume")
    assert [term.name for term in terms] == list(problem.conditions)


WHERE = {
    "Poisson": {"boundary": "x = -1 or x = 1 or y = -1 or y = 1"},
    "Helmholtz": {"boundary": "x = -1 or x = 1 or y = -1 or y = 1"},
    "PoissonInterface": {
        "interface": "x = 0",
        "boundary": "x = -1 or x = 1 or y = -1 or y = 1",
    },
    "Biharmonic": {"boundary": "x = 0 or x = 1 or y = 0 or y = 1"},
    "Heat": {"initial": "t = 0", "boundary": "x = 0 or x = 1"},
    "Burgers": {"initial": "t = 0", "boundary": "x = -1 or x = 1"},
    "Advection": {"initial": "t = 0", "boundary": "x = 0 (their partners, where x = 6.28319"},
    **{
        name: {"initial": "t = 0", "boundary": "x = -1 (their partners, where x = 1,"}
        for name in ("AllenCahn", "KortewegDeVries", "KuramotoSivashinsky")
    },
}


@every_problem
def test_points_must_lie_where_their_condition_holds(problem):
    where = WHERE[type(problem).__name__]
    assert ["volume", *where] == list(problem.conditions)
    low, high = np.array(problem.domain).T
    inside = (low + 0.25 * (high - low)).tolist()
    for name, place in where.items():
        points = problem.equispaced(name, 4)
        points[[1, 3]] = inside
        message = naming(f"points['{name}'] must lie where {place}", f"[1] = {inside}")
        with pytest.raises(ValueError, match=message):
            problem.pinn({name: points})


@pytest.mark.parametrize("problem", PERIODIC, ids=repr)
def test_points_of_a_periodic_condition_lie_on_one_side(problem):
    """On the other side each point would be its own partner, and any network periodic."""
    points = problem.equispaced("boundary", 5)
    points[:, 1] = problem.domain[1][1]
    with pytest.raises(ValueError, match=naming("points['boundary'] must lie where")):
        problem.terms({"boundary": points})


@every_problem
def test_points_on_a_part_up_to_rounding_are_taken_as_they_are(problem):
    low, high = np.array(problem.domain).T
    for name in problem.conditions[1:]:
        exact = problem.equispaced(name, 5)
        rounded = np.nextafter(exact, (low + high + 1e-3) / 2)
        (term,), (expected,) = (problem.terms({name: points}) for points in (rounded, exact))
        np.testing.assert_array_equal(term.points[:, :2], rounded)
        for which, direction in (expected.directions or {}).items():
            np.testing.assert_array_equal(term.directions[which], direction)
        near = exact + 1e-9 * np.sign((low + high + 1e-3) / 2 - exact)
        with pytest.raises(ValueError, match=naming(f"points['{name}'] must lie where")):
            problem.terms({name: near})


def test_equispaced_points():
    problem = Burgers()
    np.testing.assert_array_equal(problem.equispaced("volume", 5), problem.grid(5))
    np.testing.assert_array_equal(
        problem.equispaced("initial", 3), [[0.0, -1.0], [0.0, 0.0], [0.0, 1.0]]
    )
    np.testing.assert_array_equal(
        problem.equispaced("boundary", 2), [[0.0, -1.0], [1.0, -1.0], [0.0, 1.0], [1.0, 1.0]]
    )
    assert PoissonInterface().equispaced("boundary", 50).shape == (200, 2)


def test_options_of_terms():
    problem = Burgers()
    volume = Sampler([0, -1], [1, 1], 50)
    terms = problem.terms(
        {"initial": [[0.0, 0.5]], "volume": volume},
        weights={"volume": 0.25},
        attention={"volume": RBA(0.5)},
        reduction="sum",
    )
    initial, inside = terms
    assert (initial.name, initial.weight, initial.attention) == ("initial", 1.0, None)
    assert inside.points is volume
    assert (inside.weight, inside.attention, inside.reduction) == (0.25, RBA(0.5), "sum")
    pinn = problem.pinn({"volume": volume, "initial": 10})
    assert [term.name for term in pinn.terms] == ["volume", "initial"]


def test_bad_terms():
    problem = Burgers()
    for options in (
        {"points": {"interface": 3}},
        {"points": {"volume": 3}, "weights": {"interface": 1.0}},
        {"points": {"volume": 3}, "attention": {"interface": RBA()}},
    ):
        with pytest.raises(ValueError, match=naming("volume, initial, boundary", "'interface'")):
            problem.terms(**options)
    for options in ({"points": 10}, {"points": {"volume": 3}, "weights": 2.0}):
        with pytest.raises(
            TypeError, match=naming("must be a mapping by condition", [*options.values()][-1])
        ):
            problem.terms(**options)
    with pytest.raises(ValueError, match=naming("points['volume']", 0)):
        problem.terms({"volume": 0})
    with pytest.raises(ValueError, match=naming("points['volume'] must have t in [0, 1]", "2.0")):
        problem.terms({"volume": [[2.0, 0.0]]})
    with pytest.raises(ValueError, match=naming("points['boundary']", "Sampler")):
        problem.terms({"boundary": Sampler([0, -1], [1, 1], 5)})
    for lower, upper in (([0, -1], [1, 1.5]), ([-0.1, -1], [1, 1]), ([0, -1, 0], [1, 1, 1])):
        with pytest.raises(ValueError, match=naming("points['volume']", "[0, 1] x [-1, 1]")):
            problem.terms({"volume": Sampler(lower, upper, 5)})
    with pytest.raises(ValueError, match=naming("points['volume']", "Sampler")):
        PoissonInterface().terms({"volume": Sampler([-1, -1], [1, 1], 5)})
    with pytest.raises(ValueError, match=naming("condition must name", "'edge'")):
        problem.equispaced("edge", 4)
