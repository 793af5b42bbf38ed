"""Networks on a device, which is the host that runs the programs of GPUs."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import scipy.sparse

import kanml
from helpers import naming, same_bits
from kanml import _core
from layer_examples import NAMES, example, reach


@pytest.fixture
def shared(there):
    """The device, whose memory is that of NumPy too."""
    if there.core.gpu >= 0:
        pytest.skip("NumPy does not read the memory of a GPU")
    return there


def points(n, n_in, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (n, n_in)).astype(dtype)


def close(found, expected, epsilons=200):
    """Whether numbers agree to this many rounding errors of the largest."""
    expected = np.asarray(expected)
    bound = epsilons * np.finfo(expected.dtype).eps * max(abs(expected).max(initial=0), 1)
    return (
        np.asarray(found).dtype == expected.dtype and abs(found - expected).max(initial=0) <= bound
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_kind_of_layer(kind, name, dtype, there):
    layer = example(kind, name, 2)
    net = kanml.Network([kanml.Affine(reach(layer) / 2, np.zeros(2)), layer], dtype=dtype, seed=1)
    x = points(61, 2, dtype)
    assert close(net(x, device=there), net(x))
    placed = net._placed(there.array(net.parameters))
    order = min(net._architecture.core(net.dtype).n_in, 2)
    order = min([order, *(part.degree for part in net.layers if part.degree is not None)])
    directions = np.eye(2)
    planes = net.taylor(x, directions, order)
    assert close(placed.taylor(x, directions, order), planes)
    cotangents = np.random.default_rng(2).normal(size=planes.shape)
    for found, expected in zip(
        placed.taylor_vjp(x, directions, cotangents),
        net.taylor_vjp(x, directions, cotangents),
        strict=True,
    ):
        assert isinstance(found, np.ndarray)
        assert close(found, expected, 1000)
    direction = np.random.default_rng(3).normal(size=net.n_parameters)
    assert close(placed.jvp(x, direction), net.jvp(x, direction), 1000)
    assert close(placed.jacobian(x), net.jacobian(x), 1000)
    value, gradient = net.mean_squared_error(x, np.zeros((61, net.n_out)))
    found, by_parameters = placed.mean_squared_error(x, np.zeros((61, net.n_out)))
    assert found == pytest.approx(value, rel=1e-5 if dtype == "float32" else 1e-13)
    assert close(by_parameters, gradient, 1000)


def test_where_a_network_in_training_is_evaluated(there):
    net = kanml.KAN([2, 3, 1], intervals=7, seed=2)
    x, placed = points(500, 2), net._placed(there.array(net.parameters))
    assert same_bits(placed(x), net(x, device=there))
    assert same_bits(placed(x, device="cpu"), net(x))
    assert isinstance(placed(there.array(x)), kanml.DeviceArray)
    with pytest.raises(ValueError, match="evaluated on the processors"):
        placed(there.array(x), device="cpu")


def test_no_samples(there):
    net = kanml.KAN([2, 3, 1])
    placed = net._placed(there.array(net.parameters))
    assert net(np.zeros((0, 2)), device=there).shape == (0, 1)
    by_parameters, by_x = placed.vjp(np.zeros((0, 2)), np.zeros((0, 1)))
    assert same_bits(by_parameters, np.zeros(net.n_parameters))
    assert by_x.shape == (0, 2)


def test_refused_inputs_are_named_as_on_processors(there):
    net = kanml.KAN([2, 1], extrapolation="error")
    x = points(100, 2)
    x[[30, 70]] = 5.0
    with pytest.raises(ValueError, match="layer 0 refuses") as expected:
        net(x)
    with pytest.raises(_core.OutsideDomain) as found:
        net(x, device=there)
    assert str(found.value) == str(expected.value)


# Arrays on the device


def test_inputs_on_the_device_give_outputs_there(there):
    net = kanml.KAN([2, 3, 1])
    x = points(50, 2)
    y = net(there.array(x), device=there)
    assert isinstance(y, kanml.DeviceArray)
    assert (y.shape, y.dtype, y.size, len(y), y.ndim) == ((50, 1), np.float64, 50, 50, 2)
    assert same_bits(np.asarray(y), net(x, device=there))
    assert repr(y).startswith("DeviceArray(array([[")


def test_dlpack_shares_memory(shared):
    given = points(50, 2)
    taken = shared.taken(given)
    view = np.from_dlpack(taken)
    assert np.shares_memory(view, given)
    assert taken.__dlpack__() is not None  # a capsule that nobody takes frees itself
    assert same_bits(np.from_dlpack(shared.array(given)), given)


def test_dlpack_to_a_place(there):
    numbers = points(5, 2)
    array = there.array(numbers)
    kind, number = array.__dlpack_device__()
    for how in (None, False, True):
        assert array.__dlpack__(copy=how, dl_device=(kind, number)) is not None
    with pytest.raises(BufferError, match=r"not lent to the device \(13, 0\)"):
        array.__dlpack__(dl_device=(13, 0))
    if kind == 1:
        copied = there.taken(_Copies(array))
        assert not np.shares_memory(np.from_dlpack(copied), np.from_dlpack(array))
    assert same_bits(np.asarray(array), numbers)
    assert array.__dlpack__(dl_device=(1, 0)) is not None  # a copy if the device is no processor


class _Copies:
    """Hands out copies of an array."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(copy=True, **options)


def test_shared_memory_lives_as_long_as_somebody_reads_it(shared):
    given = points(50, 2)
    expected = given.copy()
    gone = weakref.ref(given)
    taken = shared.taken(given)
    del given
    gc.collect()
    assert gone() is not None
    assert same_bits(np.asarray(taken), expected)
    view = np.from_dlpack(taken)
    del taken
    gc.collect()
    assert same_bits(view, expected)
    del view
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.ones((4, 6))[:, ::2], ValueError, "contiguous"),
        (np.ones((4, 3), np.int32), TypeError, "float32 or float64"),
    ],
)
def test_what_cannot_be_taken(array, error, message, shared):
    with pytest.raises(error, match=message):
        shared.taken(array)


@pytest.mark.parametrize(
    ("x", "on_processors", "error", "parts"),
    [
        (np.ones((4, 3)), False, ValueError, ["(N, 2)", (4, 3)]),
        (np.ones((4, 2), np.float32), False, TypeError, ["float64", "float32"]),
        (np.ones((4, 2)), True, ValueError, ["processors", "numpy.asarray(x)"]),
    ],
)
def test_arrays_of_the_device_that_do_not_fit(x, on_processors, error, parts, there):
    with pytest.raises(error, match=naming(*parts)):
        kanml.KAN([2, 1])(there.array(x), device=None if on_processors else there)


def test_arrays_that_cannot_change_are_uploaded_once(there):
    fixed, changing = points(9, 2), points(9, 2)
    fixed.setflags(write=False)
    assert there.placed(fixed) is there.placed(fixed)
    assert there.placed(changing) is not there.placed(changing)
    view = changing[:4]
    view.setflags(write=False)  # what it shows can change
    assert there.placed(view) is not there.placed(view)
    gone = weakref.ref(there.placed(fixed))
    del fixed
    gc.collect()
    assert gone() is None


def test_inputs_that_were_changed_in_between(there):
    """Whoever owns an array may make it writable again."""
    net, x = kanml.KAN([2, 1]), points(9, 2)
    for shift in (0.0, 0.1):
        x.setflags(write=True)
        x += shift
        x.setflags(write=False)
        assert close(net(x, device=there), net(x))


def test_parts_of_arrays(there):
    """Consecutive entries stay on the device; all else is a copy, as NumPy gives it."""
    numbers = np.arange(10.0)
    vector, matrix = there.array(numbers), there.array(numbers.reshape(5, 2))
    for part in (slice(2, 5), slice(5, 2), slice(None)):
        assert isinstance(vector[part], kanml.DeviceArray)
        assert same_bits(np.asarray(vector[part]), numbers[part])
        assert same_bits(np.asarray(matrix[part]), numbers.reshape(5, 2)[part])
    for part in (3, -1, slice(None, None, 2), [1, 4], numbers > 4):
        assert isinstance(vector[part], (np.ndarray, np.float64))
        assert same_bits(vector[part], numbers[part])
    assert same_bits(matrix[:, 0], numbers[::2])
    with pytest.raises(ValueError, match=r"shape \(10,\) cannot have the shape \(3, 3\)"):
        vector.reshape((3, 3))
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(vector, copy=False)


def test_arithmetic_with_arrays(there):
    """It gives NumPy arrays, and changes nothing."""
    x, y = points(2, 9)
    a, b = there.array(x), there.array(y)
    for found, expected in [
        (2 * a + b, 2 * x + y),
        (a @ b, x @ y),
        (-a / 3, -x / 3),
        (x - b, x - y),
        (a > b, x > y),
        (np.sum(a), x.sum()),
        (np.tanh(a), np.tanh(x)),
        (np.linalg.norm(a), np.linalg.norm(x)),
    ]:
        assert isinstance(found, (np.ndarray, np.generic))
        assert same_bits(found, expected)
    with pytest.raises(TypeError):
        np.add(a, 1, out=a)
    c = x.copy()
    c += b
    assert same_bits(c, x + y)
    a += 1  # another array
    assert same_bits(a, x + 1)


def test_arrays_behave_as_those_of_numpy(there):
    x = points(4, 3)
    a = there.array(x)
    sparse = scipy.sparse.eye(4).tocsr()
    assert same_bits(sparse @ a, x)
    assert same_bits(there.array(x[:, 0].copy()) @ sparse, x[:, 0] @ sparse)
    assert all(same_bits(row, expected) for row, expected in zip(a, x, strict=True))
    for number in (0.0, 2.5):
        one = there.array(np.array(number))
        assert (bool(one), float(one), int(one)) == (bool(number), number, int(number))
        assert f"{one:.3f}" == f"{number:.3f}"
    with pytest.raises(ValueError, match="ambiguous"):
        bool(a)
    with pytest.raises(TypeError, match="no length"):
        len(there.array(np.array(0.0)))
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)
    for shape in [(12,), (-1,), (2, -1), (6, 2), (-1, 4)]:
        expected = x.reshape(shape)
        assert same_bits(np.asarray(a.reshape(shape)), expected)
        assert same_bits(np.asarray(a.reshape(*shape)), expected)
    for shape in [(5, -1), (-1, -1), (0, -1), (3, 5)]:
        with pytest.raises(ValueError, match="cannot have the shape"):
            a.reshape(shape)


def test_arrays_without_entries_are_taken(shared):
    assert shared.taken(np.zeros((0, 3))).shape == (0, 3)


# Names


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "", 0, "cuda:" + 20 * "9"])
def test_names_that_no_device_has(name):
    with pytest.raises(ValueError, match="device must be"):
        kanml.KAN([1, 1])([[0.0]], device=name)


def test_the_processors_by_name():
    net = kanml.KAN([1, 1])
    assert same_bits(net([[0.5]], device="cpu"), net([[0.5]]))


@pytest.mark.skipif(_core.has_cuda(), reason="this build has code for GPUs")
def test_a_build_without_code_for_gpus_says_so():
    assert not kanml.cuda.is_available()
    with pytest.raises(RuntimeError, match="build of kanml with code for GPUs"):
        kanml.KAN([1, 1])([[0.0]], device="cuda")


def test_pickled_arrays(there):
    array = there.array(points(5, 2))
    again = pickle.loads(pickle.dumps(array))
    assert again.device is there
    assert same_bits(np.asarray(again), np.asarray(array))


def test_copies_of_a_device_are_itself(there):
    assert copy.copy(there) is there
    assert copy.deepcopy(there) is there
    assert pickle.loads(pickle.dumps(there)) is there
    assert repr(there) == f"<Device: {there.name}>"
