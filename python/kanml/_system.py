"""What differs between operating systems."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

__all__ = [
    "copy_permissions",
    "flush_folder",
    "is_running",
    "memory_limit",
    "processors_within_quota",
]

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
        processors = -(-int(quota) // int(period))  # rounded up
    except (OSError, ValueError, ZeroDivisionError):  # no such files; "max"
        return None
    return processors if processors >= 1 else None  # -1 is no quota


def memory_limit() -> int:
    """Return the bytes of memory that this process can have, if the system says so."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return limit if soft == resource.RLIM_INFINITY else min(limit, soft)


def is_running(process: int) -> bool:
    """Say whether a process exists; on Windows, where that takes more than a signal, say yes."""
    if sys.platform == "win32":
        return True  # os.kill(process, 0) would send it Ctrl-C
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def copy_permissions(source: Path, file: int) -> None:
    """Give an open file the permissions of another; on Windows they come from the folder."""
    if sys.platform != "win32":
        os.fchmod(file, stat.S_IMODE(source.stat().st_mode))


def flush_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system and the file system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
