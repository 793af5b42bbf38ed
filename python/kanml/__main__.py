"""The command line: ``python -m kanml info | demo | reproduce | solve``."""

from __future__ import annotations

import _thread
import argparse
import contextlib
import importlib.metadata
import os
import platform
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import kanml
from kanml import _core
from kanml._validation import MAX_THREADS

__all__ = ["main"]


PDES = ("poisson", "burgers", "allen-cahn")
INTERRUPTED, BROKEN_PIPE = 130, 141  # as in a shell, after SIGINT or SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    Ctrl-C and errors of writing output end in one line, not in a traceback.
    """
    try:
        try:
            with _no_lost_interrupt():
                return _run(arguments)
        finally:
            print(end="", flush=True)  # raises here, not at exit, if it cannot be written
    except KeyboardInterrupt as interrupt:
        message = "; ".join(["Interrupted", *map(str, interrupt.args)])
        print(f"\n{message}", file=sys.stderr)  # on a line of its own, after ^C or half a table row
        return INTERRUPTED
    except BrokenPipeError:  # the reader has gone, as behind `| head`
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        _discard_output()
        print(f"python -m kanml: error: {error}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _no_lost_interrupt() -> Iterator[None]:
    """Raise Ctrl-C again where Python could not.

    Python only prints what is raised while an object is destroyed, and continues.
    """
    otherwise = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            threading.Timer(0.1, _thread.interrupt_main).start()  # here it would be lost again
        else:
            otherwise(unraisable)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = otherwise


def _discard_output() -> None:
    """Send the pending output of a stream that accepts no more to the null device."""
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", file=stream, flush=True)
        except OSError:
            null_device = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null_device, stream.fileno())
            os.close(null_device)


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _prepare(options)
    except (ValueError, ModuleNotFoundError) as error:
        parser.error(str(error))
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kanml", description=kanml.__doc__)
    parser.add_argument("--version", action="version", version=f"kanml {kanml.__version__}")
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads")
    parser.set_defaults(run=_help, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    info = commands.add_parser("info", help="print versions, instruction set and threads")
    info.set_defaults(run=_info)

    demo = commands.add_parser(
        "demo",
        help="train the paper's regression, print the table, draw the picture; "
        "about ten seconds on two cores",
    )
    _add_picture(demo, "demo")
    demo.set_defaults(run=_demo)

    solve = commands.add_parser(
        "solve",
        help="solve differential equations with our own settings, from three starts each; "
        "about an hour and a half on two cores",
    )
    solve.add_argument(
        "problems",
        nargs="*",
        metavar="PROBLEM",
        help="poisson-interface, helmholtz, burgers, burgers-shock, allen-cahn, korteweg-de-vries, "
        "korteweg-de-vries-steep, kuramoto-sivashinsky; all by default",
    )
    solve.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="runs of each problem (default: 3)"
    )
    _add_folder(solve)
    _add_picture(solve, "solve")
    solve.set_defaults(run=_solve)

    reproduce = commands.add_parser(
        "reproduce", help="run an experiment of the paper, its numbers beside ours"
    )
    reproduce.set_defaults(parser=reproduce)
    experiments = reproduce.add_subparsers(title="experiments", metavar="EXPERIMENT")
    regression = experiments.add_parser(
        "regression", help="section 5.1, Table 2; about six minutes on two cores"
    )
    regression.add_argument("--quick", action="store_true", help="one seed, about half a minute")
    regression.set_defaults(run=_regression)
    spectrum = experiments.add_parser(
        "spectrum", help="figures 1 and 2, Supplement C; about fifteen seconds on two cores"
    )
    _add_picture(spectrum, "spectrum")
    spectrum.set_defaults(run=_spectrum)
    for name in PDES:
        pde = experiments.add_parser(name, help="section 5.2; hours, but interrupted runs continue")
        pde.add_argument("--quick", action="store_true", help="one seed, a tenth of the steps")
        _add_folder(pde)
        _add_picture(pde, name)
        pde.set_defaults(run=_pde, experiment=name)
    return parser


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("kanml-runs"),
        help="where finished and interrupted runs are kept (default: %(default)s)",
    )


def _add_picture(parser: argparse.ArgumentParser, name: str) -> None:
    default = Path(f"kanml-{name}.png")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help=f"where the picture goes (default: {default})",
    )
    parser.set_defaults(default_picture=default)


def _prepare(options: argparse.Namespace) -> None:
    """Set the threads, and raise now what would otherwise stop a command later."""
    if options.threads is not None:
        if not 1 <= options.threads <= MAX_THREADS:
            raise ValueError(f"--threads must be from 1 to {MAX_THREADS}, got {options.threads}")
        kanml.set_num_threads(options.threads)
    if options.run in (_help, _info):
        return
    _core.instruction_set()  # raises if the environment names an unavailable one
    if "picture" in options:
        options.picture = _picture(options)
    if "folder" in options:
        from kanml.experiments.outputs import require_folder

        require_folder(options.folder)


def _picture(options: argparse.Namespace) -> Path | None:
    """Return the file of the picture; None without matplotlib, if no file was named."""
    from kanml.experiments.outputs import require_picture

    picture: Path = options.picture or options.default_picture
    try:
        require_picture(picture)
    except ModuleNotFoundError as error:
        if options.picture is not None:
            raise
        print(f"There will be no picture: {error}", file=sys.stderr, flush=True)
        return None
    return picture


def _help(options: argparse.Namespace) -> int:
    options.parser.print_help()
    return 0


# Experiments are imported only when they run.


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

    reproduce(options.picture)
    return 0


def _pde(options: argparse.Namespace) -> int:
    from kanml.experiments import allen_cahn, burgers, poisson
    from kanml.experiments.protocol import reproduce

    modules = dict(zip(PDES, (poisson, burgers, allen_cahn), strict=True))
    protocol = modules[options.experiment].PROTOCOL
    folder = options.folder / protocol.name
    if options.quick:
        protocol, folder = protocol.quick(), options.folder / f"{protocol.name}-quick"
    try:
        return reproduce(protocol, folder, options.picture)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues") from None


def _solve(options: argparse.Namespace) -> int:
    from kanml.experiments.solve import PROBLEMS, solve

    for name in options.problems:
        if name not in PROBLEMS:
            print(f"PROBLEM must be one of {', '.join(PROBLEMS)}, got {name!r}", file=sys.stderr)
            return 2
    if options.seeds < 1:
        print(f"--seeds must be at least 1, got {options.seeds}", file=sys.stderr)
        return 2
    names = list(dict.fromkeys(options.problems)) or list(PROBLEMS)
    try:
        return solve(names, options.seeds, options.folder / "solve", options.picture)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues") from None


def _info(options: argparse.Namespace) -> int:
    status = 0
    try:
        kernels = f"{_core.instruction_set()}, of {', '.join(_core.instruction_sets())}"
    except ValueError as error:
        kernels, status = f"none: {error}", 1
    rows = {
        "kanml": kanml.__version__,
        "Python": platform.python_version(),
        "NumPy": _version("numpy"),
        "SciPy": _version("scipy"),
        "matplotlib": _version("matplotlib"),
        "machine": f"{platform.machine()}, {platform.system()}",
        "compiled": _core.build_information(),
        "kernels": kernels,
        "threads": kanml.get_num_threads(),
        "backends": "cpu",
    }
    for name, value in rows.items():
        print(f"{name:11s}{value}")
    return status


def _version(package: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return "not installed"


if __name__ == "__main__":
    sys.exit(main())
