"""Child processes: they end, and compute the same bits, whatever threads the parent had."""

from __future__ import annotations

import sys

import pytest

from helpers import run_python

if not sys.platform.startswith("linux"):
    pytest.skip("threads are counted, and libraries found, in /proc", allow_module_level=True)

SETUP = """
import hashlib, multiprocessing, os, warnings
import numpy as np
import kanml
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: of forking with threads
x = np.random.default_rng(0).uniform(-1.2, 1.2, (3000, 2))
net = kanml.KAN([2, 6, 1], seed=1)
def evaluate(_=None):
    return net(x).tobytes() + net.vjp(x, x[:, :1])[0].tobytes()
"""

# Each child writes how many threads it has started, and the digest of what it computed.
FORKS = """
import os, signal, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: of forking with threads
def fork(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid
def wait(pid, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise SystemExit("a child hangs")
def threads():
    return len(os.listdir("/proc/self/task"))
def digest():
    return hashlib.sha256(evaluate()).hexdigest()
def report():
    before = threads()
    computed = digest()
    os.write(1, f"{threads() - before} {computed}\\n".encode())
"""

# The library of OpenMP's runtime that kanml uses. Here others may have loaded theirs beside it.
RUNTIME = run_python("""
import kanml
for line in open("/proc/self/maps"):
    if "libgomp" in line or "libomp" in line:
        print(line.split()[-1])
        break
""")
# Another user of OpenMP's runtime: a team whose threads have nothing to do.
FOREIGN_TEAM = f"""
import ctypes
nothing = ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)  # free(NULL)
ctypes.CDLL({RUNTIME!r}).GOMP_parallel(nothing, None, 3, 0)
"""


def assert_children_agree(code, count):
    """The children have started no threads; the last line is the parent's digest."""
    *children, expected = run_python(code).splitlines()
    assert children == [f"0 {expected}"] * count


def test_fork_after_threads_of_another_library():
    """They are the runtime's; kanml itself has started none yet."""
    code = f"""
{SETUP}
{FORKS}
{FOREIGN_TEAM}
kanml.set_num_threads(4)
for _ in range(3):
    wait(fork(report))
print(digest())
"""
    assert_children_agree(code, 3)


def test_import_in_a_fork():
    """Of a process in which another library had started threads."""
    code = f"""
{FORKS}
{FOREIGN_TEAM}
def import_and_report():
    exec({SETUP!r}, globals())
    kanml.set_num_threads(4)
    report()
for _ in range(3):
    wait(fork(import_and_report))
exec({SETUP!r})
print(digest())
"""
    assert_children_agree(code, 3)


def test_fork_while_python_threads_evaluate():
    code = f"""
{SETUP}
{FORKS}
kanml.set_num_threads(2)
stop = threading.Event()
def work():
    while not stop.is_set():
        evaluate()
workers = [threading.Thread(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
for _ in range(10):
    wait(fork(report))
stop.set()
for worker in workers:
    worker.join()
print(digest())
"""
    assert_children_agree(code, 10)


def test_another_program_has_its_threads():
    """Forked, like any process, but not with the memory of its parent."""
    code = f"""
{SETUP}
{FORKS}
before = threads()
kanml.set_num_threads(4)
evaluate()
print(threads() - before)
"""
    assert run_python(code) == "3"


@pytest.mark.parametrize("before", [True, False], ids=["after threads ran", "before"])
def test_fork(before):
    """A child has none of the parent's threads; waiting for them would never end."""
    code = (
        SETUP
        + f"""
kanml.set_num_threads(4)
if {before}:
    expected = evaluate()
with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map_async(evaluate, range(4)).get(timeout=30)
if not {before}:
    expected = evaluate()
assert all(result == expected for result in results)
assert evaluate() == expected  # the parent goes on with its own
print("done")
"""
    )
    assert run_python(code) == "done"


def test_fork_in_a_fork():
    code = (
        SETUP
        + """
kanml.set_num_threads(3)
expected = evaluate()
def fork(depth):
    if evaluate() != expected:
        os._exit(1)
    if depth:
        child = os.fork()
        if child == 0:
            fork(depth - 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(7)
child = os.fork()
if child == 0:
    fork(2)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert run_python(code) == "7"


def test_training_in_a_forked_child():
    code = (
        SETUP
        + """
kanml.set_num_threads(4)
def train(_=None):
    problem = kanml.Regression(x, x[:, :1] * x[:, 1:])
    result = kanml.train(net, problem, [3, 3], progress=False)
    return result.network.parameters.tobytes()
expected = train()
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map_async(train, [0]).get(timeout=30) == [expected])
"""
    )
    assert run_python(code) == "True"


def test_the_count_in_a_spawned_child_is_its_own():
    code = (
        SETUP
        + """
if __name__ == "__main__":
    kanml.set_num_threads(5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(kanml.get_num_threads))
"""
    )
    assert run_python(code, OMP_NUM_THREADS="2") == "2"
