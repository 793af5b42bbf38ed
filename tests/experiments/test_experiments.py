"""The reproductions of the paper's differential equations, and our own settings, with few steps."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import kanml
from kanml.__main__ import PDES, main
from kanml.experiments import allen_cahn, burgers, poisson, protocol, runs, solve
from kanml.experiments.rows import kan_rows
from kanml.experiments.settings import SETTINGS

PROTOCOLS = {module.PROTOCOL.name: module.PROTOCOL for module in (poisson, burgers, allen_cahn)}
MODULES = dict(zip(PDES, (poisson, burgers, allen_cahn), strict=True))


@pytest.fixture
def short(monkeypatch):
    """Few steps, few points, coarse pictures."""
    monkeypatch.setattr(protocol, "POINTS", 21)
    for module in MODULES.values():
        whole = module.PROTOCOL
        rows = tuple(
            replace(row, schedule=tuple(2 + i for i, _ in enumerate(row.schedule)))
            for row in whole.rows
        )
        equation = whole.equation
        few = {"volume": equation.grid(9)}
        few |= {name: equation.equispaced(name, 5) for name in equation.conditions[1:]}
        monkeypatch.setattr(
            module,
            "PROTOCOL",
            replace(whole, rows=rows, seeds=(1, 2), problem=lambda _, e=equation, f=few: e.pinn(f)),
        )


def test_networks_have_the_parameters_of_the_paper():
    expected = {
        "poisson": ((140, 700), [352]),
        "burgers": ((3400, 9700), [500, 3416]),
        "allen-cahn": ((280, 1400), [500]),
    }
    for name, whole in PROTOCOLS.items():
        (coarse, fine), perceptrons = expected[name]
        nets = [row.network(0) for row in whole.rows]
        levels = [len(row.schedule) for row in whole.rows]
        for net, count in zip(nets, levels, strict=True):
            for _ in range(count - 1):
                net = net.refine()
            assert net.n_parameters in (coarse, fine, *perceptrons)
        assert [net.n_parameters for net in nets[:3]] == [coarse, fine, coarse]
        assert [net.n_parameters for net in nets[-len(perceptrons) :]] == perceptrons


def test_points_and_weights_are_those_of_the_paper():
    counts = {}
    for name, whole in PROTOCOLS.items():
        found = whole.problem(1234).evaluation(whole.rows[0].network(1234), want="value")
        counts[name] = [term.count for term in found.terms.values()]
    assert counts == {
        "poisson": [49 * 49, 49, 200],
        "burgers": [64 * 64, 64, 128],
        "allen-cahn": [20_000, 501, 501],
    }


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("poisson", kanml.SSBroyden()),
        ("burgers", kanml.LBFGS(memory=100)),
        ("allen-cahn", kanml.SSBroyden()),
    ],
)
def test_the_quasi_newton_row_has_the_same_network_continued_smoothly(name, optimizer):
    rows = {row.name: row for row in PROTOCOLS[name].rows}
    first = rows["KAN spline, multilevel"]
    second = rows[f"KAN spline, multilevel, {type(optimizer).__name__}"]
    assert second.optimizer == optimizer
    assert (first.transfer_state, second.transfer_state) == ("reset", "prolong")
    assert (second.schedule, second.paper) == (first.schedule, "")
    plain, continued = first.network(3), second.network(3)
    assert np.array_equal(continued.parameters, plain.parameters)
    inside = np.zeros((1, plain.n_in))
    assert np.array_equal(continued(inside), plain(inside))
    rules = {layer.extrapolation for layer in continued.layers if layer.spaces}
    assert rules == {"polynomial"}


def test_a_row_on_one_grid_has_the_optimizer_of_the_first_level():
    first, second, third = (kanml.Adam(rate) for rate in (0.3, 0.2, 0.1))
    rows = kan_rows(
        lambda n, seed: kanml.KAN([1, 1], intervals=n, seed=seed),
        (4, 16),
        {"coarse": (5,), "fine": (6,), "multilevel": (3, 2, 1)},
        (first, second, third),
        {"KAN spline, fine": "1.0"},
    )
    assert [row.optimizer for row in rows[:3]] == [(first,), (first,), (first, second, third)]
    assert [row.network(0).n_parameters for row in rows] == [7, 19, 7, 7]
    assert [row.paper for row in rows] == ["", "1.0", "", ""]
    assert [optimizer.lr for optimizer in rows[3].optimizer] == [0.3, 0.2, 0.1]
    assert {optimizer.geometry for optimizer in rows[3].optimizer} == {"relu"}


def test_rows_say_whether_the_optimizers_memory_is_carried(short, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "_draw", lambda *arguments: None)
    assert main(["reproduce", "poisson", "--folder", str(tmp_path)]) == 0
    whole = poisson.PROTOCOL
    rows = {row.name: row for row in whole.rows}
    for method, carried, other in (("", "reset", "prolong"), (", SSBroyden", "prolong", "reset")):
        row = rows[f"KAN spline, multilevel{method}"]
        folder = tmp_path / "poisson" / f"KAN-spline-multilevel{method.replace(', ', '-')}-1"
        arguments = row.network(1), whole.problem(1), row.schedule, row.optimizer, whole.error
        runs.run(folder, *arguments, transfer_state=carried)  # the run of the command
        with pytest.raises(ValueError, match="belongs to another run"):
            runs.run(folder, *arguments, transfer_state=other)


@pytest.mark.parametrize("name", PDES)
def test_reproduction_prints_every_row_and_draws_the_picture(
    name, short, tmp_path, capsys, monkeypatch
):
    picture, folder = tmp_path / "picture.png", tmp_path / "runs"
    command = ["reproduce", name, "--picture", str(picture), "--folder", str(folder)]
    assert main(command) == 0
    text = capsys.readouterr().out
    _, table = text.split("Mean (standard deviation) over 2 seeds.")
    for row in MODULES[name].PROTOCOL.rows:
        (line,) = [x for x in table.splitlines() if x.startswith(f"{row.name} ")]
        assert row.paper in line
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules

    monkeypatch.setattr(protocol, "_draw", lambda *arguments: None)  # once is enough
    assert main(command) == 0  # everything is there: the same numbers, without training
    assert capsys.readouterr().out == text

    lost = next(folder.rglob("errors.kanml"))
    whole = lost.read_bytes()
    lost.unlink()
    assert main(command) == 1
    assert f"Remove {lost.parent} to start" in capsys.readouterr().err
    lost.write_bytes(whole)

    damaged = next(folder.rglob("checkpoint.kanml"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert main(command) == 1
    assert str(damaged.parent) in capsys.readouterr().err


def test_quick_takes_one_seed_and_a_tenth_of_the_steps():
    quick = poisson.PROTOCOL.quick()
    assert quick.seeds == (1234,)
    assert [row.schedule for row in quick.rows[:3]] == [(500,), (500,), (125,) * 4]
    assert "quickly" in quick.introduction


def test_an_interrupted_run_goes_on_with_the_same_bits(tmp_path):
    x = np.linspace(-1, 1, 30)[:, None]
    problem = kanml.Regression(x, np.sin(3 * x))
    net = kanml.KAN([1, 1], intervals=4)
    optimizer = kanml.Adam(0.01)
    measured = []

    def error(net):
        return float(np.abs(net(x) - np.sin(3 * x)).max())

    def interrupting(net):
        measured.append(net)
        if len(measured) == 12:  # on the second level
            raise KeyboardInterrupt
        return error(net)

    arguments = (net, problem, (10, 20), optimizer)
    with pytest.raises(KeyboardInterrupt):
        runs.run(tmp_path / "cut", *arguments, interrupting)
    second = runs.run(tmp_path / "cut", *arguments, error)
    assert second.result.status == "completed"
    whole = runs.run(tmp_path / "whole", *arguments, error)
    assert np.array_equal(second.result.network.parameters, whole.result.network.parameters)
    assert np.array_equal(second.steps, whole.steps)
    assert np.array_equal(second.errors, whole.errors)
    assert [level.layers[0].spaces[0].intervals for level in second.result.levels] == [4, 8]
    ends = [error(level) for level in second.result.levels]
    assert second.errors[second.steps == 10] == pytest.approx(ends[0], rel=1e-9)
    assert second.errors[-1] == ends[1]


def test_a_run_that_diverges_has_an_error_at_its_end(tmp_path):
    x = np.linspace(-1, 1, 30)[:, None]

    class Vanishing(kanml.Regression):
        """A loss that becomes NaN after three steps, before the first error is measured."""

        calls = 0

        def evaluation(self, net, *arguments, **options):
            self.calls += 1
            found = super().evaluation(net, *arguments, **options)
            return replace(found, value=np.nan) if self.calls > 3 else found

    problem = Vanishing(x, np.sin(3 * x))
    net = kanml.KAN([1, 1], intervals=4)
    done = runs.run(tmp_path / "run", net, problem, (500,), kanml.Adam(0.01), lambda net: 0.5)
    assert done.result.status == "diverged"
    assert done.steps.tolist() == [done.result.history.last["step"]]
    assert done.errors.tolist() == [0.5]


@pytest.mark.parametrize("name", SETTINGS)
def test_solve_prints_every_level_and_draws_the_picture(name, tmp_path, capsys, monkeypatch):
    setting = replace(SETTINGS[name], schedule=(2, 1))
    monkeypatch.setitem(solve.PROBLEMS, name, setting)
    picture, folder = tmp_path / "picture.png", tmp_path / "runs"
    command = ["solve", name, "--seeds", "2", "--picture", str(picture), "--folder", str(folder)]
    assert main(command) == 0
    text = capsys.readouterr().out
    levels = [line.split() for line in text.splitlines() if " intervals " in line]
    coarse = setting.network(0).layers
    space = next(layer for layer in coarse if isinstance(layer, kanml.SplineLayer)).spaces[0]
    assert [int(line[2]) for line in levels] == [space.intervals, 2 * space.intervals] * 2
    errors = [float(line[-1]) for line in levels[1::2]]
    assert min(errors) > 0
    assert (setting.network(0).parameters != setting.network(1).parameters).any()
    row = next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))
    parameters, _, median, worst, largest = row[1:6]
    assert int(parameters) == setting.network(0).refine().n_parameters
    assert float(median) == pytest.approx(np.median(errors), rel=0.05)  # of two digits
    assert float(worst) == max(errors)
    assert 0 < float(largest) < 10
    for line in setting.elsewhere:
        assert line in text
    assert picture.read_bytes().startswith(b"\x89PNG")

    monkeypatch.setattr(solve, "_draw", lambda *arguments: None)  # once is enough
    assert main(command) == 0  # everything is there: the same numbers, without training
    assert capsys.readouterr().out == text


def test_a_solution_is_exact_where_the_known_part_and_the_network_are():
    """Allen and Cahn: at first, and, next to the corner, soon after."""
    setting = SETTINGS["allen-cahn"]
    x = np.array([-1, -0.999, -0.99, 0.98, 1.0])
    points = np.stack([np.full(5, 1e-6), x], axis=1)
    net = setting.network(0)
    without = setting.problem().solution(net, points)
    with_it = setting.solution(setting.problem(), net, points)
    exact = setting.equation.solution(points)
    assert np.abs(without - exact).max() > 2e-5
    assert np.abs(with_it - exact).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("poisson-interface", "boundary"),
        ("helmholtz", "boundary"),
        ("burgers", "initial"),
        ("burgers", "boundary"),
        ("burgers-shock", "initial"),
        ("burgers-shock", "boundary"),
        ("allen-cahn", "initial"),
        ("korteweg-de-vries", "initial"),
    ],
)
def test_solutions_hold_conditions_exactly(name, condition):
    setting = SETTINGS[name]
    points = setting.equation.equispaced(condition, 9)
    inputs = setting.equation.network_points(points)
    values = setting.solution(setting.problem(), setting.network(0), inputs)
    # Computed references have an error of their own, up to 2e-8.
    assert values == pytest.approx(setting.equation.solution(points), abs=2e-8)


@pytest.mark.parametrize("name", ["allen-cahn", "korteweg-de-vries"])
def test_solutions_are_periodic(name):
    setting = SETTINGS[name]
    left = setting.equation.equispaced("boundary", 9)
    problem, net = setting.problem(), setting.network(0)
    right = left + np.array([0.0, 2.0])
    assert problem.solution(net, left) == pytest.approx(problem.solution(net, right), abs=1e-12)


def test_solve_names_the_problems_it_knows(capsys):
    assert main(["solve", "chess"]) == 2
    error = capsys.readouterr().err
    assert "'chess'" in error
    assert all(name in error for name in solve.PROBLEMS)
    assert main(["solve", "--seeds", "0"]) == 2
    assert "--seeds must be at least 1, got 0" in capsys.readouterr().err
