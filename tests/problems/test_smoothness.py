"""The penalty for splines that bend: its value, gradient and rows, and where it is refused."""

import copy
import pickle

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate

import kanml
from helpers import every_layer, naming, random_breakpoints, same_bits, with_random_parameters
from kanml.parallel import in_threads
from reference import splines

X = np.random.default_rng(0).uniform(-1, 1, (40, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:]
STRENGTH = 0.3
DEGREES = pytest.mark.parametrize("degree", [2, 3, 4, 5])


def uneven(degree, **options):
    """Two layers of splines with a map between them, knots of many kinds, and base functions."""
    rng = np.random.default_rng(degree)
    a, b = (kanml.SplineSpace(random_breakpoints(rng, n, -1, 1), degree) for n in (1, 4))
    layers = [
        kanml.SplineLayer(3, 2, [a, b, b], **options),
        kanml.Linear(2, 2),
        kanml.SplineLayer(2, 1, kanml.SplineSpace.uniform(-2, 3, 3, degree), **options),
    ]
    return with_random_parameters(kanml.Network(layers), degree)


def penalty_of(net, x=None, strength=STRENGTH):
    """The penalty and its gradient: the loss with it, less the loss without."""
    x = np.zeros((1, net.n_in)) if x is None else x
    y = np.asarray(net(x), dtype=np.float64)  # so that the other part is 0
    found = kanml.Regression(x, y, penalty=kanml.Smoothness(strength)).evaluation(net)
    return found.value, found.gradient


def integrals(net, parameters=None):
    """The integral of the square of the second derivative, of each spline, by SciPy."""
    theta = net.parameters if parameters is None else parameters
    found = []
    for block in net.blocks:
        layer = net.layers[block.layer]
        if block.name != "coefficients":
            continue
        coefficients, start = theta[block.slice].reshape(block.shape), 0
        for space in layer.spaces:
            knots = splines.knots_with_ghosts(space.breakpoints, space.degree)
            for c in coefficients[start : start + space.dim].T:
                bent = scipy.interpolate.BSpline(knots, c, space.degree).derivative(2)
                pieces = zip(space.breakpoints, space.breakpoints[1:], strict=False)
                found += [
                    scipy.integrate.quad(lambda x, bent=bent: bent(x) ** 2, *ends, epsabs=0)[0]
                    for ends in pieces
                ]
            start += space.dim
    return found


# Values and gradients


@DEGREES
@pytest.mark.parametrize("base", [None, "silu"])
def test_values_are_those_of_scipy(degree, base):
    net = uneven(degree, base=base)
    value, _ = penalty_of(net)
    assert value == pytest.approx(STRENGTH * np.sum(integrals(net)), rel=1e-11)


def test_the_value_of_a_parabola():
    """(3 x^2)'' = 6 on [-1, 2], and a line that adds nothing."""
    space = kanml.SplineSpace.uniform(-1, 2, 4, 3)
    x = np.linspace(-1, 2, 60)
    theta = np.linalg.lstsq(space.design_matrix(x), 3 * x**2 - x + 2, rcond=None)[0]
    net = kanml.Network([kanml.SplineLayer(1, 1, space)]).with_parameters(theta)
    assert penalty_of(net)[0] == pytest.approx(STRENGTH * 36 * 3, rel=1e-12)


@DEGREES
def test_gradients_are_differences_of_values(degree):
    """The penalty is a parabola along every line, whose differences are exact at any distance."""
    net = uneven(degree)
    _, gradient = penalty_of(net)
    for direction in np.eye(net.n_parameters):
        ahead, behind = (
            STRENGTH * np.sum(integrals(net, net.parameters + sign * direction)) for sign in (1, -1)
        )
        expected = (ahead - behind) / 2
        assert gradient @ direction == pytest.approx(expected, rel=1e-9, abs=1e-9 * ahead)


@DEGREES
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_the_penalty_is_the_same_number_on_every_level(degree, basis):
    net = uneven(degree)
    expected, _ = penalty_of(net)
    net = net.to_basis(basis)
    for level in range(4):
        value, _ = penalty_of(net)
        # Weights of ReLU powers have errors of their own, which grow as the knots come closer.
        bound = 1e-12 if basis == "spline" else 1e-15 * 30 ** (degree - 1) * 4.0**level
        assert value == pytest.approx(expected, rel=bound)
        net = net.refine()


def test_the_gradient_in_relu_weights_is_that_of_the_same_function():
    net = uneven(3)
    relu = net.to_basis("relu")
    _, in_splines = penalty_of(net)
    _, in_relus = penalty_of(relu)
    tangent = np.random.default_rng(0).normal(size=net.n_parameters)
    change = net._architecture.change_of_basis("relu")
    assert in_relus @ (change @ tangent) == pytest.approx(in_splines @ tangent, rel=1e-9)


def test_float32():
    single = kanml.KAN([2, 3, 1], intervals=6, seed=0, dtype="float32")
    single = single.with_parameters(np.random.default_rng(1).normal(size=single.n_parameters))
    double = kanml.KAN([2, 3, 1], intervals=6, seed=0).with_parameters(single.parameters)
    value, gradient = penalty_of(double)
    found, slope = penalty_of(single)
    assert slope.dtype == np.float32
    assert found == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=1e-4, atol=1e-5 * abs(gradient).max())


def test_what_is_too_large_is_infinite():
    """Without a warning, as in the core: trials of a search may go anywhere."""
    net, penalty = kanml.KAN([1, 1], intervals=3, seed=0), kanml.Smoothness(1.0)
    far = net.with_parameters(1e160 * net.parameters)
    assert regression(penalty, X[:, :1]).evaluation(far, want="value").value == np.inf
    single = kanml.KAN([1, 1], intervals=3, seed=0, dtype="float32")
    problem = regression(kanml.Smoothness(1e300), X[:, :1])
    assert np.isinf(problem.evaluation(single).gradient).any()
    for rows in (
        problem.residuals(single),
        problem.jvp(single, single.parameters),
        problem.jacobian(single),
    ):
        assert np.isinf(rows[len(X) :]).any()
        assert np.isfinite(rows[: len(X)]).all()


# In problems


def pinn(penalty=None, points=X, **options):
    term = kanml.Term("pde", points, lambda u, a: u.t + a * u.xx - u, 0.7, **options)
    return kanml.PINN("tx", [term], unknowns={"a": 0.1}, penalty=penalty)


def regression(penalty=None, x=X, y=Y):
    return kanml.Regression(x, y, penalty=penalty)


BOTH = pytest.mark.parametrize("make", [pinn, regression])
NET = kanml.KAN([2, 3, 1], intervals=3, seed=0)
PENALTY = kanml.Smoothness(STRENGTH)


def unknowns_of(problem):
    return list(problem.unknowns.values())


@BOTH
def test_it_is_added_to_the_loss_and_its_gradient(make):
    without, problem = make(), make(PENALTY)
    at = unknowns_of(problem)
    penalty, slope = penalty_of(NET)
    value, gradient = problem.value_and_gradient(NET, at)
    before, expected = without.value_and_gradient(NET, at)
    assert value == pytest.approx(before + penalty, rel=1e-14)
    expected[: NET.n_parameters] += slope
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)
    assert problem.evaluation(NET, at, "value").value == value
    free = make(kanml.Smoothness(0)).value_and_gradient(NET, at)
    assert free[0] == before


def test_it_is_a_term_of_a_pinn():
    terms = pinn(PENALTY).evaluation(NET, [0.1]).terms
    penalty, _ = penalty_of(NET)
    assert list(terms) == ["pde", "smoothness"]
    assert terms["smoothness"].loss == pytest.approx(penalty, rel=1e-14)
    assert terms["smoothness"].sum == pytest.approx(np.sum(integrals(NET)), rel=1e-11)
    result = kanml.train(NET, pinn(PENALTY), [3], progress=False)
    assert result.history.terms["smoothness"][0] == terms["smoothness"].loss


@BOTH
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_count_it_once(make, size):
    penalty, _ = penalty_of(NET)

    def evaluate(communicator):
        found = []
        for problem in (make(PENALTY), make()):
            mine = problem.distributed(communicator)
            found.append(mine.value_and_gradient(NET, unknowns_of(mine)))
        return found

    alone, before = make(PENALTY), make()
    at = unknowns_of(alone)
    expected = alone.value_and_gradient(NET, at)[1] - before.value_and_gradient(NET, at)[1]
    for (value, gradient), (before, other) in in_threads(size, evaluate):
        assert value - before == pytest.approx(penalty, rel=1e-12)
        np.testing.assert_allclose(gradient - other, expected, rtol=1e-11, atol=1e-12)


@BOTH
def test_it_belongs_to_the_identity_of_a_problem(make):
    problem, net = make(PENALTY), NET
    at = unknowns_of(problem)
    value = problem.evaluation(net, at).value
    for same in (copy.copy(problem), copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert same.penalty == PENALTY
        assert same.evaluation(net, at).value == value
        assert same.fingerprint() == problem.fingerprint()
    others = [make(), make(kanml.Smoothness(0.4))]
    assert len({problem.fingerprint(), *(other.fingerprint() for other in others)}) == 3
    assert repr(PENALTY) == "Smoothness(strength=0.3)"
    assert repr(PENALTY) in repr(problem)


@BOTH
def test_an_excerpt_has_all_of_it(make):
    part, _ = make(PENALTY).excerpt(7)
    without, _ = make().excerpt(7)
    at = unknowns_of(part)
    penalty, _ = penalty_of(NET)
    difference = part.evaluation(NET, at).value - without.evaluation(NET, at).value
    assert difference == pytest.approx(penalty, rel=1e-12)


def test_it_does_not_depend_on_threads_or_samples():
    net = every_layer(3)
    values = [penalty_of(net, x)[0] for x in (X[:1], X)]
    assert values[0] == values[1]
    problem = regression(PENALTY)
    net = kanml.KAN([2, 30, 1], intervals=20, seed=0)
    found = [problem.value_and_gradient(net, num_threads=threads) for threads in (1, 2, 3)]
    for value, gradient in found[1:]:
        assert value == found[0][0]
        assert same_bits(gradient, found[0][1])


# What is refused


@pytest.mark.parametrize(
    ("strength", "error"),
    [(-1e-9, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("1", TypeError)],
)
def test_bad_strengths_are_named(strength, error):
    with pytest.raises(error, match=naming("strength", "a number >= 0", repr(strength))):
        kanml.Smoothness(strength)


@BOTH
def test_what_is_no_penalty_is_named(make):
    with pytest.raises(TypeError, match=naming("penalty", "kanml.Smoothness", "0.1")):
        make(0.1)


@BOTH
def test_networks_without_second_derivatives_are_refused(make):
    problem = make(PENALTY)
    at = unknowns_of(problem)
    space = kanml.SplineSpace.uniform(-1, 1, 3, 2)
    straight = [
        kanml.SplineLayer(2, 2, space),
        kanml.SplineLayer(2, 1, kanml.SplineSpace([0, 1], 1)),
    ]
    if make is pinn:
        straight = straight[::-1]  # a PINN needs the degree itself
    if make is regression:
        with pytest.raises(
            ValueError, match=naming("penalty", "layers[1]", "degree 1", "degree 2")
        ):
            problem.evaluation(kanml.Network(straight), at)
    with pytest.raises(ValueError, match=naming("penalty", "without spline layers")):
        problem.evaluation(kanml.MLP([2, 4, 1], activation="tanh"), at)


def test_no_term_of_a_pinn_has_its_name():
    terms = [kanml.Term("smoothness", X, lambda u: u.t)]
    kanml.PINN("tx", terms)
    with pytest.raises(ValueError, match=naming("'smoothness'", "penalty")):
        kanml.PINN("tx", terms, penalty=PENALTY)
