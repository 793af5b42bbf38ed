import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import kanml
from helpers import unix
from kanml import _core
from kanml.__main__ import PDES, main
from kanml.experiments import demo, regression, spectrum


def run(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "kanml", *arguments],
        cwd=cwd,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
        **options,
    )


def test_info_names_versions_and_threads(tmp_path):
    done = run("--threads", "3", "info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert values["kanml"] == kanml.__version__
    assert values["NumPy"] == np.__version__
    assert values["matplotlib"] == matplotlib.__version__
    assert values["threads"] == "3"
    assert "OpenMP" in values["compiled"]


def test_info_says_what_is_not_installed(capsys, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    assert main(["info"]) == 0
    assert "SciPy      not installed" in capsys.readouterr().out


def test_an_unknown_instruction_set_is_told_from_the_rest(tmp_path):
    environment = {**os.environ, "KANML_INSTRUCTION_SET": "x86-64-v9"}
    done = run("info", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    values = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert values["kernels"].startswith("none: ")
    assert '"x86-64-v9"' in values["kernels"]
    assert values["backends"] == "cpu"  # the last row

    done = run("demo", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search('error: .*KANML_INSTRUCTION_SET is "x86-64-v9"', done.stderr)
    assert "Traceback" not in done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"kanml {kanml.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "commands"),
    [
        ([], ["info", "demo", "reproduce", "solve"]),
        (["reproduce"], ["regression", "spectrum", "poisson", "burgers", "allen-cahn"]),
    ],
)
def test_without_a_command_help_names_them_all(arguments, commands, capsys):
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^ +{name}\b", shown, re.M) for name in commands)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dance"], "dance"),
        (["--threads", "0", "info"], "--threads must be from 1 to 2147483647, got 0"),
        (["--threads", "2147483648", "info"], "from 1 to 2147483647, got 2147483648"),
        (["--threads", "two", "info"], "two"),
        (["reproduce", "chess"], "chess"),
    ],
)
def test_bad_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


DURATION = r"about [a-z ]+ on two cores"
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def durations_in_help(capsys):
    main([])
    main(["reproduce"])
    shown = capsys.readouterr().out
    entries = re.findall(r"^ {4}([a-z-]+)\b(.*(?:\n {6}.+)*)", shown, re.M)
    said = {name: re.search(rf"; ({DURATION})$", " ".join(text.split())) for name, text in entries}
    return {name: match[1] for name, match in said.items() if match}


def durations_in(page, commands):
    """What a page says after having named one of these commands, by command."""
    text = " ".join(page.read_text().split())
    named = rf"(?:`|kanml )(?:reproduce )?({'|'.join(commands)})\b"
    durations, command = {}, None
    for match in re.finditer(rf"{named}|({DURATION})", text):
        command = match[1] or command
        if match[2]:
            durations[command] = match[2]
    return durations


def test_pages_and_help_tell_the_same_durations(capsys):
    told = durations_in_help(capsys)
    assert set(told) == {"demo", "solve", "regression", "spectrum"}
    assert durations_in(PAGES[0], told) == told
    for page in PAGES[1:]:
        assert durations_in(page, told).items() <= told.items()


@pytest.mark.skipif(
    _core.build_information().startswith("Clang"),
    reason="LLVM's OpenMP runtime ends any program that has such a number",
)
@pytest.mark.parametrize("number", ["two", "0", "-3", "1e3", "", "9" * 20])
def test_a_bad_number_of_threads_in_the_environment_is_ignored(number, tmp_path):
    done = run("info", cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": number})
    assert done.returncode == 0
    assert re.search(r"^threads    [1-9]\d*$", done.stdout, re.M)
    assert "Traceback" not in done.stderr


# How a command ends early


@unix
@pytest.mark.parametrize(
    ("command", "begins", "ends"),
    [
        (["demo"], "multilevel: ", "Interrupted"),
        (["solve", "helmholtz"], "Errors on ", "Interrupted; the same command continues"),
        (["reproduce", "regression"], "Regression of ", "Interrupted"),
        (["reproduce", "spectrum"], "B-splines are ", "Interrupted"),
        *(
            (["reproduce", name], "seed 1234, ", "Interrupted; the same command continues")
            for name in PDES
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_interrupt_ends_the_command(command, begins, ends, tmp_path):
    started = subprocess.Popen(
        [sys.executable, "-u", "-m", "kanml", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with started:
        for line in started.stdout:
            if line.startswith(begins):
                break
        started.send_signal(signal.SIGINT)
        rest = started.stdout.read()
    assert started.returncode == 130
    assert rest.splitlines()[-1] == ends
    assert "Traceback" not in rest


INTERRUPTED_WHERE_AN_OBJECT_IS_DESTROYED = """
import signal, sys, time, weakref
from kanml import __main__

class Thing:
    pass

def command(arguments):
    thing = Thing()
    destroyed = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    for _ in range(1000):
        time.sleep(0.01)

__main__._run = command
hook = sys.unraisablehook
print(__main__.main([]), sys.unraisablehook is hook)
"""


@unix
def test_an_interrupt_that_python_cannot_raise_is_not_lost():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHERE_AN_OBJECT_IS_DESTROYED],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("130 True\n", "\nInterrupted\n")


@pytest.mark.parametrize(
    ("command", "stderr"),
    [
        (["reproduce", "spectrum"], subprocess.PIPE),
        (["reproduce", "spectrum"], subprocess.STDOUT),
        (["demo"], subprocess.STDOUT),  # which draws its progress bar there
    ],
    ids=["one pipe", "both", "both, with a bar"],
)
def test_a_closed_pipe_ends_the_command_in_silence(command, stderr, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "kanml", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as started:
        assert started.stdout.readline()
        started.stdout.close()
        told = started.stderr.read() if started.stderr else ""
    assert started.returncode == 141
    assert "Traceback" not in told
    assert "BrokenPipeError" not in told


@pytest.mark.parametrize("arguments", [["info"], ["--help"], ["reproduce", "spectrum"]])
def test_a_full_disk_is_told_in_a_line(arguments, tmp_path):
    with open("/dev/full", "w") as full:
        done = run(*arguments, cwd=tmp_path, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "python -m kanml: error: [Errno 28] No space left on device\n"


@pytest.fixture
def short(monkeypatch):
    """The demonstration and the reproduction with few steps."""
    monkeypatch.setattr(demo, "MULTILEVEL", (4, 2, 1))
    rows = tuple(replace(row, schedule=tuple(3 for _ in row.schedule)) for row in regression.ROWS)
    monkeypatch.setattr(regression, "ROWS", rows)
    monkeypatch.setattr(regression, "REFERENCE", rows[2])
    monkeypatch.setattr(regression, "SECOND_ORDER", (2, 2, 2, 2))


def test_demo_prints_the_table_and_draws_the_picture(short, tmp_path, capsys):
    picture = tmp_path / "demo.png"
    assert main(["demo", "--picture", str(picture)]) == 0
    table = capsys.readouterr().out
    rows = {}
    for line in table.splitlines():
        for name in ("multilevel", "coarse grid only", "fine grid only"):
            if line.startswith(name):
                rows[name] = line[len(name) :].split()
    parameters, steps, evaluations, _, error, _ = zip(*rows.values(), strict=True)
    assert parameters == ("130", "55", "230")  # three levels here: 5, 10, 20 intervals
    assert steps == ("7", "7", "7")
    assert all(int(e) >= 8 for e in evaluations)
    assert all(0 < float(e) < 1 for e in error)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules  # which would choose a backend for everybody


def test_reproduction_prints_every_row_under_every_budget(short, capsys):
    regression.reproduce(seeds=[1234, 1235], many=[1234])
    text = capsys.readouterr().out
    tables = text.split("Budget: ")[1:]
    assert len(tables) == len(regression.BUDGETS)
    for table, budget in zip(tables, regression.BUDGETS, strict=True):
        assert table.startswith(budget)
        for row in regression.ROWS:
            (line,) = [x for x in table.splitlines() if x.startswith(f"{row.name} ")]
            assert row.paper in line
    assert "spline median" in tables[-1]
    assert "ReLU   median" in tables[-1]
    first, second = re.findall(r"seed 1234  (\S+)  fresh", tables[-1])
    assert 0 < float(second) < float(first)  # eight steps of variable projection are better than 12


def test_networks_have_the_parameters_that_the_paper_prints():
    networks = [row.network(0) for row in regression.ROWS]
    *kans, perceptrons = networks[:3], networks[3:6], networks[6:]
    for coarse, fine, multilevel in kans:
        assert coarse.n_parameters == 55
        assert fine.n_parameters == 230
        assert multilevel.refine().refine().refine().n_parameters == 230
    assert [net.n_parameters for net in perceptrons] == [20, 120, 500]


def test_meter_keeps_the_last_network_within_each_budget():
    data = regression.RotatedWaves(1234, n=200)
    row = replace(regression.ROWS[0], schedule=(5,))
    budgets = {
        "steps": lambda state: state.step <= 5,
        "evaluations": lambda state: state.history.last["evaluations"] <= 20,
        "nothing": lambda state: False,
    }
    meter, result = regression.fit_row(row, data, 1234, budgets)
    history = result.history
    fit = meter.fit("steps", data)
    assert fit.steps == 5
    assert fit.train_error == pytest.approx(history.loss[5], rel=1e-12)
    assert fit.evaluations == history.evaluations[5]
    assert meter.fit("nothing", data).steps == 1
    last = np.flatnonzero(history.evaluations <= 20)[-1]
    fit = meter.fit("evaluations", data)
    assert fit.steps == history.step[last]
    assert fit.train_error == pytest.approx(history.loss[last], rel=1e-12)
    assert fit.test_error == pytest.approx(
        np.mean((meter.last["evaluations"].network(data.x_test) - data.y_test) ** 2), rel=1e-12
    )


@pytest.fixture
def small(monkeypatch):
    """The spectra for few intervals, the kernels of few networks."""
    monkeypatch.setattr(spectrum, "INTERVALS", (32, 64, 128))
    monkeypatch.setattr(spectrum, "SIGNS_INTERVALS", 32)
    monkeypatch.setattr(spectrum, "PICTURE_INTERVALS", (4, 8))
    monkeypatch.setattr(spectrum, "SEEDS", 1)


def test_spectrum_prints_its_tables_and_draws_the_picture(small, tmp_path, capsys):
    picture = tmp_path / "spectrum.png"
    assert main(["reproduce", "spectrum", "--picture", str(picture)]) == 0
    table = capsys.readouterr().out
    lines = [line.split()[3:] for line in table.splitlines() if line.startswith("r =")]
    conditions, signs, ratios = lines[:4], lines[4:8], lines[8:]
    for order, (*_, fitted, expected) in zip(spectrum.ORDERS, conditions, strict=True):
        assert int(expected) == 2 * order
        assert float(fitted) == pytest.approx(2 * order, rel=0.15)
    for order, (right, left, *errors) in zip(spectrum.ORDERS, signs, strict=True):
        assert right == left == f"{31 + order}/{31 + order}"
        assert all(0 < float(error) < 1e-9 for error in errors)
    assert [row[0] for row in ratios] == ["4"] * 5
    for row in ratios:
        corrected, networks, proven, outside, residual, functional = map(float, row[1:])
        assert networks <= proven
        assert max(networks, outside, residual, functional) <= corrected * 1.001
    assert float(ratios[0][4]) == pytest.approx(5.8)  # more than the paper's 4
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules
