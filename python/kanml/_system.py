"""What differs between operating systems."""

from __future__ import annotations

import math
from pathlib import Path

__all__ = ["processors_within_quota"]

CONTROL_GROUP = Path("/sys/fs/cgroup")  # of Linux


def processors_within_quota() -> int | None:
    """Return the processors within the quota of a container, or None without one.

    OpenMP respects the affinity mask of a process, but not this limit.
    """
    try:
        if (CONTROL_GROUP / "cpu.max").exists():  # version 2
            quota, period = (CONTROL_GROUP / "cpu.max").read_text().split()
        else:
            quota = (CONTROL_GROUP / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (CONTROL_GROUP / "cpu" / "cpu.cfs_period_us").read_text()
        processors = math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such files; "max"
        return None
    return processors if processors >= 1 else None  # -1 is no quota
