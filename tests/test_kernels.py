"""tools/kernels reads what ptxas says of kernels, here of an nvcc that is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import unix

COMMAND = Path(__file__).parents[1] / "tools" / "kernels"
KERNEL = """\
ptxas info    : Compiling entry function '{name}' for 'sm_90'
ptxas info    : Function properties for {name}
    {stack} bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used {registers} registers, used 1 barriers, 176 bytes cumulative stack size
ptxas info    : Function properties for called
    8 bytes stack frame, {of_called} bytes spill stores, 0 bytes spill loads
"""
GRADIENT = "_ZN5kanml4cuda3runINS_5block8GradientI{type}Li{order}ENS2_10TermLossesI{type}EEEEEEvT_"

# Those of cmake/KanmlCuda.cmake, for a file that is compiled.
OPTIONS = """\
case "$*" in *cuda_triangle.cu*) echo "it needs cuSOLVER and has no kernels" >&2; exit 1 ;; esac
case "$*" in *'$'*) echo "an expression of CMake: $*" >&2; exit 1 ;; esac
case "$*" in
  --version | *" --expt-relaxed-constexpr -Xptxas=-v "*"/cpp -I"*"/cpp/include -c "*) ;;
  *) echo "options are missing: $*" >&2; exit 1 ;;
esac
"""

pytestmark = unix


def printed(home, *options):
    environment = {**os.environ, "CUDA_HOME": str(home)}
    command = [sys.executable, str(COMMAND), *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def nvcc(tmp_path):
    """Makes an nvcc that says this about rows.cu, and nothing of other files."""

    def make(**of_kernel):
        numbers = {"stack": 0, "stores": 0, "loads": 0, "registers": 100, "of_called": 0}
        output = KERNEL.format(**{**numbers, **of_kernel})
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "nvcc"
        case = f"case \"$*\" in *rows.cu*) cat <<'END' >&2\n{output}END\nesac\n"
        program.write_text(f"#!/bin/sh\n{OPTIONS}echo release of a test\n{case}")
        program.chmod(0o755)
        return tmp_path

    return make


def test_the_table(nvcc):
    name = GRADIENT.format(type="f", order=2)
    done = printed(nvcc(name=name, registers=147, stack=144))
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, row = done.stdout.splitlines()
    assert first == "release of a test"
    kernel = "Gradient<float, order 2, TermLosses>"
    # 147 registers become 152 of a thread, so that 13 warps fit: one block of 8.
    assert row.split() == [*kernel.split(), "sm_90", "147", "144", "0", "0", "0", "1", "1"]


@pytest.mark.parametrize(("registers", "blocks"), [(32, 8), (33, 6), (128, 2), (129, 1)])
def test_blocks_by_registers(nvcc, registers, blocks):
    done = printed(nvcc(name=GRADIENT.format(type="f", order=0), registers=registers))
    assert done.stdout.splitlines()[-1].split()[-2] == str(blocks)


# 168 registers of a thread: 12 warps, that is 6 blocks of 2; 228 KiB hold 3 with 61 and 1 KiB.
@pytest.mark.parametrize(("shared", "blocks"), [(0, "6"), (61 * 1024, "3")])
def test_blocks_of_another_size_in_what_a_build_printed(shared, blocks, tmp_path):
    log = tmp_path / "log"
    numbers = {"stack": 0, "stores": 0, "loads": 0, "registers": 168, "of_called": 0}
    name = GRADIENT.format(type="f", order=2)
    log.write_text("[1/2] Building losses.cu.o\n" + KERNEL.format(name=name, **numbers))
    done = printed(tmp_path, "--log", log, "--threads", 64, "--shared", shared)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("blocks of 64 threads")
    assert done.stdout.split()[-2:] == ["6", blocks]

    log.write_text(log.read_text().replace("sm_90", "sm_70"))
    done = printed(tmp_path, "--log", log)
    assert (done.returncode, done.stdout) == (1, "")
    assert "sm_70" in done.stderr


@pytest.mark.parametrize("spills", [{"stores": 8}, {"loads": 8}, {"of_called": 8}])
def test_a_kernel_that_spills(nvcc, spills):
    done = printed(nvcc(name=GRADIENT.format(type="f", order=2), **spills))
    assert done.returncode == 1
    message = "Gradient<float, order 2, TermLosses> spills registers on sm_90\n"
    assert done.stderr == message


@pytest.mark.parametrize(("kind", "order"), [("f", 3), ("d", 2)])
def test_kernels_that_may_spill(nvcc, kind, order):
    done = printed(nvcc(name=GRADIENT.format(type=kind, order=order), stores=8))
    assert done.returncode == 0


def test_without_a_compiler(tmp_path):
    done = printed(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"there is no nvcc in {tmp_path}/bin (CUDA_HOME)\n"
