"""What differs between operating systems: limits of containers, processes, permissions."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from helpers import run_python, unix
from kanml import _system


@pytest.mark.parametrize(
    ("quota", "processors"),
    [
        *[("max 100000", None), ("50000 100000", 1), ("250000 100000", 3), ("300000 100000", 3)],
        *[("garbage", None), ("", None), ("50000", None), ("max", None), ("1 0", None)],
        *[("-1 100000", None), (f"{10**400} 1", 10**400), ("\udcff", None)],
    ],
)
def test_the_quota_of_a_control_group(quota, processors, tmp_path, monkeypatch):
    monkeypatch.setattr(_system, "CONTROL_GROUP", tmp_path)
    assert _system.processors_within_quota() is None
    (tmp_path / "cpu.max").write_bytes(os.fsencode(f"{quota}\n"))
    assert _system.processors_within_quota() == processors


@pytest.mark.parametrize(("quota", "processors"), [(-1, None), (100_000, 1), (200_001, 3)])
def test_the_quota_of_a_control_group_of_version_1(quota, processors, tmp_path, monkeypatch):
    monkeypatch.setattr(_system, "CONTROL_GROUP", tmp_path)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _system.processors_within_quota() == processors


@pytest.mark.parametrize(
    ("quota", "variables", "count"),
    [(3, {}, 3), (20, {}, 7), (None, {}, 7), (3, {"OMP_NUM_THREADS": "7"}, 7)],
)
def test_there_are_no_more_threads_than_the_quota(quota, variables, count):
    code = f"""
from kanml import threads
threads.set_num_threads(7)
threads.processors_within_quota = lambda: {quota}
threads._respect_quota()
print(threads.get_num_threads())
"""
    assert run_python(code, **variables) == str(count)


@unix
def test_processes():
    assert _system.is_running(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not _system.is_running(ended.pid)
    assert not _system.is_running(10**30)


@unix
def test_permissions(tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.touch()
    source.chmod(0o640)
    with copy.open("xb") as file:
        _system.copy_permissions(source, file.fileno())
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640


def test_what_windows_lacks_is_not_asked_of_it(tmp_path, monkeypatch):
    for name in ("kill", "fchmod", "sysconf"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert _system.is_running(1)
    assert _system.memory_limit() >= 2**40
    _system.copy_permissions(tmp_path, -1)


def test_a_folder_that_cannot_be_flushed(tmp_path):
    _system.flush_folder(tmp_path)
    _system.flush_folder(tmp_path / "missing")
