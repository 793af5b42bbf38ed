"""Rows of least squares: their Jacobian, its products with vectors, and its triangle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from row_terms import LeastSquares, RowTerm

import kanml
from helpers import (
    every_layer,
    naming,
    relative_error,
    run_python,
    same_bits,
    with_random_parameters,
)
from kanml import _core
from layer_examples import NAMES, example, reach

RNG = np.random.default_rng(5)
X = RNG.uniform(-1, 1, (70, 2))  # a whole tile and a part of one
SPACE = kanml.SplineSpace.uniform(-1, 1, intervals=3, degree=4)


def values(u):
    """Two rows of two outputs."""
    ((a, b),) = u
    return a * b, a - 0.5 * b


def values_of(net, x=X):
    return LeastSquares(net, [RowTerm(values, [(x, [], np.zeros((0, net.n_in)))], 2)], [0.7])


def layer_case(kind, name):
    """A layer with other layers before and behind it."""
    layer = example(kind, name, 3)
    layers = [
        kanml.Linear(2, 3),
        kanml.Activation("sin"),
        kanml.Affine(reach(layer), 0.0),
        layer,
        kanml.Linear(layer.n_out or 3, 2),
    ]
    net = with_random_parameters(kanml.Network(layers, seed=0), seed=1)
    order = min([3, *(part.degree for part in layers if part.degree is not None)])

    def rows(u):
        return sum(plane[0] * plane[1] for plane in u), u[-1][0] - 0.3 * u[1][1]

    return LeastSquares(net, [RowTerm(rows, [(X, [order], np.array([[0.4, -0.7]]))], 2)], [1.3])


def taylor_case(degree):
    """Directions of two orders, one of them with a vector of its own at each point."""
    net = every_layer(degree)
    one = RNG.normal(size=(len(X), 2)) * 0.5
    other = np.full((len(X), 2), [0.3, 0.6])
    orders = [min(4, degree), 1]

    def rows(u):
        # u[1 + m] are of the first direction, the last plane of the second.
        return u[orders[0]][0] - u[0][1] * u[1][0], u[-1][0] * u[1][1] + 0.1 * u[0][0]

    return LeastSquares(net, [RowTerm(rows, [(X, orders, np.stack([one, other]))], 2)], [0.9])


def everything(dtype="float64", basis="spline"):
    """Terms with partners, batches, columns, unknowns and different numbers of rows."""
    net = every_layer(4, dtype=dtype, basis=basis)
    there = X * [1.0, 0.5] + 0.1
    along = np.array([[0.5, -0.3]])
    chosen = np.array([3, 0, 69, 69, 12])
    column = np.sin(3.0 * X[:, 0])

    def pde(u, f, a, b):
        return u[2][0] + a * u[0][1] * u[1][0] - f * b**2, u[1][1] * u[0][0] - a

    def periodic(u, v, f, a, b):
        return (u[1][0] - v[0][1] * b, v[1][1] + 0.0 * a, u[0][0] * v[0][0] - f)

    def data(u, f, a, b):
        return (u[0][0] * u[0][1] - f,)

    here = (X, [2], along)
    return LeastSquares(
        net,
        [
            RowTerm(pde, [here], 2, [column], None, 2),
            RowTerm(periodic, [here, (there, [1], along)], 2, [column], chosen, 2),
            RowTerm(data, [(X, [], np.zeros((0, 2)))], 2, [column], np.arange(69, -1, -2), 2),
        ],
        [0.9, 1.7, 0.2],
        (0.8, -1.3),
    )


CASES = {
    **{f"{kind}: {name}": (layer_case, kind, name) for kind, name in NAMES},
    **{f"degree {degree}": (taylor_case, degree) for degree in range(1, 6)},
    "everything": (everything,),
    "everything, powers": (everything, "float64", "relu"),
    "values of wide layers": (
        lambda: values_of(kanml.KAN([2, 30, 2], degree=3, intervals=3, seed=0)),
    ),
}
cases = pytest.mark.parametrize("case", CASES)


def case_of(name):
    make, *arguments = CASES[name]
    return make(*arguments)


@cases
def test_values_and_jacobian(case):
    """Along a random direction each row is off as soon as one entry of it is."""
    squares = case_of(case)
    r, jacobian = squares.rows()
    assert relative_error(r, squares.expected_values(squares.theta())) <= 1e-12
    assert jacobian.shape == (r.size, squares.n)
    for seed in range(2):
        direction = np.random.default_rng(seed).normal(size=squares.n)
        error = abs(jacobian @ direction - squares.expected_along(direction))
        assert error.max() <= 1e-12 * (abs(jacobian) @ abs(direction)).max()


def test_each_entry_of_a_jacobian():
    squares = everything()
    _, jacobian = squares.rows()
    expected = np.stack([squares.expected_along(e) for e in np.eye(squares.n)], axis=1)
    assert relative_error(jacobian, expected) <= 1e-12
    np.testing.assert_array_equal(jacobian[expected == 0.0], 0.0)


@cases
def test_values_alone_have_the_same_bits(case):
    squares = case_of(case)
    r, jacobian = squares.call("rows", False)
    assert same_bits(r, squares.rows()[0])
    assert jacobian.shape == (0, squares.n)


@cases
def test_products_with_vectors(case):
    squares = case_of(case)
    r, jacobian = squares.rows()
    rng = np.random.default_rng(1)
    v, u = rng.normal(size=squares.n), rng.normal(size=r.size)
    scale = (abs(jacobian) @ abs(v)).max()
    assert abs(squares.call("push", v) - jacobian @ v).max() <= 1e-13 * scale
    scale = (abs(u) @ abs(jacobian)).max()
    assert abs(squares.call("pull", u) - u @ jacobian).max() <= 1e-13 * scale


def gram_of(squares):
    r, jacobian = map(np.float64, squares.rows())
    matrix = np.column_stack([jacobian, r])
    return matrix.T @ matrix


@cases
def test_the_triangle_is_a_factor_of_the_rows(case):
    squares = case_of(case)
    triangle = squares.call("triangle", 0)
    assert triangle.shape == (squares.n + 1, squares.n + 1)
    assert triangle.dtype == np.float64
    assert same_bits(np.tril(triangle, -1), np.zeros_like(triangle))
    gram = gram_of(squares)
    assert abs(triangle.T @ triangle - gram).max() <= 1e-13 * abs(gram).max()


def many_rows(dtype="float64", basis="spline"):
    """So many rows of few parameters that there are several triangles, and ends of panels."""
    net = with_random_parameters(
        kanml.KAN([2, 2, 2], degree=2, intervals=2, seed=0, dtype=dtype, basis=basis)
    )
    x = np.random.default_rng(0).uniform(-1, 1, (3001, 2))

    def rows(u):
        return u[1][0] * u[0][1], u[0][0], u[1][1] - u[0][0] ** 2

    terms = [RowTerm(rows, [(x, [1], np.array([[0.2, 0.5]]))], 2)]
    return LeastSquares(net, [*terms, *values_of(net, x[:777]).terms], [0.01, 0.03])


def wide(dtype="float64"):
    return values_of(with_random_parameters(kanml.KAN([2, 30, 2], seed=0, dtype=dtype), 1))


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_several_triangles_are_merged(basis):
    squares = many_rows(basis=basis)
    triangle, gram = squares.call("triangle", 0), gram_of(squares)
    assert abs(triangle.T @ triangle - gram).max() <= 1e-13 * abs(gram).max()


MEMORY = """
import re
from pathlib import Path
import numpy as np
import kanml
from kanml import _core

net = kanml.KAN([2, 6, 1], degree=3, intervals=5, seed=0)  # 144 parameters
x = np.random.default_rng(0).uniform(-1, 1, (200_000, 2))
formula = _core.PointRows(_core.Program(1, [1.0], [], [0, 1]), [(0, 0, 0)], 0, 0, [[(0, 0, 0)]])
term = _core.RowTermFloat64(formula, len(x), None, [(x, [], np.zeros((0, 2)))], [], "")

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
net._core_network().triangle([term], [1.0], net.parameters, [], 0, 2)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no peak of one process")
def test_the_triangle_takes_memory_for_parameters_and_not_for_rows():
    assert float(run_python(MEMORY)) < 60.0  # MiB; the Jacobian has 220


DIFFERENT = {"everything": everything, "many rows": many_rows, "wide": wide}
different = pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT)


@different
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_threads_do_not_change_bits(make, dtype):
    squares = make(dtype)
    rng = np.random.default_rng(1)
    r, _ = squares.rows()
    v, u = rng.normal(size=squares.n).astype(dtype), rng.normal(size=r.size).astype(dtype)

    def results(threads):
        return [
            *squares.rows(threads=threads),
            squares.call("push", v, threads=threads),
            squares.call("pull", u, threads=threads),
            squares.call("triangle", 0, threads=threads),
        ]

    one = results(1)
    for threads in (2, 3, 8):
        assert all(map(same_bits, results(threads), one))


@different
def test_float32(make):
    single, squares = make("float32"), make()
    squares.net = squares.net.with_parameters(np.float64(single.net.parameters))
    results = dict(zip("rJ", single.rows(), strict=True))
    expected = dict(zip("rJ", squares.rows(), strict=True))
    rng = np.random.default_rng(1)
    v, u = rng.normal(size=squares.n), rng.normal(size=expected["r"].size)
    results["push"], expected["push"] = single.call("push", np.float32(v)), squares.call("push", v)
    results["pull"], expected["pull"] = single.call("pull", np.float32(u)), squares.call("pull", u)
    for name, result in results.items():
        assert result.dtype == np.float32
        assert relative_error(result, expected[name]) <= 1e-4
    # The triangle is made of the rows in float32, but in double precision.
    triangle, gram = single.call("triangle", 0), gram_of(single)
    assert triangle.dtype == np.float64
    assert abs(triangle.T @ triangle - gram).max() <= 1e-13 * abs(gram).max()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_gradient_is_that_of_the_sum_of_squares(scale):
    """The sum over samples of the gradient itself goes another way."""
    net = every_layer(3)
    target = np.random.default_rng(0).normal(size=(len(X), 2))

    def rows(u, f, g):
        return u[0][0] - f, u[0][1] - g

    place = (X, [], np.zeros((0, 2)))
    terms = [RowTerm(rows, [place], 2, [np.ascontiguousarray(f) for f in target.T])]
    squares = LeastSquares(net, terms, [scale])
    r, jacobian = squares.rows()
    loss, gradient = net.mean_squared_error(X, target)
    assert r @ r == pytest.approx(scale**2 * loss * target.size, rel=1e-13)
    assert relative_error(2 * r @ jacobian, scale**2 * gradient * target.size) <= 1e-12


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_inputs_spoil_their_rows_alone(bad):
    net = with_random_parameters(kanml.KAN([2, 5, 2], degree=3, intervals=4, seed=0))
    x = X.copy()
    x[[3, 66]] = [bad, 0.2]
    clean, squares = values_of(net), values_of(net, x)
    v = np.random.default_rng(0).normal(size=squares.n)
    spoiled = np.zeros(140, bool)
    spoiled[[6, 7, 132, 133]] = True
    r, jacobian = squares.rows()
    expected_r, expected_jacobian = clean.rows()
    assert not np.isfinite(r[spoiled]).any()
    assert not np.isfinite(jacobian[spoiled]).all(axis=1).any()
    assert same_bits(r[~spoiled], expected_r[~spoiled])
    assert same_bits(jacobian[~spoiled], expected_jacobian[~spoiled])
    products = squares.call("push", v)
    assert not np.isfinite(products[spoiled]).any()
    assert same_bits(products[~spoiled], clean.call("push", v)[~spoiled])
    assert not np.isfinite(squares.call("pull", np.ones(140))).all()
    assert not np.isfinite(squares.call("triangle", 0)).all()


def test_refusals_name_the_term_and_the_point():
    space = kanml.SplineSpace.uniform(-1, 1, intervals=3, degree=3)
    net = kanml.Network([kanml.SplineLayer(2, 2, space, extrapolation="error")], seed=0)
    x = np.concatenate([X, X, X])
    x[[100, 150], 1] = 1.5, 2.5
    chosen = np.array([*range(90), 150, *range(91, 150), 100])
    place = (x, [], np.zeros((0, 2)))
    squares = LeastSquares(net, [RowTerm(values, [place], 2, [], chosen)], [1.0])
    squares.core = [squares.terms[0].core("float64", "term 'it': ")]
    for threads in (1, 8):
        for name, argument in (
            ("rows", [True]),
            ("rows", [False]),
            ("push", [np.ones(squares.n)]),
            ("pull", [np.ones(2 * len(chosen))]),
            ("triangle", [0]),
        ):
            with pytest.raises(
                _core.OutsideDomain, match=naming("term 'it'", "2.5", "input 1", "sample 150")
            ):
                squares.call(name, *argument, threads=threads)


# What the binding refuses


def point_rows(differentiated=((0, 0, 0),), n_unknowns=0, outputs=(0, 1)):
    program = _core.Program(1, [1.0], [], list(outputs))
    return _core.PointRows(program, [(0, 0, 0)], 0, n_unknowns, [list(differentiated)])


def core_term(n_in=2, **options):
    places = [(np.ones((5, n_in)), [], np.zeros((0, n_in)))]
    return _core.RowTermFloat64(point_rows(**options), 5, None, places, [], "")


def test_rows_that_are_not_those_of_their_program():
    for call in (
        lambda: point_rows(differentiated=[]),
        lambda: point_rows(n_unknowns=1),
        lambda: point_rows(n_unknowns=-1),
        lambda: point_rows(outputs=[0]),
        lambda: _core.PointRows(_core.Program(0, [], [], []), [], 0, 0, []),
    ):
        with pytest.raises(ValueError, match=r"inputs|outputs|row"):
            call()


def test_terms_that_do_not_fit():
    net, theta = _core.NetworkFloat64([_core.LinearLayer(2, 1, True)]), np.ones(3)
    for error, terms, scales, unknowns, parameters in (
        (TypeError, [None], [1.0], [], theta),
        (ValueError, [], [], [], theta),
        (ValueError, [core_term()], [1.0, 2.0], [], theta),
        (ValueError, [core_term()], [1.0], [0.5], theta),
        (ValueError, [core_term()], [1.0], [], np.ones(4)),
        (TypeError, [core_term()], [1.0], [], np.ones(3, np.float32)),
        (ValueError, [core_term(n_in=1)], [1.0], [], theta),
        (ValueError, [core_term(differentiated=[(0, 0, 1)])], [1.0], [], theta),
        (ValueError, [core_term(differentiated=[(0, 1, 0)])], [1.0], [], theta),
        (ValueError, [core_term(differentiated=[(1, 0, 0)])], [1.0], [], theta),
    ):
        for name, argument in (
            ("rows", [True]),
            ("push", [np.ones(3)]),
            ("pull", [np.ones(5)]),
            ("triangle", [0]),
        ):
            with pytest.raises(error):
                getattr(net, name)(terms, scales, parameters, unknowns, *argument, 1)
    for name, argument in (("push", "direction"), ("pull", "cotangent")):
        with pytest.raises(ValueError, match=naming(argument, "4 entries")):
            getattr(net, name)([core_term()], [1.0], theta, [], np.ones(4), 1)


def test_a_layer_that_does_not_exist_is_refused():
    squares, layers = everything(), len(everything().net.layers)
    for first_layer in (layers, 1000):
        with pytest.raises(ValueError, match="no such layer"):
            squares.call("triangle", first_layer)
