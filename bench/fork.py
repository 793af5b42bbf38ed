"""Count the children of fork that compute what their parent does, where PyTorch has used threads.

    python bench/fork.py 20     with 20 children in each case

PyTorch and kanml share the threads of one OpenMP runtime, and a child of fork has none of them: a
computation that waits for them never ends. In the first case kanml is loaded before the fork, in
the second by each child. Exits with 1 unless all children agree with the parent, bit for bit.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

SECONDS = 20  # then a child hangs


def compute() -> bytes:
    """Return values and a gradient of a network, enough work for several threads."""
    import kanml

    kanml.set_num_threads(4)
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (4000, 2))
    net = kanml.KAN([2, 8, 1], seed=0)
    return net(x).tobytes() + net.vjp(x, x[:, :1])[0].tobytes()


def start_threads() -> None:
    """Let PyTorch compute on several threads."""
    import torch

    torch.set_num_threads(4)
    (torch.randn(3_000_000) * 2).sum()


def child(file: Path) -> int:
    """Fork a process that writes what it computes to a file; return its id."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 on: of forking with threads
        pid = os.fork()
    if pid == 0:
        try:
            file.write_bytes(compute())
        finally:
            os._exit(0)
    return pid


def ends(pid: int) -> bool:
    """Wait for a child; say whether it ended in time, else end it."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def run_case(count: int, loaded: bool) -> int:
    """Fork one child after the other, and print how many did what."""
    if loaded:
        import kanml  # noqa: F401
    start_threads()
    hanging, results = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            file = Path(folder) / str(i)
            if not ends(child(file)):
                hanging += 1
            elif file.exists():
                results.append(file.read_bytes())
    expected = compute()  # last: the parent is to have no threads of kanml's before
    equal = sum(result == expected for result in results)
    when = "before" if loaded else "after"
    print(f"kanml loaded {when} the fork: {equal} of {count} agree, {hanging} hang")
    return int(equal != count)


def main() -> int:
    """Run both cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, help="number of children in each case")
    parser.add_argument("--case", choices=["before", "after"], help="run this one alone")
    options = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        print("skipped: PyTorch is not installed")
        return 0
    if options.case is not None:
        return run_case(options.count, loaded=options.case == "before")
    command = [sys.executable, __file__, str(options.count), "--case"]
    return max(subprocess.run([*command, case]).returncode for case in ("before", "after"))


if __name__ == "__main__":
    sys.exit(main())
