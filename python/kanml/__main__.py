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


PDES = ("poisson", "burgers", "allen-cahn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.threads is not None:
        try:
            kanml.set_num_threads(options.threads)
        except ValueError:
            parser.error(f"--threads must be at least 1, got {options.threads}")
    picture: Path | None = getattr(options, "picture", None)
    if picture is not None and not picture.resolve().parent.is_dir():
        parser.error(f"--picture must be in an existing folder, got {picture}")
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kanml", description=kanml.__doc__)
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads")
    commands = parser.add_subparsers(dest="command", required=True)

    info = commands.add_parser("info", help="print versions, instruction set and threads")
    info.set_defaults(run=_info)

    demo = commands.add_parser(
        "demo", help="train the paper's regression, print the table, draw the picture"
    )
    _add_picture(demo, "demo")
    demo.set_defaults(run=_demo)

    reproduce = commands.add_parser(
        "reproduce", help="run an experiment of the paper, its numbers beside ours"
    )
    experiments = reproduce.add_subparsers(dest="experiment", required=True)
    regression = experiments.add_parser("regression", help="section 5.1, Table 2")
    regression.add_argument("--quick", action="store_true", help="one seed")
    regression.set_defaults(run=_regression)
    spectrum = experiments.add_parser("spectrum", help="figures 1 and 2, Supplement C")
    _add_picture(spectrum, "spectrum")
    spectrum.set_defaults(run=_spectrum)
    for name in PDES:
        pde = experiments.add_parser(name, help="section 5.2; hours, but interrupted runs continue")
        pde.add_argument("--quick", action="store_true", help="one seed, a tenth of the steps")
        pde.add_argument(
            "--folder",
            type=Path,
            default=Path("kanml-runs"),
            help="where finished and interrupted runs are kept (default: %(default)s)",
        )
        _add_picture(pde, name)
        pde.set_defaults(run=_pde)

    solve = commands.add_parser("solve", help="solve reference problems with our own settings")
    solve.add_argument(
        "problems",
        nargs="*",
        metavar="PROBLEM",
        help="poisson-interface, helmholtz, burgers, burgers-shock, allen-cahn, korteweg-de-vries; "
        "all by default, some five minutes on two cores",
    )
    _add_picture(solve, "solve")
    solve.set_defaults(run=_solve)
    return parser


def _add_picture(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path(f"kanml-{name}.png"),
        metavar="FILE",
        help="where the picture goes (default: %(default)s)",
    )


# An experiment is imported when it is asked for.


def _demo(options: argparse.Namespace) -> int:
    from kanml.experiments.demo import demo

    return demo(options.picture)


def _regression(options: argparse.Namespace) -> int:
    from kanml.experiments import regression

    if options.quick:
        regression.reproduce(regression.SEEDS[:1], many=())
    else:
        regression.reproduce()
    return 0


def _spectrum(options: argparse.Namespace) -> int:
    from kanml.experiments.spectrum import reproduce

    return reproduce(options.picture)


def _pde(options: argparse.Namespace) -> int:
    from kanml.experiments import allen_cahn, burgers, poisson
    from kanml.experiments.protocol import reproduce

    modules = dict(zip(PDES, (poisson, burgers, allen_cahn), strict=True))
    protocol = modules[options.experiment].PROTOCOL
    folder = options.folder / protocol.name
    if options.quick:
        protocol, folder = protocol.quick(), options.folder / f"{protocol.name}-quick"
    return reproduce(protocol, folder, options.picture)


def _solve(options: argparse.Namespace) -> int:
    from kanml.experiments.solve import SETTINGS, solve

    for name in options.problems:
        if name not in SETTINGS:
            print(f"PROBLEM must be one of {', '.join(SETTINGS)}, got {name!r}", file=sys.stderr)
            return 2
    return solve(options.problems or list(SETTINGS), options.picture)


def _info(options: argparse.Namespace) -> int:
    print(f"kanml      {kanml.__version__}")
    print(f"Python     {platform.python_version()}")
    print(f"NumPy      {np.__version__}")
    print(f"machine    {platform.machine()}, {platform.system()}")
    print(f"compiled   {_core.build_information()}")
    print(f"kernels    {_core.instruction_set()}, of {', '.join(_core.instruction_sets())}")
    print(f"threads    {kanml.get_num_threads()}")
    print("backends   cpu")
    return 0


if __name__ == "__main__":
    sys.exit(main())
