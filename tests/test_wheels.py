"""tools/wheels refuses what it cannot use before it builds anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import unix

COMMAND = Path(__file__).parents[1] / "tools" / "wheels"

pytestmark = [
    unix,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="it needs tomllib"),
]


def refused(*arguments):
    command = [sys.executable, str(COMMAND), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("others", [[], [sys.executable], ["--tests", "tests"]])
def test_a_python_that_is_not_there(others):
    assert "there is no program no-python" in refused(*others, "no-python")


def test_a_python_that_makes_no_environments(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named ensurepip' >&2\nexit 1\n")
    python.chmod(0o755)
    message = refused(str(python))
    assert f"{python} cannot make environments: No module named ensurepip" in message
