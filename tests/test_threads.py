"""Threads: the count is what was asked for, and no number of them changes a bit."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import kanml
from helpers import naming, run_python, same_bits

X = np.random.default_rng(0).uniform(-1.2, 1.2, (3000, 2))  # enough work for several threads
NET = kanml.KAN([2, 6, 1], seed=1)
U = np.cos(X[:, :1])


@pytest.fixture(autouse=True)
def count_is_kept():
    before = kanml.get_num_threads()
    yield
    kanml.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_set_and_get(n):
    kanml.set_num_threads(n)
    assert kanml.get_num_threads() == n
    NET(X, num_threads=3)
    assert kanml.get_num_threads() == n  # one call's number is for that call
    kanml.set_num_threads(np.int64(n + 1))
    assert kanml.get_num_threads() == n + 1


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True, np.inf, 10**30], ids=repr)
def test_bad_values(value):
    before = kanml.get_num_threads()
    with pytest.raises((TypeError, ValueError), match=naming("n must be", value)):
        kanml.set_num_threads(value)
    if value is not None:
        with pytest.raises((TypeError, ValueError), match=naming("num_threads", value)):
            NET(X, num_threads=value)
    assert kanml.get_num_threads() == before


@pytest.mark.parametrize("n", [1, 2, 3, 8, 64])
def test_the_same_bits(n):
    kanml.set_num_threads(1)
    y, gradients, tangent = NET(X), NET.vjp(X, U), NET.jvp(X, NET.parameters)
    loss, by_parameters = NET.mean_squared_error(X, U)
    kanml.set_num_threads(n)
    for _ in range(3):
        assert same_bits(NET(X), y)
        assert same_bits(NET.jvp(X, NET.parameters), tangent)
        for got, expected in zip(NET.vjp(X, U), gradients, strict=True):
            assert same_bits(got, expected)
        got_loss, got_gradient = NET.mean_squared_error(X, U)
        assert got_loss == loss
        assert same_bits(got_gradient, by_parameters)


@pytest.mark.parametrize("n", [1, 2])
def test_several_python_threads_at_once(n):
    """One network and one problem, from eight threads that start together."""
    kanml.set_num_threads(n)
    problem = kanml.Regression(X, U)
    y, (loss, gradient) = NET(X), problem.value_and_gradient(NET)
    net = kanml.KAN([2, 6, 1], seed=1)  # not yet evaluated: its core is built by the first
    together = threading.Barrier(8)

    def work(_):
        together.wait(timeout=30)
        return [(net(X), *problem.value_and_gradient(net)) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(work, range(8)):
            for got_y, got_loss, got_gradient in results:
                assert same_bits(got_y, y)
                assert got_loss == loss
                assert same_bits(got_gradient, gradient)


def test_errors_come_out_of_threads():
    """The first sample outside is the one that is named, whatever the number of threads."""
    net = kanml.KAN([2, 6, 1], seed=1, extrapolation="error", data=X / 1.3)
    messages = set()
    for n in (1, 2, 3, 8):
        with pytest.raises(ValueError, match="outside the domain") as error:
            net(X, num_threads=n)
        messages.add(str(error.value))
    assert len(messages) == 1


@pytest.mark.parametrize("n", [1, 3, 17])
def test_the_environment_says_how_many(n):
    assert run_python(
        "import kanml; print(kanml.get_num_threads())", OMP_NUM_THREADS=str(n)
    ) == str(n)


def test_by_default_not_more_than_there_are():
    n = int(run_python("import kanml; print(kanml.get_num_threads())"))
    assert 1 <= n <= len(os.sched_getaffinity(0))


def test_more_threads_than_the_system_can_start():
    """The runtime would end the process; 64, or one a processor, are the most that are started."""
    code = """
import os
import numpy as np
import kanml
x = np.linspace(-1, 1, 64 * 20_000)[:, None]
net = kanml.KAN([1, 1], seed=0)
expected = net(x, num_threads=1)
before = len(os.listdir("/proc/self/task"))
assert np.array_equal(net(x), expected)
kanml.set_num_threads(100_000)
assert kanml.get_num_threads() == 100_000
assert np.array_equal(net(x), expected)
assert np.array_equal(net(x, num_threads=2**31 - 1), expected)
print(len(os.listdir("/proc/self/task")) - before + 1)
"""
    most = max(64, len(os.sched_getaffinity(0)))
    assert run_python(code, OMP_NUM_THREADS="99999") == str(most)
