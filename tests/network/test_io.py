"""Files: what was saved comes back bit for bit, and what is no such file raises ValueError."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import signal
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kanml
from helpers import naming, random_breakpoints, same_bits, with_random_parameters
from kanml.network import files
from reference import networks
from strategies import breakpoints, degrees


def space(n, degree=3, seed=0):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(seed), n), degree)


LAYERS = {
    **{
        f"degree {k}": [kanml.SplineLayer(2, 3, space(4, k)), kanml.SplineLayer(3, 1, space(2, k))]
        for k in range(1, 6)
    },
    **{
        f"rule {rule}": [kanml.SplineLayer(2, 1, space(4), extrapolation=rule)]
        for rule in ("linear", "polynomial", "clamp", "error")
    },
    **{
        f"activation {kind}": [kanml.Linear(2, 3), kanml.Activation(kind)]
        for kind in networks.ACTIVATIONS
    },
    "space an input": [kanml.SplineLayer(3, 2, [space(4), space(7), space(4)])],
    "linear": [kanml.Linear(2, 3), kanml.Linear(3, 1, bias=False)],
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
    assert repr(copy) == repr(net)
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
        assert repr(kanml.load(str(tmp_path / "net"))) == repr(net)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_parameters_that_are_not_finite_come_back(tmp_path):
    net = kanml.KAN([1, 1])
    theta = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e308, 0.1, 1.0])
    net.with_parameters(theta).save(tmp_path / "net")
    assert same_bits(kanml.load(tmp_path / "net").parameters, theta)


def test_saving_keeps_the_old_file_where_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "net"
    kanml.KAN([1, 1]).save(path)
    old = path.read_bytes()

    def fail(*arguments):
        raise OSError("no space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"os.{name}", fail)
            with pytest.raises(OSError, match="no space left"):
                kanml.KAN([2, 1]).save(path)
        assert path.read_bytes() == old
        assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_paths_that_do_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        kanml.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        kanml.KAN([1, 1]).save(tmp_path / "none" / "net")


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


# A digest that is right over content that is not: what another program might write


def write_body(path, body):
    body = files.MAGIC + body
    path.write_bytes(body + hashlib.sha256(body).digest())


def write_header(path, header, payload=b""):
    write_body(path, struct.pack("<Q", len(header)) + header + payload)


SPLINE = {
    "layer": "spline",
    "n_out": 1,
    "degree": 1,
    "breakpoints": [[0.0, 1.0, 2.0]],
    "inputs": [0, 0],
    "basis": "spline",
    "extrapolation": "linear",
}  # 6 parameters
LINEAR = {"layer": "linear", "n_in": 2, "n_out": 2, "bias": True}  # 6 parameters
AFFINE = {"layer": "affine", "scale": [1.0, 1.0], "shift": 0.0}
ACTIVATION = {"layer": "activation", "kind": "sin"}
GOOD = {"kind": "network", "dtype": "float64", "layers": [LINEAR]}


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


def layers(*descriptions):
    return {**GOOD, "layers": list(descriptions)}


NONSENSE = {
    "no kind": without(GOOD, "kind"),
    "another kind": {**GOOD, "kind": "checkpoint"},
    "kind a list": {**GOOD, "kind": ["network"]},
    "no dtype": without(GOOD, "dtype"),
    "dtype int64": {**GOOD, "dtype": "int64"},
    "dtype float32 with float64 parameters": {**GOOD, "dtype": "float32"},
    "dtype unknown": {**GOOD, "dtype": "quadruple"},
    "dtype None": {**GOOD, "dtype": None},
    "dtype a number": {**GOOD, "dtype": 8},
    "no layers": without(GOOD, "layers"),
    "layers None": {**GOOD, "layers": None},
    "layers a number": {**GOOD, "layers": 3},
    "layers an object": {**GOOD, "layers": LINEAR},
    "layers empty": layers(),
    "layer None": layers(None),
    "layer a string": layers("linear"),
    "layer a list": layers([LINEAR]),
    "layer unknown": layers({**LINEAR, "layer": "conv"}),
    "layer unnamed": layers(without(LINEAR, "layer")),
    "layer a list of names": layers({**LINEAR, "layer": ["linear"]}),
    "too few parameters": layers({**LINEAR, "bias": False}),
    "too many parameters": layers(LINEAR, LINEAR),
    "widths do not chain": layers(LINEAR, {**LINEAR, "n_in": 3}),
    "no width known": layers(ACTIVATION),
    "activation unknown": layers(LINEAR, {**ACTIVATION, "kind": "step"}),
    "activation a number": layers(LINEAR, {**ACTIVATION, "kind": 1}),
    "affine NaN": layers(LINEAR, {**AFFINE, "scale": [1.0, float("nan")]}),
    "affine infinite": layers(LINEAR, {**AFFINE, "shift": float("inf")}),
    "affine of strings": layers(LINEAR, {**AFFINE, "scale": ["1", "2"]}),
    "affine ragged": layers(LINEAR, {**AFFINE, "scale": [[1.0], [1.0, 2.0]]}),
    "affine wide": layers(LINEAR, {**AFFINE, "scale": [1.0, 2.0, 3.0]}),
    "affine None": layers(LINEAR, {**AFFINE, "shift": None}),
    "affine an object": layers(LINEAR, {**AFFINE, "shift": {}}),
    "linear of width 0": layers({**LINEAR, "n_in": 0}),
    "linear of negative width": layers({**LINEAR, "n_in": -2}),
    "linear of half a width": layers({**LINEAR, "n_in": 2.5}),
    "linear of float width": layers({**LINEAR, "n_in": 2.0}),
    "linear of huge width": layers({**LINEAR, "n_in": 10**30}),
    "linear of large width": layers({**LINEAR, "n_in": 2**31, "n_out": 2**33}),
    "bias a number": layers({**LINEAR, "bias": 1}),
    "bias a word": layers({**LINEAR, "bias": "yes"}),
    "degree 0": layers({**SPLINE, "degree": 0}),
    "degree 9": layers({**SPLINE, "degree": 9}),
    "degree 1.0": layers({**SPLINE, "degree": 1.0}),
    "degree None": layers({**SPLINE, "degree": None}),
    "breakpoints unsorted": layers({**SPLINE, "breakpoints": [[0.0, 2.0, 1.0]]}),
    "breakpoints repeated": layers({**SPLINE, "breakpoints": [[0.0, 1.0, 1.0]]}),
    "breakpoints NaN": layers({**SPLINE, "breakpoints": [[0.0, float("nan"), 1.0]]}),
    "breakpoints huge": layers({**SPLINE, "breakpoints": [[0, 10**400, 10**401]]}),
    "breakpoints strings": layers({**SPLINE, "breakpoints": [["0", "1", "2"]]}),
    "breakpoints one": layers({**SPLINE, "breakpoints": [[0.0]]}),
    "breakpoints flat": layers({**SPLINE, "breakpoints": [0.0, 1.0, 2.0]}),
    "breakpoints None": layers({**SPLINE, "breakpoints": None}),
    "breakpoints an object": layers({**SPLINE, "breakpoints": {"a": [0.0, 1.0, 2.0]}}),
    "inputs none": layers({**SPLINE, "inputs": []}),
    "inputs beyond": layers({**SPLINE, "inputs": [0, 1]}),
    "inputs negative": layers({**SPLINE, "inputs": [0, -1]}),
    "inputs a float": layers({**SPLINE, "inputs": [0, 0.0]}),
    "inputs a number": layers({**SPLINE, "inputs": 2}),
    "basis unknown": layers({**SPLINE, "basis": "wavelet"}),
    "rule unknown": layers({**SPLINE, "extrapolation": "fade"}),
    "rule None": layers({**SPLINE, "extrapolation": None}),
    **{f"spline without {key}": layers(without(SPLINE, key)) for key in SPLINE},
    **{f"linear without {key}": layers(without(LINEAR, key)) for key in LINEAR},
    **{f"affine without {key}": layers(LINEAR, without(AFFINE, key)) for key in AFFINE},
    "activation without kind": layers(LINEAR, without(ACTIVATION, "kind")),
}


@pytest.mark.parametrize("description", [GOOD, layers(SPLINE), layers(LINEAR, ACTIVATION, AFFINE)])
def test_good_descriptions(description, tmp_path):
    files.write(tmp_path / "net", description, {"parameters": np.arange(6.0)})
    assert same_bits(kanml.load(tmp_path / "net").parameters, np.arange(6.0))


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_in_the_description(name, tmp_path):
    path = tmp_path / "net"
    files.write(path, NONSENSE[name], {"parameters": np.arange(6.0)})
    with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
        kanml.load(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"theta": np.arange(6.0)},
        {"parameters": np.arange(5.0)},
        {"parameters": np.arange(7.0)},
        {"parameters": np.arange(0.0)},
        {"parameters": np.arange(6.0)[None]},
        {"parameters": np.float64(1.0)},
        {"parameters": np.arange(6)},
        {"parameters": np.arange(6, dtype=np.float32)},
    ],
    ids=str,
)
def test_nonsense_in_the_arrays(arrays, tmp_path):
    files.write(tmp_path / "net", GOOD, {name: np.asarray(array) for name, array in arrays.items()})
    with pytest.raises(ValueError, match="net"):
        kanml.load(tmp_path / "net")


ENTRY = {"name": "parameters", "dtype": "<f8", "shape": [6]}
LISTINGS = {
    "beyond the end": [{**ENTRY, "shape": [7]}],
    "far beyond the end": [{**ENTRY, "shape": [2**62]}],
    "more than can be counted": [{**ENTRY, "shape": [2**40, 2**40]}],
    "more than a number": [{**ENTRY, "shape": [10**40]}],
    "short of the end": [{**ENTRY, "shape": [5]}],
    "two of half": [{**ENTRY, "name": "a", "shape": [3]}, {**ENTRY, "shape": [4]}],
    "none": [],
    "negative": [{**ENTRY, "shape": [-1]}],
    "negative twice": [{**ENTRY, "shape": [-2, -3]}],
    "a float": [{**ENTRY, "shape": [6.0]}],
    "a string": [{**ENTRY, "shape": "6"}],
    "shape None": [{**ENTRY, "shape": None}],
    "shape a number": [{**ENTRY, "shape": 6}],
    "no shape": [without(ENTRY, "shape")],
    "no name": [without(ENTRY, "name")],
    "name a list": [{**ENTRY, "name": ["parameters"]}],
    "a name twice": [{**ENTRY, "shape": [0]}, ENTRY],
    "no dtype": [without(ENTRY, "dtype")],
    "dtype object": [{**ENTRY, "dtype": "O"}],
    "dtype complex": [{**ENTRY, "dtype": "<c16", "shape": [3]}],
    "dtype of another order": [{**ENTRY, "dtype": ">f8"}],
    "dtype of fields": [{**ENTRY, "dtype": [["a", "<f8"]]}],
    "dtype unknown": [{**ENTRY, "dtype": "f88"}],
    "dtype None": [{**ENTRY, "dtype": None}],
    "a listing of numbers": [1, 2, 3],
    "an object": {"parameters": ENTRY},
    "no list": 6,
    "absent": None,
}


@pytest.mark.parametrize("name", LISTINGS)
def test_nonsense_in_the_listing(name, tmp_path):
    header = json.dumps({**GOOD, "arrays": LISTINGS[name]}).encode()
    write_header(tmp_path / "net", header, np.arange(6.0).tobytes())
    with pytest.raises(ValueError, match="net"):
        kanml.load(tmp_path / "net")


def test_listing_of_the_good_file(tmp_path):
    header = json.dumps({**GOOD, "arrays": [ENTRY]}).encode()
    write_header(tmp_path / "net", header, np.arange(6.0).tobytes())
    assert same_bits(kanml.load(tmp_path / "net").parameters, np.arange(6.0))
    write_header(tmp_path / "net", header, np.arange(7.0).tobytes())  # more than is listed
    with pytest.raises(ValueError, match="net"):
        kanml.load(tmp_path / "net")


BODIES = {
    "nothing": b"",
    "half a length": b"\0\0\0\0",
    "no header": struct.pack("<Q", 0),
    "header beyond the end": struct.pack("<Q", 100) + b"{}",
    "header of all memory": struct.pack("<Q", 2**64 - 1) + b"{}",
    **{
        f"header {header[:30]!r}": struct.pack("<Q", len(header)) + header
        for header in (
            b"{}",
            b"[]",
            b"null",
            b"3",
            b'"network"',
            b"{",
            b"\xff\xfe",
            b'{"kind": "network"}',
            b'{"kind": "network", "arrays": []}',
            b"[" * 100_000,
        )
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_nonsense_for_a_body(name, tmp_path):
    write_body(tmp_path / "net", BODIES[name])
    with pytest.raises(ValueError, match="net"):
        kanml.load(tmp_path / "net")


def test_knots_that_coincide_in_float32(tmp_path):
    description = layers({**SPLINE, "breakpoints": [[1.0, 1.0 + 1e-9, 2.0]]})
    path = tmp_path / "net"
    files.write(path, description, {"parameters": np.arange(6.0)})
    kanml.load(path)
    files.write(
        path, {**description, "dtype": "float32"}, {"parameters": np.arange(6, dtype=np.float32)}
    )
    with pytest.raises(ValueError, match="float32"):
        kanml.load(path)


def test_more_parameters_than_memory_can_hold(tmp_path):
    wide = layers({**LINEAR, "n_in": 2**20, "n_out": 2**20, "bias": False})
    files.write(tmp_path / "net", wide, {"parameters": np.zeros(0)})
    with pytest.raises(ValueError, match=str(2**40)):
        kanml.load(tmp_path / "net")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.sampled_from(["x", "<f8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@given(value=values, data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_replaced_by_any_other(value, data, tmp_path):
    """Somewhere in a good description there is another value: a network comes, or ValueError."""
    description = json.loads(json.dumps(layers(LINEAR, AFFINE, ACTIVATION, SPLINE)))
    description["arrays"] = [{**ENTRY, "shape": [12]}]
    place = description
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = value
    write_header(tmp_path / "net", json.dumps(description).encode(), np.arange(12.0).tobytes())
    try:
        net = kanml.load(tmp_path / "net")
    except ValueError:
        return
    assert net.n_parameters == 12


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


def test_permissions_are_those_of_any_new_file(tmp_path):
    plain, saved = tmp_path / "plain", tmp_path / "saved"
    plain.touch()
    kanml.KAN([1, 1]).save(saved)
    assert saved.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_permissions_of_a_file_are_kept(mode, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(b"old")
    path.chmod(mode)
    kanml.KAN([1, 1]).save(path)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("target", ["there/net", "there/new"])
def test_a_symbolic_link_stays_one(target, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "net").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    for net in (kanml.KAN([1, 1]), kanml.KAN([2, 1])):
        net.save(link)
        assert link.is_symlink()
        assert repr(kanml.load(tmp_path / target)) == repr(net)
    assert {p.name for p in tmp_path.iterdir()} == {"there", "link"}
    assert {p.name for p in (tmp_path / "there").iterdir()} == {"net", target[6:]}


def test_what_is_no_file_is_not_replaced(tmp_path):
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, "/dev/null"):
        with pytest.raises(IsADirectoryError, match=naming(repr(str(path))[1:])):
            kanml.KAN([1, 1]).save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "pipe"]


KILLED = """
import os, signal, sys, kanml
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
kanml.KAN([1, 1]).save(sys.argv[1])
"""


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "net"
    for name in ("net", "other"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], timeout=60)
        assert done.returncode == -signal.SIGKILL
    left = {p.name for p in tmp_path.iterdir()}
    assert len(left) == 2
    assert not path.exists()
    kanml.KAN([1, 1]).save(path)
    kept = {p.name for p in tmp_path.iterdir()} - {"net"}
    assert kept == {name for name in left if name.startswith(".other.")}


def test_what_others_are_writing_is_left_alone(tmp_path):
    """Files of running processes, of this one, and of names that are not ours."""
    stem, token = ".net.", "0123456789abcdef"
    names = {
        f"{stem}{os.getppid()}.{token}0.tmp",
        f"{stem}{os.getpid()}.{files.PROCESS}999999.tmp",
        f"{stem}notes.tmp",
        f"{stem}2.{token}0.tmp.kept",
        f".net.net.{2**40}.{token}0.tmp",
    }
    for name in names:
        (tmp_path / name).touch()
    abandoned = (f"{stem}{os.getpid()}.{token}0.tmp", f"{stem}{2**40}.{token}0.tmp")
    for name in abandoned:
        (tmp_path / name).touch()
    kanml.KAN([1, 1]).save(tmp_path / "net")
    assert {p.name for p in tmp_path.iterdir()} == names | {"net"}


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch):
    """Some file systems refuse it; the file has been replaced by then."""
    flush = os.fsync

    def fsync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError("invalid argument")
        flush(file)

    monkeypatch.setattr("os.fsync", fsync)
    kanml.KAN([1, 1]).save(tmp_path / "net")
    assert kanml.load(tmp_path / "net").n_parameters == 8


def test_a_rehearsal_leaves_all_as_it_is(tmp_path):
    path = tmp_path / "net"
    files.rehearse(path, {"kind": "test"}, {})
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"old")
    files.rehearse(path, {"kind": "test"}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
    assert path.read_bytes() == b"old"


def test_networks_can_be_pickled_and_copied():
    space = kanml.SplineSpace([-1.0, 0.1, 1.0], 3)
    layers = [kanml.Affine(2.0, [0.0, 1.0]), kanml.SplineLayer(2, 3, space), kanml.Linear(3, 1)]
    net = kanml.Network(layers, seed=3, dtype="float32")
    x = np.random.default_rng(0).uniform(-1, 1, (10, 2))
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert again.dtype == net.dtype
        assert same_bits(again.parameters, net.parameters)
        assert same_bits(again(x), net(x))


def test_saving_in_a_missing_folder_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.kanml' is not in an existing folder"):
        kanml.KAN([1, 1]).save(tmp_path / "missing" / "net.kanml")
