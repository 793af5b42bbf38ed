"""What tools/device times, with small sizes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


def test_every_line_is_printed_with_its_roof(device):
    command = [sys.executable, str(BENCH / "device.py"), "--quick", "--device", device]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCH), *sys.path])}
    done = subprocess.run(
        [*command, "--gpu", "NVIDIA H200"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    heading, _, *lines = done.stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(line) for line in cells} == {heading.count("|") - 1}
    assert len(cells) == 7
    for job, seconds, roof, quotient, *_ in cells:
        assert float(seconds) > 0
        assert bool(roof) == bool(re.search("layer|step of Burgers|Jacobian", job))
        if roof:
            assert float(quotient) > 1
