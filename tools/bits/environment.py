"""The two environments: what they have, and how functions of this package run in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Environment", "Failed", "description"]

TOOLS = Path(__file__).parents[1]


class Failed(Exception):
    """A process ended otherwise than it should; the message is the end of what it printed."""


@dataclass(frozen=True)
class Environment:
    """A Python interpreter with a revision of kanml."""

    python: str

    def run(self, module: str, function: str, *arguments: str, instructions: str = "") -> Any:
        """Return what a function of a module of this package returns there.

        Raises
        ------
        Failed
            If the process does.
        """
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output.json"
            command = [self.python, "-m", "bits", module, function, str(output), *arguments]
            done = subprocess.run(
                command,
                cwd=TOOLS,
                env=_variables(instructions),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                end = "\n".join(done.stdout.splitlines()[-12:])
                raise Failed(f"exit status {done.returncode} of {self.python}\n{end}")
            return json.loads(output.read_text())


def _variables(instructions: str) -> dict[str, str]:
    """Return the variables of a process, without those that would choose another kanml for it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("KANML_")
    }
    threads = {
        "OMP_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",  # other processes use the same cores
        "OPENBLAS_NUM_THREADS": "1",  # whose bits depend on it
        "MKL_NUM_THREADS": "1",
    }
    chosen = {"KANML_INSTRUCTION_SET": instructions} if instructions else {}
    return {**kept, **threads, **chosen}


def description() -> dict[str, Any]:
    """Return where kanml is, the versions that matter, the instruction sets and the one in use."""
    import kanml

    info = [sys.executable, "-m", "kanml", "info"]
    printed = subprocess.run(info, capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    used, _, there = lines["kernels"].partition(", of ")
    return {
        "location": str(Path(kanml.__file__).parent),
        "versions": {name: lines.get(name, "none") for name in ("Python", "NumPy", "SciPy")},
        "compiled": lines["compiled"],
        "sets": there.split(", "),
        "used": used,
    }
