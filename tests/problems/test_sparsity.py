"""The penalty that switches off inputs or edges: its value, gradient, rows, and what it finds."""

import copy
import pickle

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate

import kanml
from helpers import naming, random_breakpoints, with_random_parameters
from kanml.parallel import in_threads
from reference import splines

X = np.random.default_rng(0).uniform(-1, 1, (40, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:]
STRENGTH = 0.3
ROUNDING = 1e-3
DEGREES = pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
GROUPS = pytest.mark.parametrize("groups", ["inputs", "edges"])


def uneven(degree):
    """Two layers of splines with a map between them, and knots of many kinds."""
    rng = np.random.default_rng(degree)
    a, b = (kanml.SplineSpace(random_breakpoints(rng, n, -1, 1), degree) for n in (1, 4))
    layers = [
        kanml.SplineLayer(3, 2, [a, b, b]),
        kanml.Linear(2, 2),
        kanml.SplineLayer(2, 1, kanml.SplineSpace.uniform(-2, 3, 3, degree)),
    ]
    return with_random_parameters(kanml.Network(layers), degree)


def penalty_of(net, penalty, x=None):
    """The penalty and its gradient: the loss with it, less the loss without."""
    x = np.zeros((1, net.n_in)) if x is None else x
    y = np.asarray(net(x), dtype=np.float64)  # so that the other part is 0
    found = kanml.Regression(x, y, penalty=penalty).evaluation(net)
    return found.value, found.gradient


def mean_over_domain(phi, space):
    pieces = zip(space.breakpoints, space.breakpoints[1:], strict=False)
    total = sum(scipy.integrate.quad(phi, *ends, epsabs=0)[0] for ends in pieces)
    return total / (space.breakpoints[-1] - space.breakpoints[0])


def variances(net):
    """The variance of each spline over its domain, by SciPy: (n_in, n_out) for each layer."""
    found = []
    for block in net.blocks:
        layer = net.layers[block.layer]
        if block.name != "coefficients":
            continue
        coefficients, start = net.parameters[block.slice].reshape(block.shape), 0
        of_layer = np.zeros((layer.n_in, layer.n_out))
        for i, space in enumerate(layer.spaces):
            knots = splines.knots_with_ghosts(space.breakpoints, space.degree)
            for j, c in enumerate(coefficients[start : start + space.dim].T):
                phi = scipy.interpolate.BSpline(knots, c, space.degree)
                mean = mean_over_domain(phi, space)
                square = lambda x, phi=phi, mean=mean: (phi(x) - mean) ** 2  # noqa: E731
                of_layer[i, j] = mean_over_domain(square, space)
            start += space.dim
        found.append(of_layer)
    return found


def sizes(net, groups):
    if groups == "edges":
        return [np.sqrt(v) for v in variances(net)]
    return [np.sqrt(v.sum(axis=1)) for v in variances(net)]


def expected(net, groups):
    every = np.concatenate([size.ravel() for size in sizes(net, groups)])
    return STRENGTH * np.sum(np.sqrt(every**2 + ROUNDING**2) - ROUNDING)


# Values and gradients


@GROUPS
@DEGREES
def test_values_are_those_of_scipy(degree, groups):
    net, penalty = uneven(degree), kanml.Sparsity(STRENGTH, groups)
    assert penalty_of(net, penalty)[0] == pytest.approx(expected(net, groups), rel=1e-11)
    for found, size in zip(penalty.sizes(net), sizes(net, groups), strict=True):
        np.testing.assert_allclose(found, size, rtol=1e-11)


def test_the_value_of_a_line():
    """3 x on [-1, 2] has the standard deviation 3 * 3 / 12**0.5, whatever constant is added."""
    space = kanml.SplineSpace.uniform(-1, 2, 4, 3)
    x = np.linspace(-1, 2, 60)
    theta = np.linalg.lstsq(space.design_matrix(x), 3 * x + 100, rcond=None)[0]
    net = kanml.Network([kanml.SplineLayer(1, 1, space)]).with_parameters(theta)
    size = 9 / np.sqrt(12)
    value, _ = penalty_of(net, kanml.Sparsity(STRENGTH))
    assert value == pytest.approx(STRENGTH * (np.hypot(size, ROUNDING) - ROUNDING), rel=1e-11)


@GROUPS
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_gradients_are_differences_of_values(groups, scale):
    """At functions of usual sizes, and at those that rounding matters for."""
    net = uneven(3)
    net = net.with_parameters(scale * net.parameters)
    _, gradient = penalty_of(net, kanml.Sparsity(STRENGTH, groups))
    step = 1e-4 * scale
    for i, direction in enumerate(np.eye(net.n_parameters)):
        if net.blocks[1].slice.start <= i < net.blocks[1].slice.stop:
            assert gradient[i] == 0  # of the linear layer
        ahead, behind = (
            expected(net.with_parameters(net.parameters + s * direction), groups)
            for s in (step, -step)
        )
        assert gradient[i] == pytest.approx((ahead - behind) / (2 * step), rel=1e-5, abs=1e-7)


@GROUPS
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_the_penalty_is_the_same_number_on_every_level(basis, groups):
    net, penalty = uneven(3), kanml.Sparsity(STRENGTH, groups)
    value, gradient = penalty_of(net, penalty)
    other = net.to_basis(basis)
    tangent = np.random.default_rng(0).normal(size=net.n_parameters)
    change = net._architecture.change_of_basis(basis)
    _, slope = penalty_of(other, penalty)
    assert slope @ (change @ tangent) == pytest.approx(gradient @ tangent, rel=1e-9)
    for _ in range(3):
        other = other.refine()
        assert penalty_of(other, penalty)[0] == pytest.approx(value, rel=1e-9)


def test_units_of_inputs_do_not_matter():
    spaces = [kanml.SplineSpace.uniform(-1, 1, 3, 3), kanml.SplineSpace.uniform(-50, 50, 3, 3)]
    nets = [kanml.Network([kanml.SplineLayer(1, 2, space)], seed=0) for space in spaces]
    nets[1] = nets[1].with_parameters(nets[0].parameters)
    values = [penalty_of(net, kanml.Sparsity(STRENGTH))[0] for net in nets]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_constants_are_free():
    net = uneven(3)
    net = net.with_parameters(np.full(net.n_parameters, 2.0))
    value, gradient = penalty_of(net, kanml.Sparsity(STRENGTH))
    assert value == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_what_is_too_large_is_infinite():
    net = kanml.KAN([2, 1], intervals=3, seed=0)
    far = net.with_parameters(1e200 * net.parameters)
    assert regression(kanml.Sparsity(1.0)).evaluation(far, want="value").value == np.inf


# Rows


@GROUPS
def test_rows_have_its_gradient(groups):
    penalty, net = kanml.Sparsity(STRENGTH, groups), with_random_parameters(NET, 1)
    with_it, without = regression(penalty), regression()
    start = without.n_rows(net)
    r, J = with_it.residuals(net)[start:], with_it.jacobian(net)[start:]
    assert with_it.n_rows(net) == start + len(r)
    _, gradient = penalty_of(net, penalty, X)
    np.testing.assert_allclose(2 * J.T @ r, gradient, rtol=1e-11, atol=1e-13)
    direction = np.random.default_rng(0).normal(size=net.n_parameters)
    np.testing.assert_allclose(with_it.jvp(net, direction)[start:], J @ direction, atol=1e-13)
    cotangent = np.concatenate([np.zeros(start), np.random.default_rng(1).normal(size=len(r))])
    np.testing.assert_allclose(with_it.vjp(net, cotangent), J.T @ cotangent[start:], atol=1e-12)


@GROUPS
def test_a_step_of_least_squares_decreases_its_bound(groups):
    """sqrt(s^2 + e^2) lies below the parabola in s that touches it, which the rows are roots of."""
    penalty = kanml.Sparsity(STRENGTH, groups)
    net = with_random_parameters(NET, 1)
    triangle = regression(penalty).evaluation(net, want="least_squares").triangle
    before, _ = regression(penalty).value_and_gradient(net)
    np.testing.assert_allclose(
        triangle.gradient, regression(penalty).value_and_gradient(net)[1], rtol=1e-9, atol=1e-12
    )
    result = kanml.train(
        net, regression(penalty), [10], optimizer=kanml.LevenbergMarquardt(), progress=False
    )
    assert (np.diff(result.history.loss) <= 1e-12).all()
    assert result.history.loss[-1] < before


def test_it_is_not_affine():
    with pytest.raises(TypeError, match="affine"):
        regression(kanml.Sparsity(STRENGTH)).linear_parameters(NET)


# In problems


NET = kanml.KAN([2, 3, 1], intervals=3, seed=0)
SEVERAL = [
    kanml.Smoothness(0.01),
    kanml.Sparsity(STRENGTH),
    kanml.Sparsity(0.2, groups="edges"),
]


def pinn(penalty=None):
    term = kanml.Term("pde", X, lambda u, a: u.t + a * u.xx - u, 0.7)
    return kanml.PINN("tx", [term], unknowns={"a": 0.1}, penalty=penalty)


def regression(penalty=None):
    return kanml.Regression(X, Y, penalty=penalty)


BOTH = pytest.mark.parametrize("make", [pinn, regression])


def at(problem):
    return list(problem.unknowns.values())


@BOTH
def test_several_add_up(make):
    problem, values = make(SEVERAL), at(make())
    parts = [penalty_of(NET, part) for part in SEVERAL]
    before, slope = make().value_and_gradient(NET, values)
    value, gradient = problem.value_and_gradient(NET, values)
    assert value == pytest.approx(before + sum(part[0] for part in parts), rel=1e-13)
    slope[: NET.n_parameters] += sum(part[1] for part in parts)
    np.testing.assert_allclose(gradient, slope, rtol=1e-11, atol=1e-13)
    r, J = problem.residuals(NET, values), problem.jacobian(NET, values)
    np.testing.assert_allclose(2 * J.T @ r, gradient, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(problem.vjp(NET, r, values), J.T @ r, rtol=1e-11, atol=1e-12)
    whole = problem.evaluation(NET, values, "least_squares").triangle
    np.testing.assert_allclose(whole.gradient, gradient, rtol=1e-10, atol=1e-12)


def test_they_are_terms_of_a_pinn():
    terms = pinn(SEVERAL).evaluation(NET, [0.1]).terms
    assert list(terms) == ["pde", "smoothness", "sparsity of inputs", "sparsity of edges"]
    for term, part in zip(list(terms.values())[1:], SEVERAL, strict=True):
        assert term.loss == pytest.approx(penalty_of(NET, part)[0], rel=1e-14)
    assert terms["sparsity of inputs"].count == 5
    assert terms["sparsity of edges"].count == 9
    every = np.concatenate(SEVERAL[1].sizes(NET))
    assert terms["sparsity of inputs"].largest == pytest.approx(every.max(), rel=1e-12)
    taken = [kanml.Term("sparsity of inputs", X, lambda u: u.t)]
    with pytest.raises(ValueError, match=naming("'sparsity of inputs'", "penalty")):
        kanml.PINN("tx", taken, penalty=SEVERAL)


@BOTH
def test_several_processes_count_them_once(make):
    values = at(make())
    expected, _ = make(SEVERAL).value_and_gradient(NET, values)

    def evaluate(communicator):
        mine = make(SEVERAL).distributed(communicator)
        return mine.value_and_gradient(NET, values)[0], mine.residuals(NET, values)

    for value, residuals in in_threads(2, evaluate):
        assert value == pytest.approx(expected, rel=1e-12)
        assert len(residuals) == make(SEVERAL).n_rows(NET) + make().n_rows(NET)


@BOTH
def test_they_belong_to_the_identity_of_a_problem(make):
    problem, values = make(SEVERAL), at(make())
    value = problem.evaluation(NET, values).value
    for same in (copy.copy(problem), copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert list(same.penalty) == SEVERAL
        assert same.evaluation(NET, values).value == value
        assert same.fingerprint() == problem.fingerprint()
    others = [make(), make(SEVERAL[1:]), make(SEVERAL[1]), make(kanml.Sparsity(0.3, "edges"))]
    assert len({problem.fingerprint(), *(other.fingerprint() for other in others)}) == 5


@BOTH
def test_a_problem_keeps_its_penalty(make):
    """Its loss would not change with the attribute, once it was evaluated."""
    problem = make(SEVERAL)
    with pytest.raises(AttributeError, match="penalty"):
        problem.penalty = None
    assert list(problem.penalty) == SEVERAL


@GROUPS
def test_what_is_not_needed_is_switched_off(groups):
    """The last input is not needed, nor is the edge from the first one to the second output."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 3))
    y = np.column_stack([np.sin(3 * x[:, 0]) + x[:, 1], x[:, 1] ** 2])
    y = y + rng.normal(0, 0.2, y.shape)
    penalty = kanml.Sparsity(0.1, groups)
    problem = kanml.Regression(x, y, penalty=penalty)
    net = kanml.train(kanml.KAN([3, 2], seed=0), problem, [200], progress=False).network
    (found,) = penalty.sizes(net)
    needed = [[True, False], [True, True], [False, False]]
    if groups == "inputs":
        needed = np.any(needed, axis=1)
    np.testing.assert_array_equal(found > 0.05, needed)
    np.testing.assert_array_equal(found > 0.005, needed)


# What is refused


@pytest.mark.parametrize(
    ("strength", "error"),
    [(-1e-9, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("1", TypeError)],
)
def test_bad_strengths_are_named(strength, error):
    with pytest.raises(error, match=naming("strength", "a number >= 0", repr(strength))):
        kanml.Sparsity(strength)


def test_bad_groups_are_named():
    with pytest.raises(ValueError, match=naming("groups", "'inputs'", "'edges'", "'rows'")):
        kanml.Sparsity(0.1, groups="rows")


@BOTH
@pytest.mark.parametrize("penalty", [0.1, [], [0.1], [kanml.Smoothness(1e-3), None]])
def test_what_is_no_penalty_is_named(make, penalty):
    with pytest.raises(TypeError, match=naming("penalty", "kanml.Sparsity", repr(penalty))):
        make(penalty)


@BOTH
def test_the_same_kind_twice_is_refused(make):
    twice = [kanml.Sparsity(0.1), kanml.Sparsity(0.2)]
    with pytest.raises(ValueError, match=naming("penalty", "different kinds", "strength=0.2")):
        make(twice)


def test_networks_with_other_functions_are_refused():
    penalty = kanml.Sparsity(0.1)
    problem = regression(penalty)
    for evaluate in (problem.evaluation, penalty.sizes):
        with pytest.raises(ValueError, match=naming("penalty", "without spline layers")):
            evaluate(kanml.MLP([2, 4, 1], activation="tanh"))
    based = kanml.KAN([2, 1], base="silu")
    for evaluate in (problem.evaluation, problem.residuals, problem.jacobian, penalty.sizes):
        with pytest.raises(ValueError, match=naming("layers[0]", "base functions")):
            evaluate(based)


def test_variable_projection_says_that_the_penalty_is_in_its_way():
    net, problem = kanml.KAN([2, 1]), regression(kanml.Sparsity(0.1))
    with pytest.raises(TypeError, match=naming("VariableProjection", "penalty")):
        kanml.train(net, problem, [1], kanml.VariableProjection(), progress=False)
