"""Rows of least squares: residuals, their Jacobian, its products and its triangle."""

from __future__ import annotations

import numpy as np
import pytest
from data_losses import CASES as LOSSES
from data_losses import WEIGHTS, N
from data_losses import X as DATA
from data_losses import network as fitting
from pinn_losses import CASES, MU, X, expected_jacobian, expected_rows, network, one

import kanml
from helpers import naming, reference_layers, relative_error, same_bits
from kanml.optim.matrices import Triangle
from kanml.parallel import in_threads
from reference import networks

EACH = pytest.mark.parametrize("case", CASES)
CURVED = [name for name in LOSSES if not name.startswith(("quantile", "own"))]
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}


def all_of(problem, net, at, num_threads=None):
    """Residuals, Jacobian, products with fixed vectors, and triangle."""
    r = problem.residuals(net, at, num_threads=num_threads)
    jacobian = problem.jacobian(net, at, num_threads=num_threads)
    v, u = directions(jacobian.shape)
    along = problem.jvp(net, v, at, num_threads=num_threads)
    back = problem.vjp(net, u, at, num_threads=num_threads)
    found = problem.evaluation(net, at, "least_squares", num_threads=num_threads)
    return r, jacobian, along, back, found.triangle


def directions(shape):
    rng = np.random.default_rng(7)
    return rng.normal(size=shape[1]), rng.normal(size=shape[0])


def assert_consistent(problem, net, at=None, bound=1e-13):
    """That products and triangle are those of residuals and Jacobian."""
    r, jacobian, along, back, triangle = all_of(problem, net, at)
    m, n = jacobian.shape
    assert problem.n_rows(net) == m == triangle.rows == len(r)
    assert n == net.n_parameters + len(problem.unknowns)
    v, u = directions((m, n))
    assert relative_error(along, jacobian @ v) <= bound
    assert relative_error(back, jacobian.T @ u) <= bound
    assert isinstance(triangle, Triangle)
    assert triangle.matrix.dtype == np.float64
    assert not np.tril(triangle.matrix, -1).any()
    rows = np.c_[jacobian, r].astype(np.float64)
    assert relative_error(triangle.matrix.T @ triangle.matrix, rows.T @ rows) <= bound
    assert triangle.epsilon == EPSILON[net.dtype.name]
    for array in (r, jacobian, along, back):
        assert array.dtype == net.dtype


# Equations


@EACH
def test_residuals_and_jacobian_are_those_of_the_oracle(case):
    """Every entry, by complex steps: scaled, and in the order of terms, points and components."""
    problem, net, formula = CASES[case]
    at = tuple(problem.unknowns.values())
    assert relative_error(problem.residuals(net, at), expected_rows(formula, net, at)) <= 1e-12
    jacobian = problem.jacobian(net, at)
    assert relative_error(jacobian, expected_jacobian(formula, net, at)) <= 1e-11
    assert_consistent(problem, net, at)


@EACH
def test_the_gradient_is_twice_the_product_of_jacobian_and_residuals(case):
    problem, net, _ = CASES[case]
    at = problem.unknowns
    found = problem.evaluation(net, at, "least_squares")
    gradient = 2 * problem.vjp(net, problem.residuals(net, at), at)
    assert relative_error(gradient, found.gradient) <= 1e-12
    assert relative_error(found.triangle.gradient, found.gradient) <= 1e-12
    r = problem.residuals(net, at)
    assert r @ r == pytest.approx(found.value, rel=1e-13)


@EACH
def test_what_else_an_evaluation_holds_keeps_its_bits(case):
    problem, net, _ = CASES[case]
    at = problem.unknowns
    found, expected = (problem.evaluation(net, at, want) for want in ("least_squares", "gradient"))
    assert found.value == expected.value
    assert same_bits(found.gradient, expected.gradient)
    assert found.terms == {} or found.terms.keys() == expected.terms.keys()
    assert expected.triangle is None
    assert problem.evaluation(net, at, "value").triangle is None


@pytest.mark.parametrize("case", ["Burgers", "partners of a system", "everything"])
def test_float32(case):
    problem, net, _ = CASES[case]
    at = problem.unknowns
    single = net.astype("float32")
    double = net.with_parameters(single.parameters)
    found, expected = (problem.jacobian(one, at) for one in (single, double))
    assert relative_error(found, expected) <= 1e-4
    assert_consistent(problem, single, at, bound=1e-5)


def attentive(batch_size=None):
    points = np.random.default_rng(2).uniform(-1, 1, (700, 2))
    return kanml.PINN(
        "tx",
        [
            kanml.Term(
                "a",
                points,
                lambda u, nu: (u.t - nu * u.xx, u * u.x),
                attention=kanml.RBA(MU),
                batch_size=batch_size,
            ),
            kanml.Term("b", points[:90], lambda u: u - 1.0, weight=3.0, reduction="sum"),
        ],
        unknowns={"nu": 0.3},
    )


@pytest.mark.parametrize("batch_size", [None, 200])
def test_after_steps_the_rows_are_those_of_the_attention_and_the_batch(batch_size):
    problem, net = attentive(batch_size), network()
    before = problem.residuals(net, [0.3])
    for _ in range(2):
        problem.advance(net, [0.3])
    assert not np.array_equal(problem.residuals(net, [0.3]), before)
    assert_consistent(problem, net, [0.3])
    found = problem.evaluation(net, [0.3], "least_squares")
    assert relative_error(found.triangle.gradient, found.gradient) <= 1e-12
    assert found.triangle.rows == 2 * (batch_size or 700) + 90
    # The evaluation holds the residuals from which attention grows.
    one, other = (attentive(batch_size) for _ in range(2))
    one.advance(net, [0.3], one.evaluation(net, [0.3], "least_squares"))
    other.advance(net, [0.3])
    assert one.state() == other.state()


def test_an_excerpt_stands_for_all_points():
    problem, net = attentive(), network()
    part, _ = problem.excerpt(50)
    found = part.evaluation(net, [0.3], "least_squares")
    r = part.residuals(net, [0.3])
    assert r @ r == pytest.approx(found.value, rel=1e-13)
    assert relative_error(found.triangle.gradient, found.gradient) <= 1e-12


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_bits_with_any_number_of_threads(dtype):
    for problem, at in ((attentive(), [0.3]), (LOSSES["softmax"].problem(), None)):
        net = network(dtype=dtype) if at else fitting(4, dtype)
        expected = all_of(problem, net, at, num_threads=1)
        for threads in (2, 3, 8):
            found = all_of(problem, net, at, num_threads=threads)
            assert all(map(same_bits, found[:-1], expected[:-1]))
            assert same_bits(found[-1].matrix, expected[-1].matrix)


def test_a_residual_without_the_network_has_rows_too():
    problem = one(lambda u, a, x: (u.x, a * x), problem={"unknowns": {"a": 2.0}})
    net = network()
    jacobian = problem.jacobian(net, [2.0]) * np.sqrt(len(X))
    assert not jacobian[1::2, :-1].any()
    np.testing.assert_allclose(jacobian[1::2, -1], X[:, 1], rtol=1e-15)
    assert not jacobian[::2, -1].any()
    assert_consistent(problem, net, [2.0])


# Data


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_rows_of_data(name, weights):
    """Gradient and Gauss-Newton matrix, with the Hessian of the loss by differences of slopes."""
    case = LOSSES[name]
    net, problem = fitting(case.n_out), case.problem(sample_weight=weights)
    found = problem.evaluation(net, want="least_squares")
    jacobian, r = problem.jacobian(net), problem.residuals(net)
    assert relative_error(2 * jacobian.T @ r, found.gradient) <= 1e-12
    assert relative_error(found.triangle.gradient, found.gradient) <= 1e-12
    assert_consistent(problem, net)
    outputs = networks.evaluate(reference_layers(net), DATA)
    hessian = curvature(case, outputs, np.ones(N) if weights is None else weights)
    of_outputs = outputs_jacobian(net)
    expected = np.einsum("sip,sij,sjq->pq", of_outputs, hessian, of_outputs)
    assert relative_error(2 * jacobian.T @ jacobian, expected) <= 1e-7


def outputs_jacobian(net):
    """Of the outputs (N, n_out, n_parameters), by complex steps."""

    def outputs(parameters):
        return networks.evaluate(reference_layers(net, parameters), DATA)

    steps = np.eye(net.n_parameters)
    return np.stack([networks.complex_step(outputs, net.parameters, d) for d in steps], axis=2)


def curvature(case, u, weights):
    """The second derivatives (N, n_out, n_out) of the loss: differences of complex steps."""
    n, h = u.shape[1], 1e-6
    found = np.empty((len(u), n, n))
    for i, j in np.ndindex(n, n):
        ahead, behind = (
            networks.complex_step(
                lambda z: case.of_samples(z, case.y), u + side * h * np.eye(n)[j], np.eye(n)[i]
            )
            for side in (1, -1)
        )
        found[:, i, j] = (ahead - behind) / (2 * h)
    if isinstance(case.loss, kanml.Huber):  # beyond delta it has the curvature of the parabola
        e = abs(u - case.y)
        for i in range(n):
            found[:, i, i] = np.minimum(1.0, case.loss.delta / e[:, i]) / n
    return found * (weights / weights.sum())[:, None, None]


@pytest.mark.parametrize("name", CURVED)
def test_minibatches_of_data(name):
    case = LOSSES[name]
    net, problem = fitting(case.n_out), case.problem(batch_size=40, sample_weight=WEIGHTS)
    problem.advance(net)
    found = problem.evaluation(net, want="least_squares")
    assert found.triangle.rows == 40 * case.n_out
    assert relative_error(found.triangle.gradient, found.gradient) <= 1e-12
    assert_consistent(problem, net)


# A penalty


def layers_of_two_bases():
    space = kanml.SplineSpace([-1.0, -0.2, 0.3, 1.0], 3)
    layers = [
        kanml.SplineLayer(2, 3, space, basis="relu"),
        kanml.Linear(3, 2),
        kanml.SplineLayer(2, 1, space.refine(), base="silu"),
    ]
    net = kanml.Network(layers)
    return net.with_parameters(
        net.parameters + 0.1 * np.random.default_rng(5).normal(size=net.n_parameters)
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", [network, layers_of_two_bases])
def test_a_penalty_has_the_last_rows(make, dtype):
    net, strength = make().astype(dtype), 0.03
    term = kanml.Term("it", X, lambda u, a: a * u.xx - u)
    without = kanml.PINN("tx", [term], unknowns={"a": 0.5})
    problem = kanml.PINN("tx", [term], unknowns={"a": 0.5}, penalty=kanml.Smoothness(strength))
    bound = 1e-12 if dtype == "float64" else 1e-4
    assert_consistent(problem, net, [0.5], bound)
    found = problem.evaluation(net, [0.5], "least_squares")
    r, jacobian = problem.residuals(net, [0.5]), problem.jacobian(net, [0.5])
    m = len(X)
    assert same_bits(r[:m], without.residuals(net, [0.5]))
    assert same_bits(jacobian[:m], without.jacobian(net, [0.5]))
    assert r @ r == pytest.approx(found.value, rel=bound)
    assert r[m:] @ r[m:] == pytest.approx(found.terms["smoothness"].loss, rel=bound)
    assert relative_error(2 * jacobian.T @ r, found.gradient) <= bound
    assert relative_error(found.triangle.gradient, found.gradient) <= bound
    assert not jacobian[m:, -1].any()
    # A row is the root of the strength and of the weight of a point, times phi'' there.
    layer = net.layers[0]
    space, degree = layer.spaces[0], layer.degree
    nodes, weights = np.polynomial.legendre.leggauss(degree - 1)
    halves = np.diff(space.breakpoints) / 2
    x = (space.breakpoints[:-1, None] + halves[:, None] * (1 + nodes)).ravel()
    theta = net.astype("float64").to_basis("spline").parameters
    c = theta[: space.dim * layer.n_out].reshape(space.dim, -1)  # of the first input
    bent = np.sqrt(strength * np.outer(halves, weights).ravel()[:, None]) * (
        space.design_matrix(x, derivative=2) @ c
    )
    assert relative_error(r[m : m + bent.size], bent.ravel()) <= bound * 10


# Several processes


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("penalty", [None, kanml.Smoothness(0.01)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_rows_of_all_processes(size, penalty, dtype):
    """All of them have the same bits, and the rows of one process where it has all samples."""
    net = network(dtype=dtype)

    def problem(points):
        terms = [
            kanml.Term("pde", points, lambda u, a: (u.t - a * u.xx, u), 0.7),
            kanml.Term("sum", points[::2], lambda u, x: u - x, reduction="sum"),
        ]
        return kanml.PINN("tx", terms, unknowns={"a": 0.1}, penalty=penalty)

    def evaluate(communicator):
        mine = problem(np.array_split(X, [0, 3, 8][1:size])[communicator.rank])
        mine = mine.distributed(communicator)
        found = mine.evaluation(net, [0.2], "least_squares")
        bound = 1e-13 if dtype == "float64" else 1e-5
        assert_consistent(mine, net, [0.2], 10 * bound)
        assert relative_error(found.triangle.gradient, found.gradient) <= 100 * bound
        r = mine.residuals(net, [0.2])
        assert r @ r == pytest.approx(found.value, rel=bound)
        *arrays, triangle = all_of(mine, net, [0.2])
        return [*arrays, triangle.matrix]

    first, *others = in_threads(size, evaluate)
    for other in others:
        assert all(map(same_bits, first, other))
    if size == 1:
        *arrays, triangle = all_of(problem(X), net, [0.2])
        assert all(map(same_bits, first, [*arrays, triangle.matrix]))


def test_inputs_that_one_process_refuses_are_refused_in_all():
    net = kanml.KAN([2, 1], extrapolation="error")

    def evaluate(communicator):
        points = X * (3.0 if communicator.rank == 1 else 0.5)
        problem = one(lambda u: u.t, points).distributed(communicator)
        caught = []
        for call in (
            lambda: problem.residuals(net),
            lambda: problem.jacobian(net),
            lambda: problem.jvp(net, np.ones(net.n_parameters)),
            lambda: problem.vjp(net, np.ones(problem.n_rows(net))),
            lambda: problem.evaluation(net, want="least_squares"),
        ):
            with pytest.raises(ValueError, match="outside") as error:
                call()
            caught.append(str(error.value))
        return caught

    ours, theirs = in_threads(2, evaluate)
    assert all("process 1" in message for message in ours)
    assert all("term 'it'" in message for message in theirs)


# What is refused


class Own(kanml.Problem):
    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        return kanml.Evaluation(1.0, np.zeros(net.n_parameters))

    def fingerprint(self):
        return "own"


def test_problems_without_rows_say_what_is_missing():
    problem, net = Own(), network()
    for call in (
        lambda: problem.n_rows(net),
        lambda: problem.residuals(net),
        lambda: problem.jacobian(net),
        lambda: problem.jvp(net, net.parameters),
        lambda: problem.vjp(net, [1.0]),
    ):
        with pytest.raises(TypeError, match=naming("Own", "n_rows", "jacobian", "triangle")):
            call()


def test_vectors_of_another_length_are_refused():
    problem, net, _ = CASES["unknowns"]
    n, m = net.n_parameters + 2, len(X)
    at = problem.unknowns
    with pytest.raises(ValueError, match=naming("direction", f"({n},)", f"({n - 2},)")):
        problem.jvp(net, net.parameters, at)
    with pytest.raises(ValueError, match=naming("cotangent", f"({m},)", f"({m}, 1)")):
        problem.vjp(net, np.ones((m, 1)), at)
    with pytest.raises(TypeError, match=naming("direction", "real numbers")):
        problem.jvp(net, ["a"] * n, at)


def test_a_network_that_does_not_fit_is_refused():
    for problem in (CASES["Burgers"][0], kanml.Regression(DATA, DATA)):
        net = kanml.KAN([3, 1])
        for call in (problem.n_rows, problem.residuals, problem.jacobian):
            with pytest.raises(ValueError, match=naming("3 inputs", "does not fit")):
                call(net)


def test_a_jacobian_that_memory_cannot_hold_is_refused():
    x = np.zeros((1_000_000, 1))
    net = kanml.KAN([1, 1], intervals=2**20)
    with pytest.raises(ValueError, match=naming("1000000 residuals", "1048579 parameters", "GB")):
        kanml.Regression(x, x).jacobian(net)
    with pytest.raises(ValueError, match=naming("least squares", "1048579 parameters", "GB")):
        kanml.Regression(x[:5], x[:5]).evaluation(net, want="least_squares")
