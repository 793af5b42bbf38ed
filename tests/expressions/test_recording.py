"""Recordings of functions of fields: what they did, done again to the last bit."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

from kanml.expressions import Trace, record
from kanml.expressions.functions import FUNCTIONS
from kanml.expressions.operations import OPERATIONS


def test_every_function_is_found_by_its_name():
    for function in [*OPERATIONS, *FUNCTIONS]:
        assert getattr(np, function.__name__) is function


def test_a_recording_makes_the_same_graph():
    """The same nodes in the same order, so that programs do the same to the last bit."""
    data = np.linspace(0, 1, 4)

    def residual(u, t, x):
        unused = np.exp(u.x) * t
        both = (u.tx - u.t.x) + (x * u.x).x + np.where((u > x) & (data > 0.5), u * 2, unused)
        return both, np.clip(u, None, 0.5), 1, [unused][0] + data

    def traced_by(function, n=4):
        trace = Trace("tx", points=n)
        t, x = trace.coordinates
        w = x * trace.output("u")  # as a transform makes it
        recording = record(trace, function, {"t": t, "x": x, "u": w}, "residual")
        return trace, recording

    first, recording = traced_by(residual)
    again = pickle.loads(pickle.dumps(recording.function("it")))
    second, repeated = traced_by(again)
    assert [repr(node) for node in second._nodes.values()] == [
        repr(node) for node in first._nodes.values()
    ]
    assert repr(repeated.returned) == repr(recording.returned)
    third, _ = traced_by(pickle.loads(pickle.dumps(repeated.function("it"))))
    assert list(map(repr, third._nodes.values())) == list(map(repr, first._nodes.values()))


def test_a_recorded_function_asks_for_what_it_used():
    trace = Trace("tx")
    fields = {"t": trace.coordinates[0], "x": trace.coordinates[1], "u": trace.output("u")}
    used = record(trace, lambda **f: f["u"].t - f["x"], fields, "residual").function("it")
    assert list(inspect.signature(used).parameters) == ["x", "u"]
    assert repr(used) == "<recorded function of x, u>"
    assert repr(used(u=fields["u"], x=fields["x"])) == "u.t - x"


def test_arrays_are_recorded_as_they_were():
    data = np.ones(3)
    trace = Trace("x", points=3)
    u = trace.output("u")
    recorded = record(trace, lambda u: u + data, {"u": u}, "residual").function("it")
    expected = u + np.ones(3)
    data[:] = 5.0
    assert recorded(u=u) is expected


def test_what_was_recorded_of_a_function_that_fails():
    trace = Trace("x")
    u = trace.output("u")
    with pytest.raises(TypeError, match="truth value"):
        record(trace, lambda u: 1 if u.x > 0 else 2, {"u": u}, "residual")
    assert trace.listener is None


def test_coordinates_of_another_point():
    trace = Trace("tx", directions={"n": (2, 3)})
    there = trace.coordinates_at("_there")
    (t, x), u = there, trace.output("u")
    assert repr((t, x)) == "(t_there, x_there)"
    assert repr((t * x * u).x) == "t_there*u + t_there*x_there*u.x"
    assert repr([t.t, t.x, x.n, (t**2).n]) == "[1, 0, 3, 4*t_there]"
