"""The operations on vectors: what they return, and that optimizers use nothing else."""

from __future__ import annotations

import ast
import itertools
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from classic_problems import Separable
from objectives import name, separable_rosenbrock

import kanml.optim
from helpers import same_bits
from kanml.optim import (
    LBFGS,
    Adam,
    Geometry,
    GradientDescent,
    LevenbergMarquardt,
    SSBroyden,
    SumOfSquares,
    TransferMaps,
    VariableProjection,
)
from kanml.optim.soundness import require_vector
from kanml.optim.vectors import ARRAYS, Operations, operations

DTYPES = [np.float32, np.float64]
FILES = sorted(Path(kanml.optim.__file__).parent.glob("*.py"))


# What they return


def results(dtype):
    """What each operation returns that returns vectors, by its name."""
    x, y = np.array([3, -1, 2], dtype), np.array([1, 0.25, -2], dtype)
    rates = {"learning_rate": 0.1, "beta1": 0.75, "beta2": 0.5, "eps": 1e-30, "updates": 1}
    direction, first, second = ARRAYS.adam(x, 0 * x, 0 * x, **rates)
    matrix = np.array([4, 1, 2, 0, -1, 8], dtype)
    factors = {"scale": 2.0, "xx": 0.5, "xy": 1.0, "yy": 2.0}
    return {
        "vector": ARRAYS.vector([3, -1, 2], like=y),
        "full": ARRAYS.full(1.5, like=y),
        "scaled": ARRAYS.scaled(0.1, x),
        "axpy": ARRAYS.axpy(3.0, x, y),
        "axpy with a tail": ARRAYS.axpy(3.0, x, y, tail=2),
        "adam, direction": direction,
        "adam, first moment": first,
        "adam, second moment": second,
        "within": ARRAYS.within(x, slice(1, 3)),
        "without": ARRAYS.without(x, slice(0, 2)),
        "joined": ARRAYS.joined(x, slice(1, 3), y[1:]),
        "two_loop": ARRAYS.two_loop((), (), ARRAYS.full(2.0, x), x),
        "update_diagonal": ARRAYS.update_diagonal(x, 2 * x, ARRAYS.full(0.5, x)),
        "multiple_of_identity": ARRAYS.multiple_of_identity(3.0, like=y),
        "diagonal": ARRAYS.diagonal(matrix, like=y),
        "symmetric_product": ARRAYS.symmetric_product(matrix, x),
        "symmetric_update": ARRAYS.symmetric_update(matrix, x, y, **factors),
        "symmetric_transfer": ARRAYS.symmetric_transfer(
            matrix, lambda v: np.append(v, 0 * v[:1]), lambda v: np.append(v, 0 * v[:1]), 7.0, x
        ),
    }


@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_on_arrays(dtype):
    x = np.array([3, -1, 2], np.float64)
    expected = {
        "vector": x,
        "full": [1.5] * 3,
        "scaled": np.array(0.1, dtype) * x.astype(dtype),
        "axpy": [10, -2.75, 4],
        "axpy with a tail": [10, -0.75, 0],
        "adam, direction": -0.1 * np.sign(x),
        "adam, first moment": 0.25 * x,
        "adam, second moment": 0.5 * x**2,
        "within": [-1, 2],
        "without": [2],
        "joined": [3, 0.25, -2, -1, 2],
        "two_loop": -2 * x,
        "update_diagonal": [0.5] * 3,  # 2 I is the Hessian already
        "multiple_of_identity": [3, 0, 3, 0, 0, 3],
        "diagonal": [4, 2, 8],
        "symmetric_product": [11, -1, 17],
        "symmetric_update": [20.5, 0.75, 4.125, -5, -1.5, 18],
        "symmetric_transfer": [4, 1, 2, 0, -1, 8, 0, 0, 0, 7],  # one direction more
    }
    found = results(dtype)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=2 * np.finfo(dtype).eps, err_msg=key)


@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_return_read_only_vectors_of_the_dtype(dtype):
    for key, vector in results(dtype).items():
        assert vector.dtype == dtype, key
        assert not vector.flags.writeable, key


def test_vectors_own_their_memory():
    buffer = np.array([3.0, -1.0, 2.0])
    vector = ARRAYS.vector(buffer, like=buffer)
    buffer[:] = 0
    np.testing.assert_array_equal(vector, [3, -1, 2])


def test_numbers_of_vectors():
    x = np.array([3.0, -4.0])
    assert (ARRAYS.dot(x, x), ARRAYS.norm(x), ARRAYS.max_abs(x)) == (25.0, 5.0, 4.0)
    assert ARRAYS.is_finite(x)
    for bad in (math.nan, math.inf, -math.inf):
        assert not ARRAYS.is_finite(np.array([3.0, bad]))


LIKE = np.ones(2)


@pytest.mark.parametrize(
    ("array", "entries"),
    [
        ([1.0, 2.0], "finite numbers"),
        (np.ones(3), "finite numbers"),
        (np.ones((1, 2)), "finite numbers"),
        (np.ones(2, np.float32), "finite numbers"),
        (np.array([1, math.inf]), "finite numbers"),
        (np.array([1.0, 0.0]), "positive finite numbers"),
        (np.array([1.0, math.inf]), "positive finite numbers"),
        (np.array([1.0, -1.0]), "numbers >= 0"),
        (np.array([1.0, math.nan]), "numbers >= 0"),
    ],
)
def test_what_no_run_could_have_written(array, entries):
    with pytest.raises(ValueError, match=f"x must be {entries} in float64, of shape \\(2,\\)"):
        require_vector(array, "x", LIKE, entries)


def test_squares_may_overflow():
    require_vector(np.array([0, math.inf]), "x", LIKE, "numbers >= 0")


# Optimizers use nothing else


def test_files_are_found():
    assert {"vectors.py", "base.py", "lbfgs.py"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_the_modules_of_vectors_and_matrices_know_arrays(path):
    """`numpy.typing` serves the signatures; examples in docstrings are those of a user."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    used = {module for module in imported if module.startswith(("numpy", "kanml._core"))}
    if path.name in ("vectors.py", "matrices.py"):
        assert {"numpy", "kanml._core"} <= used
    elif path.name != "soundness.py":  # which looks at what was read from files
        assert used <= {"numpy.typing", "numpy.typing.ArrayLike"}


class Own:
    """A vector that knows its shape, its dtype and its operations, and refuses everything else."""

    def __init__(self, numbers):
        self.hidden = numbers
        self.shape, self.dtype = numbers.shape, numbers.dtype

    def __array__(self, *args, **kwargs):
        raise TypeError("this is no array")

    @property
    def operations(self):
        return OWN


class OwnOperations(Operations):
    """Each operation on arrays, between taking them out of vectors and putting them into some."""


def on_own_vectors(operation):
    def inside(value):
        if callable(value):  # a map of vectors
            return lambda array: inside(value(outside(array)))
        if isinstance(value, tuple):
            return tuple(inside(item) for item in value)
        made = operation == "vector"  # of numbers from elsewhere, for instance from a triangle
        assert made or not isinstance(value, np.ndarray), f"an array in {operation}"
        return value.hidden if isinstance(value, Own) else value

    def outside(value):
        if isinstance(value, tuple):
            return tuple(outside(item) for item in value)
        return Own(value) if isinstance(value, np.ndarray) else value

    def method(self, *args, **options):
        options = {key: inside(value) for key, value in options.items()}
        return outside(getattr(ARRAYS, operation)(*map(inside, args), **options))

    return method


for abstract in Operations.__abstractmethods__:
    setattr(OwnOperations, abstract, on_own_vectors(abstract))
OwnOperations.__abstractmethods__ = frozenset()
OWN = OwnOperations()


def on_own(function):
    """A function of arrays as one of own vectors, and what else it returns."""

    def wrapped(*vectors):
        assert all(isinstance(vector, Own) for vector in vectors)
        found = function(*(vector.hidden for vector in vectors))
        if isinstance(found, tuple):
            return found[0], Own(found[1])
        return Own(found) if isinstance(found, np.ndarray) else found

    return wrapped


class OwnSquares(SumOfSquares):
    """A sum of squares of arrays as one of own vectors."""

    __call__ = value = triangle = jvp = vjp = None

    def __init__(self, function):
        self.function = function

    @property
    def linear(self):
        return self.function.linear


def on_own_squares(method):
    return lambda self, *vectors: on_own(getattr(self.function, method))(*vectors)


for method in SumOfSquares.__abstractmethods__:
    setattr(OwnSquares, method, on_own_squares(method))


def hidden(value):
    """The arrays in a field of a state."""
    if isinstance(value, tuple):
        return tuple(hidden(item) for item in value)
    return value.hidden if isinstance(value, Own) else value


def assert_same(own, state):
    assert type(own) is type(state)
    for field in fields(state):
        left, right = getattr(own, field.name), getattr(state, field.name)
        assert not isinstance(left, np.ndarray), field.name
        left = hidden(left)
        if isinstance(right, (tuple, np.ndarray)):
            assert len(left) == len(right), field.name
            assert same_bits(np.array(left), np.array(right)), field.name
        else:
            assert repr(left) == repr(right), field.name  # NaN too


def scaled(v):
    return np.array([0.5, 2.0, 1.0, 4.0], v.dtype) * v


GEOMETRIES = {
    "none": {},
    "scaled": {"gradient": scaled, "step": scaled, "n_unknowns": 1},
    "mixed": {
        "gradient": lambda g: g[::-1].copy(),
        "step": lambda d: d,
        "displacement": lambda d: d[::-1].copy(),
    },
}
MAPS = {
    "parameters": lambda v: np.repeat(v, 2),
    "primal": lambda v: np.repeat(v, 2),
    "dual": lambda v: np.repeat(v, 2) / 2,
    "second_moment": lambda v: np.repeat(v, 2) / 4,
    "inverse_curvature": lambda v: 2 * np.repeat(v, 2),
}
WITH_GEOMETRY = [
    GradientDescent(1e-5),
    Adam(0.1),
    Adam(0.1, weight_decay=0.1),
    LBFGS(memory=3),
]
WITHOUT_GEOMETRY = [
    SSBroyden(),
    LevenbergMarquardt(),
    LevenbergMarquardt(largest_triangle=0, columns=3),
    VariableProjection(),
]


def edge_residuals(x):
    """Their squares are least near the edge of where they are finite; the last one is affine."""
    rest = 2 - x[:-1]
    if not (rest > 0).all():
        return np.full_like(x, math.inf)
    return np.append(np.sqrt(rest - 1e-3 * np.log(rest)), 2 * x[-1] - 1)


def edge_jacobian(x):
    return np.diag(np.append((1e-3 / (2 - x[:-1]) - 1) / (2 * edge_residuals(x)[:-1]), 2))


FUNCTIONS = {
    "rosenbrock": separable_rosenbrock,
    "edge": lambda n: Separable(edge_residuals, edge_jacobian, slice(n - 1, n)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        *itertools.product(WITH_GEOMETRY, GEOMETRIES),
        *((optimizer, "none") for optimizer in WITHOUT_GEOMETRY),
        (SSBroyden(), "scaled"),
    ],
    ids=lambda value: value if isinstance(value, str) else name(value),
)
def test_optimizers_run_on_any_kind_of_vectors(optimizer, kind, function, dtype):
    """The same bits as on arrays, through all that states can meet on two levels."""
    plain_maps = GEOMETRIES[kind]
    own_maps = {key: on_own(f) if callable(f) else f for key, f in plain_maps.items()}
    start = np.array([-1.2, 1.0, 0.5, 1.5], dtype)
    state, own = optimizer.init(start), optimizer.init(Own(start))
    geometries = Geometry(**plain_maps), Geometry(**own_maps)
    own_function = OwnSquares(function(4))
    for _ in range(40):
        state = optimizer.step(function(4), state, geometries[0])
        own = optimizer.step(own_function, own, geometries[1])
        assert_same(own, state)
    own_transfer = TransferMaps(**{key: on_own(f) for key, f in MAPS.items()})
    for how in ("prolong", "reset"):
        finer = optimizer.transfer(state, TransferMaps(**MAPS), how)
        own_finer = optimizer.transfer(own, own_transfer, how)
        assert_same(own_finer, finer)
        own_finer = optimizer.step(OwnSquares(function(8)), own_finer)
        assert_same(own_finer, optimizer.step(function(8), finer))


def test_operations_of_a_vector():
    assert operations(np.ones(2)) is ARRAYS
    assert operations(Own(np.ones(2))) is OWN


def test_states_have_no_other_fields():
    state = LBFGS().init([1.0, 2.0])
    assert state.changed(step=3, ascents=1).step == 3
    assert state.step == 0
    with pytest.raises(TypeError, match="LBFGSState has no field 'stop'"):
        state.changed(step=3, stop=4)
