"""Evolutions slab after slab: solutions, what ends a march early, and how it continues."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits

TIMES = [0.0, 1.0, 2.5, 3.0]


def oscillation(start, end, before):
    """u'' = -u with u(0) = 1, u'(0) = 0: the cosine."""
    t = np.linspace(start, end, 60)[:, None]
    value, slope = (1.0, 0.0) if before is None else before.evaluate(t[:1], both)[0]
    return kanml.PINN(
        "t",
        [
            kanml.Term("ode", t, lambda u: u.tt + u),
            kanml.Term("initial", t[:1], lambda u: (u - value, u.t - slope)),
        ],
    )


def both(u):
    return u, u.t


def kan():
    return kanml.KAN([1, 1], degree=5, intervals=3, domain=(0, 1))


def march(net=None, problem=oscillation, times=TIMES, schedule=(60, 60), **options):
    options = {"progress": False, **options}
    return kanml.march(kan() if net is None else net, problem, times, schedule, **options)


def same_march(left, right):
    return len(left.slabs) == len(right.slabs) and all(
        same_bits(a.network.parameters, b.network.parameters)
        and same_bits(a.history.loss, b.history.loss)
        and repr(a.network.layers) == repr(b.network.layers)
        for a, b in zip(left.slabs, right.slabs, strict=True)
    )


# Solutions


def test_an_oscillation():
    result = march()
    assert (result.status, len(result.slabs), result.unfinished) == ("completed", 3, None)
    t = np.linspace(0, 3, 301)[:, None]
    found = result.evaluate(t, lambda u: (u, u.t, u.tt))
    np.testing.assert_allclose(found[:, 0], np.cos(t[:, 0]), atol=2e-6)
    np.testing.assert_allclose(found[:, 1], -np.sin(t[:, 0]), atol=2e-5)
    np.testing.assert_allclose(result(t)[:, 0], found[:, 0], atol=1e-14)


def test_the_heat_equation():
    """Two modes, which decay at rates of their own, in three slabs of different lengths."""

    def exact(points):
        t, x = points.T
        modes = [np.exp(-0.1 * (k * np.pi) ** 2 * t) * np.sin(k * np.pi * x) for k in (1, 2)]
        return modes[0] + 0.5 * modes[1]

    def slab(start, end, before):
        rng = np.random.default_rng(0)
        inside = rng.uniform([start, 0], [end, 1], (500, 2))
        x = np.linspace(0, 1, 41)
        first = np.stack([np.full(41, start), x], axis=1)
        initial = exact(first) if before is None else before(first)[:, 0]
        return kanml.PINN(
            "tx",
            [
                kanml.Term("heat", inside, lambda u: u.t - 0.1 * u.xx),
                kanml.Term("initial", first, lambda u: u - initial, weight=10.0),
            ],
            transform=lambda u, x: x * (1 - x) * u,
        )

    size = {"degree": 4, "intervals": 2, "domain": (0, 1)}
    net = kanml.KAN([2, 6, 1], activation="tanh", seed=0, **size)
    result = march(net, slab, [0.0, 0.4, 1.0, 1.4], [100, 100], optimizer="ssbroyden")
    grid = np.stack(np.meshgrid(np.linspace(0, 1.4, 43), np.linspace(0, 1, 21)), axis=-1)
    points = grid.reshape(-1, 2)
    np.testing.assert_allclose(result(points)[:, 0], exact(points), atol=5e-4)


def test_each_time_belongs_to_its_slab():
    result = march(schedule=[5])
    for slab, inside in zip(result.slabs, ([0.0, 0.4, 1.0], [1.1, 2.5], [2.6, 3.0]), strict=True):
        t = np.array(inside)[:, None]
        assert same_bits(result(t), slab(t))
    shuffled = np.array([2.7, 0.2, 1.3, 2.6, 1.0])[:, None]
    expected = [result([[float(t[0])]])[0] for t in shuffled]
    np.testing.assert_allclose(result(shuffled), expected, rtol=1e-13)
    for t in (-1e-9, 3.0 + 1e-9, np.nan):
        with pytest.raises(ValueError, match=naming("[0.0, 3.0]", t)):
            result([[1.0], [t]])
    for shape in ((2, 3), (0, 1), (3,)):
        with pytest.raises(ValueError, match=naming("points", "(N, 1)", shape)):
            result(np.zeros(shape))


def test_the_schedule_is_read_once():
    again, once = march(schedule=(4, 3)), march(schedule=iter((4, 3)))
    assert [len(slab.history) for slab in once.slabs] == [9, 4, 4]
    assert same_bits(once([[3.0]]), again([[3.0]]))


def test_steps_as_a_number_and_an_optimizer_by_its_name():
    named = march(schedule=4, optimizer="ssbroyden")
    assert same_march(named, march(schedule=[4], optimizer=kanml.SSBroyden()))
    assert not same_march(named, march(schedule=[4]))


def test_a_slab_begins_with_the_network_before():
    """Moved in time: the same function of the share of the interval, on the finest grid."""
    starts = []

    class First(kanml.Callback):
        def begin(self, state):
            starts.append(state.network)

    result = march(callbacks=[First()], restarts=0)
    share = np.linspace(0, 1, 20)[:, None]
    for number, slab in enumerate(result.slabs[1:], 1):
        before = result.slabs[number - 1]
        np.testing.assert_allclose(
            starts[number](slab.start + (slab.end - slab.start) * share),
            before.network(before.start + (before.end - before.start) * share),
            rtol=1e-9,
            atol=1e-12,
        )
        assert len(slab.network.layers) == 2
        assert slab.history.level.tolist() == [0] * len(slab.history)
        assert slab.network.layers[-1].spaces[0].intervals == 6
    assert same_bits(starts[0].parameters, kan().parameters)


def test_times_are_any_input_and_layers_may_refuse():
    """The time is the second input; no rounding leads out of a domain."""

    def slab(start, end, before):
        rng = np.random.default_rng(1)
        points = rng.uniform([-1, start], [1, end], (50, 2))
        points[:2, 1] = start, end
        return kanml.PINN("xt", [kanml.Term("decay", points, lambda u: u.t + u - 1)])

    space = [kanml.SplineSpace.uniform(*ends, 2, 3) for ends in ((-1, 1), (0.1, 0.4))]
    net = kanml.Network([kanml.SplineLayer(2, 1, space, extrapolation="error")])
    result = march(net, slab, np.linspace(0.1, 2.2, 8), [3, 3], time=1)
    assert result.status == "completed"
    for slab in result.slabs:
        edge = np.array([[0.3, slab.start], [-1, slab.end]])
        assert np.isfinite(slab(edge)).all()
    with pytest.raises(ValueError, match="domain"):
        result.slabs[2](edge)


def test_a_regression_marches_too():
    def slab(start, end, before):
        t = np.linspace(start, end, 30)[:, None]
        return kanml.Regression(t, np.sin(t))

    result = march(problem=slab)
    t = np.linspace(0, 3, 50)[:, None]
    np.testing.assert_allclose(result(t), np.sin(t), atol=1e-5)
    with pytest.raises(TypeError, match="Regression"):
        result.evaluate(t, both)


def test_the_last_optimizer_trains_further_slabs():
    optimizers = [kanml.Adam(0.01), kanml.LBFGS()]
    result = march(schedule=[5, 40], optimizer=optimizers, restarts=0)
    alone = kanml.train(
        kan(), oscillation(0.0, 1.0, None), [5, 40], optimizers, restarts=0, progress=False
    )
    assert same_bits(result.slabs[0].network.parameters, alone.network.parameters)
    assert (result.slabs[1].history.ascents == 0).all()
    assert result.slabs[1].history.loss[-1] < 1e-6


# Ends


def stopping_in(slab, step, how):
    """A callback that does something after a step of a slab."""
    begun = []

    class Callback(kanml.Callback):
        def begin(self, state):
            begun.append(state.step)

        def __call__(self, state):
            return how() if (len(begun), state.step) == (slab, step) else None

    return Callback()


def interrupt():
    raise KeyboardInterrupt


def fail():
    raise OSError("no such thing")


def test_ctrl_c_keeps_finished_slabs():
    whole = march()
    result = march(callbacks=[stopping_in(3, 4, interrupt)])
    assert result.status == "interrupted"
    assert "slab 3 of 3" in result.message
    assert "step 4" in result.message
    assert [slab.end for slab in result.slabs] == [1.0, 2.5]
    t = np.linspace(0, 2.5, 20)[:, None]
    assert same_bits(result(t), whole(t))
    assert result.unfinished.history.step[-1] == 4
    assert np.isfinite(result.unfinished([[2.7]])).all()
    with pytest.raises(ValueError, match=naming("[0.0, 2.5]", 2.7)):
        result([[2.7]])


def test_ctrl_c_in_the_first_slab():
    result = march(callbacks=[stopping_in(1, 4, interrupt)])
    assert (result.status, result.slabs) == ("interrupted", ())
    assert result.unfinished.history.step[-1] == 4
    with pytest.raises(ValueError, match="no slab was finished"):
        result([[0.5]])


def test_ctrl_c_in_the_function_of_the_user():
    def slab(start, end, before):
        if start == 1.0:
            interrupt()
        return oscillation(start, end, before)

    result = march(problem=slab)
    assert (result.status, len(result.slabs), result.unfinished) == ("interrupted", 1, None)


def test_an_error_keeps_finished_slabs():
    whole = march()
    with pytest.raises(
        kanml.MarchError, match=naming("slab 3 of 3, from 2.5 to 3.0", "OSError: no such thing")
    ) as caught:
        march(callbacks=[stopping_in(3, 2, fail)])
    assert isinstance(caught.value.__cause__, OSError)
    kept = caught.value.result
    assert [slab.end for slab in kept.slabs] == [1.0, 2.5]
    assert same_bits(kept([[2.0]]), whole([[2.0]]))
    with pytest.raises(OSError, match="no such thing"):
        march(callbacks=[stopping_in(1, 2, fail)])


def test_a_slab_that_diverges():
    def slab(start, end, before):
        t = np.linspace(start, end, 10)[:, None]
        return kanml.Regression(t, np.full_like(t, 1e200 if start == 1.0 else 1.0))

    result = march(problem=slab)
    assert (result.status, len(result.slabs)) == ("diverged", 1)
    assert "slab 2 of 3" in result.message


def test_a_callback_ends_its_slab_alone():
    result = march(callbacks=[stopping_in(2, 3, lambda: True)])
    assert (result.status, len(result.slabs)) == ("completed", 3)
    assert result.slabs[1].history.step[-1] == 3
    assert result.slabs[2].history.step[-1] > 3


# Continuing


@pytest.mark.parametrize("where", [(1, 7), (1, 70), (2, 2), (3, 5)])
def test_continued(where, tmp_path):
    whole = march(restarts=0)
    folder = tmp_path / "a" / "folder"
    ended = march(restarts=0, folder=folder, every=3, callbacks=[stopping_in(*where, interrupt)])
    assert ended.status == "interrupted"
    begun = []

    class Begun(kanml.Callback):
        def begin(self, state):
            begun.append(state.step)

    again = march(restarts=0, folder=folder, every=3, callbacks=[Begun()])
    assert (again.status, again.message) == (whole.status, whole.message)
    assert same_march(again, whole)
    assert begun == [where[1], *[0] * (3 - where[0])]
    assert sorted(path.name for path in folder.iterdir()) == [
        f"slab-{i}.finished" for i in (1, 2, 3)
    ]
    assert same_march(march(restarts=0, folder=folder, callbacks=[Begun()]), whole)
    assert len(begun) == 4 - where[0]


def test_continued_after_a_slab_that_a_callback_ended(tmp_path):
    options = {"folder": tmp_path, "restarts": 0}
    whole = march(restarts=0, callbacks=[stopping_in(2, 3, lambda: True)])

    class Both(kanml.Callback):
        def __init__(self):
            self.stop, self.interrupt = (
                stopping_in(2, 3, lambda: True),
                stopping_in(3, 1, interrupt),
            )

        def begin(self, state):
            self.stop.begin(state)
            self.interrupt.begin(state)

        def __call__(self, state):
            return self.stop(state) or self.interrupt(state)

    assert march(callbacks=[Both()], **options).status == "interrupted"
    assert same_march(march(**options), whole)


def test_a_folder_of_another_march(tmp_path):
    march(schedule=[3, 3], folder=tmp_path)
    with pytest.raises(ValueError, match="another run"):
        march(schedule=[3, 4], folder=tmp_path)


BAD = {
    "one time": ({"times": [0.0]}, "times", "[0.0]"),
    "no rise": ({"times": [0.0, 1.0, 1.0]}, "times", "increasing"),
    "NaN": ({"times": [0.0, np.nan]}, "times", "nan"),
    "time": ({"time": 1}, "time", "1"),
    "a problem": ({"problem": kanml.Regression([[0.0]], [[0.0]])}, "problem", "function"),
    "net": ({"net": [1]}, "net", "[1]"),
    "every": ({"folder": ".", "every": 0}, "every", "0"),
    "every without a folder": ({"every": 0}, "every", "0"),
    "steps": ({"schedule": 5.5}, "schedule", "5.5"),
    "returns": ({"problem": lambda start, end, before: 3}, "problem", "3"),
    "schedule": ({"schedule": []}, "schedule", "none"),
    "optimizer": ({"optimizer": [kanml.LBFGS()]}, "optimizer", "got 1"),
    "callback": ({"callbacks": [3]}, "callbacks[0]", "3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    options, *parts = BAD[case]
    with pytest.raises((TypeError, ValueError), match=naming(*parts)):
        march(**options)
