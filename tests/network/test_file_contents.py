"""A digest that is right over content that is not: what another program might write."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kanml
from helpers import naming, same_bits
from kanml.network import files


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
