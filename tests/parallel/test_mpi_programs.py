"""Programs of several processes: what ends all of them, Ctrl-C, the code of the guide."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from mpiexec import ended, needs_mpi, program, start

from helpers import python_blocks
from kanml import _core

pytestmark = needs_mpi
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("x = np.full((9, 2), np.nan); kanml.Regression(x, x)", "ValueError: x must be finite"),
        ("sys.exit('no data')", "process 1 ended while others waited for it"),
    ],
    ids=["nan", "exit"],
)
def test_a_process_that_fails_before_training_ends_all(tmp_path, failure, message):
    text = f"""
processes = kanml.MPI()
if processes.rank == 1:
    {failure}
x, y = processes.share(np.ones((8, 2)), np.ones((8, 1)))
kanml.train(kanml.KAN([2, 1]), kanml.Regression(x, y), [9], communicator=processes)
"""
    status, out, err = ended(start(2, program(tmp_path, text)))
    assert status != 0
    assert message in out + err


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            "raise OSError('the disk is full')",
            "OSError: the disk is full\nkanml: process 1 of 3 failed",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "Killed (signal 9)"),
    ],
    ids=["error", "kill"],
)
def test_a_process_that_fails_in_training_ends_others_that_are_busy(tmp_path, failure, message):
    text = f"""
processes = kanml.MPI()
def fail(state):
    if state.step == 2 and processes.rank == 1:
        {failure}
    if state.step == 2:
        time.sleep(3600)
x, y = processes.share(np.ones((8, 2)), np.ones((8, 1)))
kanml.train(
    kanml.KAN([2, 1]), kanml.Regression(x, y), [9], kanml.Adam(1e-3), callbacks=[fail],
    communicator=processes, progress=False,
)
"""
    status, out, err = ended(start(3, program(tmp_path, text)))
    assert status != 0
    assert message in out + err


def test_ctrl_c_leaves_every_process_a_whole_result(tmp_path):
    text = """
processes = kanml.MPI()
x, y = processes.share(np.linspace(-1, 1, 40)[:, None], np.ones((40, 1)))
def begun(state):
    if state.step == 3 and processes.rank == 0:
        print("begun", flush=True)
result = kanml.train(
    kanml.KAN([1, 1]), kanml.Regression(x, y), [10**6], kanml.Adam(1e-9), callbacks=[begun],
    communicator=processes, progress=False,
)
assert result.history.step[-1] == len(result.history) - 1
best = result.history.loss.argmin()
assert result.message.endswith(f"the network is that of step {best}")
digest = hash(result.network.parameters.tobytes()) % 10**9
open(f"{sys.argv[1]}/{processes.rank}", "w").write(f"{result.status} {result.message}")
np.save(f"{sys.argv[1]}/{processes.rank}.npy", result.network.parameters)
"""
    process = start(3, program(tmp_path, text), tmp_path)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 0, err
    said = [(tmp_path / str(rank)).read_text() for rank in range(3)]
    assert said[0].startswith("interrupted interrupted from the keyboard after step ")
    assert said == [said[0]] * 3
    networks = [np.load(tmp_path / f"{rank}.npy") for rank in range(3)]
    assert all((network == networks[0]).all() for network in networks)


@pytest.mark.skipif(len(_core.instruction_sets()) < 2, reason="needs two instruction sets")
def test_other_kernels_are_named(tmp_path):
    first, *_, last = _core.instruction_sets()
    text = f"""
os.environ["KANML_INSTRUCTION_SET"] = {[first, last]}[int(os.environ["PMI_RANK"])]
x = np.ones((8, 2))
kanml.train(kanml.KAN([2, 2]), kanml.Regression(x, x), [9], communicator=kanml.MPI())
"""
    status, _, err = ended(start(2, program(tmp_path, text)))
    assert status != 0
    assert f"with the kernels {last}, NumPy" in err
    assert f"with the kernels {first}, NumPy" in err


def test_the_guide_runs_in_two_processes(tmp_path):
    page = tmp_path / "page.py"
    page.write_text(python_blocks(ROOT / "docs" / "more-than-one-processor.md"))
    status, out, err = ended(start(2, "-W", "error", page, cwd=tmp_path))
    assert status == 0, err
    assert out.count("<Result: completed after 100 steps") == 1
    assert {"fit.kanml", "fit.checkpoint"} <= {path.name for path in tmp_path.iterdir()}


def test_what_is_no_communicator_is_refused(tmp_path):
    text = """
try:
    kanml.MPI(3)
except TypeError as error:
    print(error)
from mpi4py import MPI
half = kanml.MPI(MPI.COMM_WORLD.Split(MPI.COMM_WORLD.rank // 2))
print(half, half.total([MPI.COMM_WORLD.rank]))
"""
    status, out, err = ended(start(4, program(tmp_path, text)))
    assert status == 0, err
    assert out.count("comm must be a communicator of mpi4py, got 3") == 4
    assert out.count("[1.]") == out.count("[5.]") == 2
