"""What differs between operating systems: limits of containers, processes, permissions."""

from __future__ import annotations

import pytest

from helpers import run_python
from kanml import _system


@pytest.mark.parametrize(
    ("quota", "processors"),
    [("max 100000", None), ("50000 100000", 1), ("250000 100000", 3), ("garbage", None)],
)
def test_the_quota_of_a_control_group(quota, processors, tmp_path, monkeypatch):
    monkeypatch.setattr(_system, "CONTROL_GROUP", tmp_path)
    assert _system.processors_within_quota() is None
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
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
