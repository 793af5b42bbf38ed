import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import kanml
from kanml.__main__ import main
from kanml.experiments import demo, regression, spectrum


def run(*command, cwd):
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=300
    )


def test_info_names_versions_and_threads(tmp_path):
    done = run("-m", "kanml", "--threads", "3", "info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert values["kanml"] == kanml.__version__
    assert values["NumPy"] == np.__version__
    assert values["threads"] == "3"
    assert "OpenMP" in values["compiled"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "command"),
        (["dance"], "dance"),
        (["--threads", "0", "info"], "--threads must be at least 1, got 0"),
        (["reproduce", "chess"], "chess"),
        (["demo", "--picture", "no/such/folder/x.png"], "no/such/folder/x.png"),
        (["reproduce", "spectrum", "--picture", "no/such/folder/x.png"], "no/such/folder/x.png"),
    ],
)
def test_bad_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def short(monkeypatch):
    """The demonstration and the reproduction with few steps."""
    monkeypatch.setattr(demo, "MULTILEVEL", (4, 2, 1))
    rows = tuple(replace(row, schedule=tuple(3 for _ in row.schedule)) for row in regression.ROWS)
    monkeypatch.setattr(regression, "ROWS", rows)
    monkeypatch.setattr(regression, "REFERENCE", rows[2])


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


def test_demo_without_matplotlib_says_what_is_missing(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--picture", str(tmp_path / "demo.png")]) == 1
    output = capsys.readouterr()
    assert "multilevel" in output.out  # the table is there all the same
    assert "pip install 'kanml[plot]'" in output.err


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


def test_networks_have_the_parameters_that_the_paper_prints():
    data = regression.RotatedWaves(1234, n=100)
    networks = [row.network(data, 0) for row in regression.ROWS]
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
    }
    meter, result = regression.fit_row(row, data, 1234, budgets)
    history = result.history
    fit = meter.fit("steps", data)
    assert fit.steps == 5
    assert fit.train_error == pytest.approx(history.loss[5], rel=1e-12)
    assert fit.evaluations == history.evaluations[5]
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


def test_spectrum_without_matplotlib_says_what_is_missing(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["reproduce", "spectrum", "--picture", str(tmp_path / "spectrum.png")]) == 1
    output = capsys.readouterr()
    assert "corrected" in output.out
    assert "pip install 'kanml[plot]'" in output.err
