"""The command line: ``python -m kanml info | demo | reproduce``."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import kanml
from kanml import _core

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kanml", description=kanml.__doc__)
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="print versions and threads")
    demo = commands.add_parser(
        "demo", help="train the paper's regression, print the table, draw the picture"
    )
    demo.add_argument(
        "--picture",
        type=Path,
        default=Path("kanml-demo.png"),
        metavar="FILE",
        help="where the picture goes (default: %(default)s)",
    )
    reproduce = commands.add_parser(
        "reproduce", help="run an experiment of the paper, its numbers beside ours"
    )
    reproduce.add_argument("experiment", choices=["regression", "spectrum"])
    reproduce.add_argument(
        "--picture",
        type=Path,
        default=Path("kanml-spectrum.png"),
        metavar="FILE",
        help="where the picture of 'spectrum' goes (default: %(default)s)",
    )
    options = parser.parse_args(arguments)

    if options.threads is not None:
        try:
            kanml.set_num_threads(options.threads)
        except ValueError:
            parser.error(f"--threads must be at least 1, got {options.threads}")
    if options.command == "info":
        return _info()
    if not options.picture.resolve().parent.is_dir():
        parser.error(f"--picture must be in an existing folder, got {options.picture}")
    if options.command == "demo":
        from kanml.experiments.demo import demo as run_demo

        return run_demo(options.picture)
    if options.experiment == "spectrum":
        from kanml.experiments.spectrum import reproduce as run_spectrum

        return run_spectrum(options.picture)
    from kanml.experiments.regression import reproduce as run_regression

    run_regression()
    return 0


def _info() -> int:
    print(f"kanml      {kanml.__version__}")
    print(f"Python     {platform.python_version()}")
    print(f"NumPy      {np.__version__}")
    print(f"machine    {platform.machine()}, {platform.system()}")
    print(f"compiled   {_core.build_information()}")
    print(f"threads    {kanml.get_num_threads()}")
    print("backends   cpu")
    return 0


if __name__ == "__main__":
    sys.exit(main())
