"""Processes of MPI on this machine, started by `mpiexec`, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

BESIDE = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else which("mpiexec")
needs_mpi = pytest.mark.skipif(
    not (MPIEXEC and find_spec("mpi4py")), reason="needs mpi4py and mpiexec"
)


def start(size, *arguments, **options):
    """Start processes of one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [MPIEXEC, "-n", str(size), sys.executable, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **options)


def ended(process):
    """The exit status of processes, what they wrote to the standard output, and to the other."""
    with process:
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err


def program(tmp_path, text):
    """The file of a program."""
    path = tmp_path / "program.py"
    path.write_text(f"import os, signal, sys, time\nimport kanml, numpy as np\n{text}")
    return path
