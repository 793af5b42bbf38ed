"""Files: what was saved comes back bit for bit, and what is damaged or no such file is refused."""

from __future__ import annotations

import copy
import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import kanml
from helpers import naming, random_breakpoints, same_bits, with_random_parameters
from kanml.network import files
from strategies import breakpoints, degrees


def space(n, degree=3, seed=0):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(seed), n), degree)


LAYERS = {
    **{
        f"degree {k}": [kanml.SplineLayer(2, 3, space(4, k)), kanml.SplineLayer(3, 1, space(2, k))]
        for k in range(1, 6)
    },
    "space an input": [kanml.SplineLayer(3, 2, [space(4), space(7), space(4)])],
    "affine": [kanml.Affine(0.1, [1 / 3, -2e300]), kanml.Linear(2, 1), kanml.Affine(1e-310, 0.7)],
    "all": [
        kanml.Linear(2, 3),
        kanml.Activation("sigmoid"),
        kanml.Affine(2.0, -1.0),
        kanml.SplineLayer(3, 2, space(5)),
        kanml.Activation("sin"),
        kanml.SplineLayer(2, 2, [space(1, 2), space(3, 2)], extrapolation="clamp"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_saved_comes_back(name, dtype, tmp_path):
    net = with_random_parameters(kanml.Network(LAYERS[name], dtype=dtype))
    net.save(tmp_path / "net")
    copy = kanml.load(tmp_path / "net")
    assert type(copy) is kanml.Network
    assert copy.dtype == net.dtype
    assert same_bits(copy.parameters, net.parameters)
    assert not copy.parameters.flags.writeable
    assert copy.blocks == net.blocks
    assert repr(copy.layers) == repr(net.layers)
    x = np.random.default_rng(1).uniform(-1, 1, (100, net.n_in))
    u = np.random.default_rng(2).normal(size=(100, net.n_out))
    assert same_bits(copy(x), net(x))
    for left, right in zip(copy.vjp(x, u), net.vjp(x, u), strict=True):
        assert same_bits(left, right)
    for left, right in zip(copy.layers, net.layers, strict=True):
        for a, b in zip(left.spaces, right.spaces, strict=True):
            assert same_bits(a.knots, b.knots)
    if any(block.kind == "spline" for block in net.blocks):
        assert same_bits(copy.refine().parameters, net.refine().parameters)


@given(t=breakpoints(), degree=degrees)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_space_comes_back(t, degree, tmp_path):
    net = kanml.Network([kanml.SplineLayer(1, 1, kanml.SplineSpace(t, degree))])
    net.save(tmp_path / "net")
    (layer,) = kanml.load(tmp_path / "net").layers
    assert same_bits(layer.spaces[0].knots, net.layers[0].spaces[0].knots)
    assert layer.degree == degree


def test_networks_of_the_usual_stacks(tmp_path):
    for net in (kanml.KAN([2, 3, 1], seed=4), kanml.MLP([2, 3, 1], seed=4)):
        net.save(str(tmp_path / "net"))  # a string is a path too, and an old file is replaced
        assert repr(kanml.load(str(tmp_path / "net")).layers) == repr(net.layers)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_parameters_that_are_not_finite_come_back(tmp_path):
    net = kanml.KAN([1, 1])
    theta = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e308, 0.1, 1.0])
    net.with_parameters(theta).save(tmp_path / "net")
    assert same_bits(kanml.load(tmp_path / "net").parameters, theta)


def test_networks_can_be_pickled_and_copied():
    space = kanml.SplineSpace([-1.0, 0.1, 1.0], 3)
    layers = [kanml.Affine(2.0, [0.0, 1.0]), kanml.SplineLayer(2, 3, space), kanml.Linear(3, 1)]
    net = kanml.Network(layers, seed=3, dtype="float32")
    x = np.random.default_rng(0).uniform(-1, 1, (10, 2))
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert again.dtype == net.dtype
        assert same_bits(again.parameters, net.parameters)
        assert same_bits(again(x), net(x))


# Damage


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("io") / "net"
    kanml.Network([kanml.SplineLayer(1, 1, space(1, 1)), kanml.Linear(1, 1)]).save(path)
    return path.read_bytes()


def test_truncated_at_any_length(content, tmp_path):
    path = tmp_path / "net"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=naming("damaged", repr(str(path))[1:])):
            kanml.load(path)


def test_altered_in_any_byte(content, tmp_path):
    path = tmp_path / "net"
    rng = np.random.default_rng(0)
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= int(rng.integers(1, 256))
        path.write_bytes(altered)
        with pytest.raises(ValueError, match="damaged"):
            kanml.load(path)


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"kanml"])
def test_with_a_tail(content, tail, tmp_path):
    (tmp_path / "net").write_bytes(content + tail)
    with pytest.raises(ValueError, match="damaged"):
        kanml.load(tmp_path / "net")


def test_no_kanml_file(tmp_path):
    path = tmp_path / "file"
    others = [b"", b"text\n", b"\x93NUMPY" + bytes(100), b"PK\x03\x04" + bytes(100), bytes(1000)]
    for other in [*others, np.random.default_rng(0).bytes(1000)]:
        path.write_bytes(other)
        with pytest.raises(ValueError, match="not a kanml file"):
            kanml.load(path)


def test_a_newer_format(content, tmp_path):
    body = bytearray(content[:-32])
    body[len(files.MAGIC) - 1] += 1
    (tmp_path / "net").write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(ValueError, match="version"):
        kanml.load(tmp_path / "net")


# Arrays and descriptions


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3), (0, 4)])
def test_arrays(dtype, shape, tmp_path):
    arrays = {"a": np.arange(np.prod(shape)).reshape(shape).astype(dtype), "b": np.ones(2)}
    arrays["c"] = np.array(arrays["a"], order="F")
    arrays["d"] = arrays["a"].astype(arrays["a"].dtype.newbyteorder(">"))
    files.write(tmp_path / "file", {"kind": "test", "text": "ä", "number": 0.1}, arrays)
    description, copies = files.read(tmp_path / "file", "test")
    assert description == {"kind": "test", "text": "ä", "number": 0.1}
    assert list(copies) == ["a", "b", "c", "d"]
    for name in "acd":
        assert same_bits(copies[name], arrays["a"])


@pytest.mark.parametrize("dtype", [np.int32, np.complex128, np.float16, object, bool])
def test_arrays_of_other_types(dtype, tmp_path):
    with pytest.raises(TypeError, match=naming("'a'", np.dtype(dtype))):
        files.write(tmp_path / "file", {"kind": "test"}, {"a": np.zeros(2, dtype)})
    assert not list(tmp_path.iterdir())


def test_kinds_are_told_apart(content, tmp_path):
    (tmp_path / "net").write_bytes(content)
    with pytest.raises(ValueError, match=naming("a network", "a checkpoint")):
        files.read(tmp_path / "net", "checkpoint")
