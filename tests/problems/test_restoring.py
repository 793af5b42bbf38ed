"""States of problems from files that may hold anything: what does not fit is refused."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanml
from helpers import naming
from kanml.problems import Sampler

X = np.random.default_rng(0).uniform([0, -1], [1, 1], (12, 2))
NET = kanml.KAN([2, 2, 1], intervals=2, seed=0)


def pinn():
    box = ([0, -1], [1, 1])
    return kanml.PINN(
        "tx",
        [
            kanml.Term("fixed", X, lambda u: u),
            kanml.Term("batches", X, lambda u: u.x, batch_size=5, attention=kanml.RBA(0.3)),
            kanml.Term("drawn", Sampler(*box, 6, every=2), lambda u: u.t),
            kanml.Term(
                "adaptive",
                Sampler(*box, 6, "residual", every=3),
                lambda u: (u.t, u.x),
                attention=kanml.RBA(0.1),
            ),
        ],
    )


def stepped(problem, steps=4):
    for _ in range(steps):
        problem.advance(NET)
    return problem


def regression():
    return kanml.Regression(X, X[:, :1], batch_size=5)


MAKE = {
    "PINN": pinn,
    "Regression": regression,
    "whole": lambda: kanml.Regression(X, X[:, :1]),
}


def paths(state, path=()):
    """The path of every entry of nested dictionaries."""
    for key, value in state.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from paths(value, (*path, key))


def changed(state, path, change):
    """A copy of nested dictionaries with one entry changed."""
    state = copy.deepcopy(state)
    holder = state
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return state


def assert_refused(problem, state, *parts):
    before = json.dumps(problem.state()), problem.residuals(NET).tobytes()
    with pytest.raises(ValueError, match=naming(*parts)):
        problem.restore(state)
    assert (json.dumps(problem.state()), problem.residuals(NET).tobytes()) == before


@pytest.mark.parametrize("name", MAKE)
def test_a_state_that_is_sound(name):
    problem = stepped(MAKE[name]())
    state = json.loads(json.dumps(problem.state()))
    for other in (MAKE[name](), stepped(MAKE[name](), 7)):
        other.restore(state)
        assert other.state() == state
        assert other.residuals(NET).tobytes() == problem.residuals(NET).tobytes()
        stepped(other, 5)
        assert other.state() == stepped(copy.copy(problem), 5).state()


STRANGE = [
    None, True, -1, 0.5, 10**9, 10**40, float("nan"), float("inf"), "", "PCG64", [], [1], [[]],
    ["a"], [None], {}, {"a": 1}, [[float("nan")]], [10**400], [{"state": 1}],
]  # fmt: skip


@pytest.mark.parametrize("name", MAKE)
def test_every_entry_of_a_state_is_checked(name):
    """No entry may be missing, of another type, or beside others that do not belong there."""
    problem = stepped(MAKE[name]())
    state = problem.state()
    allowed = {  # other values that are sound
        "steps": lambda v: False,
        "state": lambda v: type(v) is int and 0 <= v < 2**128,
        "inc": lambda v: False,
        "uinteger": lambda v: type(v) is int and 0 <= v < 2**32,
    }
    for path in paths(state):
        assert_refused(problem, changed(state, path, lambda holder, key: holder.pop(key)))
        extra = changed(state, path, lambda holder, key: holder.update({f"{key}!": 0}))
        assert_refused(problem, extra)
        value = state
        for key in path:
            value = value[key]
        for strange in STRANGE:
            other = changed(state, path, lambda holder, key, v=strange: holder.update({key: v}))
            same = type(strange) is type(value) and strange == value
            if same or allowed.get(path[-1], lambda v: False)(strange):
                continue
            if (
                path[-1] == "steps"
                and path[0] in ("fixed", "batches")
                and strange in (10**9, 10**40)
            ):
                continue  # any number of steps may lie behind
            assert_refused(problem, other)


@pytest.mark.parametrize("state", [None, 3, [], "state", {"a": 1}], ids=repr)
@pytest.mark.parametrize("name", MAKE)
def test_no_state_at_all(name, state):
    assert_refused(MAKE[name](), state)


def putting(value):
    return lambda holder, key: holder.update({key: value})


def item(i, value):
    def change(holder, key):
        holder[key][i] = value

    return change


ORDER = list(range(12))
UNSOUND = {
    "position too large": (("batches", "points", "position"), putting(10), ("position", "10")),
    "position negative": (("batches", "points", "position"), putting(-5), ("position", "-5")),
    "position between batches": (("batches", "points", "position"), putting(3), ("multiple", "5")),
    "position of all points": (("fixed", "points", "position"), putting(1), ("position", "1")),
    "order with one twice": (("batches", "points", "order"), putting([*ORDER[:-1], 0]), ("order",)),
    "order of others": (("batches", "points", "order"), putting([*ORDER[1:], 12]), ("order",)),
    "order too short": (("batches", "points", "order"), putting(ORDER[:-1]), ("order",)),
    "order of floats": (("batches", "points", "order"), putting([0.0, *ORDER[1:]]), ("order",)),
    "order of truth values": (("batches", "points", "order"), item(0, True), ("order",)),
    "order where there is none": (("fixed", "points", "order"), putting(ORDER), ("order", "None")),
    "draws too many": (("drawn", "points", "draws"), putting(3), ("draws", "3", "4 steps")),
    "draws negative": (("drawn", "points", "draws"), putting(-1), ("draws", "-1")),
    "draws of given points": (("fixed", "points", "draws"), putting(1), ("draws", "1")),
    "steps negative": (("fixed", "points", "steps"), putting(-1), ("steps", "-1")),
    "a point outside": (
        ("adaptive", "points", "points"), item(2, [0.5, 1.5]), ("box", "[0.5, 1.5]"),
    ),
    "a point of nan": (
        ("adaptive", "points", "points"), item(2, [0.5, float("nan")]), ("finite", "points[2, 1]"),
    ),
    "a point too few": (
        ("adaptive", "points", "points"), lambda h, k: h[k].pop(), ("points", "(6, 2)"),
    ),
    "a coordinate too few": (("adaptive", "points", "points"), item(0, [0.5]), ("points",)),
    "points that can be drawn": (("drawn", "points", "points"), putting([[0, 0]]), ("points",)),
    "weights too few": (("batches", "attention"), lambda h, k: h[k].pop(), ("(12, 1)",)),
    "a weight of nan": (("batches", "attention"), item(3, [float("nan")]), ("attention[3, 0]",)),
    "a weight below 0": (("batches", "attention"), item(3, [-0.1]), ("attention", "-0.1")),
    "a weight above 1": (("batches", "attention"), item(3, [1.1]), ("attention", "1.1")),
    "a weight in words": (("batches", "attention"), item(3, ["1"]), ("attention",)),
    "weights where there are none": (("fixed", "attention"), putting([[1.0]]), ("attention",)),
    "another generator": (
        ("fixed", "points", "generator", "bit_generator"), putting("MT19937"), ("PCG64", "MT19937"),
    ),
    "an even increment": (("fixed", "points", "generator", "state", "inc"), putting(4), ("odd",)),
    "a state too large": (
        ("fixed", "points", "generator", "state", "state"), putting(2**128), ("state",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSOUND)
def test_unsound_states(case):
    path, change, parts = UNSOUND[case]
    problem = stepped(pinn())
    state = changed(problem.state(), path, change)
    assert_refused(problem, state, f"the state of term '{path[0]}'", *parts)
    if path[0] == "batches" and path[1] == "points" and path[2] in ("position", "order"):
        data = stepped(regression())
        assert_refused(
            data, changed(data.state(), path[2:], change), "the state of a Regression", *parts
        )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(value=json_values, data=st.data())
@pytest.mark.parametrize("name", MAKE)
def test_any_entry_of_json(name, value, data):
    """Restored or refused with a ValueError; and what is restored can go on."""
    problem = stepped(MAKE[name]())
    state = problem.state()
    path = data.draw(st.sampled_from(list(paths(state))))
    try:
        problem.restore(changed(state, path, lambda holder, key: holder.update({key: value})))
    except ValueError:
        assert problem.state() == state
    stepped(problem, 7)
    assert np.isfinite(problem.residuals(NET)).all()
