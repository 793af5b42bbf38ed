"""Evolutions in slabs: how each begins, and that the equation is that of the reference."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kanml.__main__ import main
from kanml.experiments import solve
from kanml.experiments.slabs import EVOLUTIONS, Fourier, Handover

ORDERS = range(5)


def wave(x, order=0):
    """Return a derivative of cos(3 pi x) + 0.1 sin(7 pi x)."""
    turned = order * np.pi / 2
    low = (3 * np.pi) ** order * np.cos(3 * np.pi * x + turned)
    return low + 0.1 * (7 * np.pi) ** order * np.sin(7 * np.pi * x + turned)


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_a_trigonometric_polynomial(order):
    samples = wave(-1 + 2 * np.arange(64) / 64)
    x = np.random.default_rng(0).uniform(-1, 1, 5000)  # more than one chunk
    rounding = 16 * np.finfo(float).eps * (32 * np.pi) ** order  # in the fastest of the waves
    assert Fourier(samples)(x, order) == pytest.approx(wave(x, order), abs=rounding)


def test_fast_waves_are_left_out():
    """They are noise, which derivatives would magnify."""
    x = -1 + 2 * np.arange(64) / 64
    noisy = Fourier(wave(x) + 1e-3 * np.cos(20 * np.pi * x), modes=8)
    assert noisy(x) == pytest.approx(wave(x), abs=1e-12)


def test_fields_of_the_known_part_are_its_derivatives():
    handover = Handover(Fourier(wave(-1 + 2 * np.arange(64) / 64)), start=0.2, duration=0.1)
    points = np.random.default_rng(1).uniform([0.2, -1], [0.5, 1], (50, 2))
    fade = np.exp(-(points[:, 0] - 0.2) / 0.1)
    fields = handover.fields(points)
    for order in ORDERS:
        exact = fade * wave(points[:, 1], order)
        found = getattr(fields, "x" * order or "u")
        assert found == pytest.approx(exact, abs=1e-12 * abs(exact).max())
    assert fields.t == pytest.approx(-10 * fade * wave(points[:, 1]), rel=1e-9, abs=1e-11)
    assert handover.known(points) == pytest.approx(fields.u, abs=1e-15)


@pytest.mark.parametrize("name", EVOLUTIONS)
def test_a_slab_begins_with_the_solution_before(name):
    """The first with the initial values of the equation, another with what it is given."""
    evolution = EVOLUTIONS[name]
    x = np.linspace(-1, 1, 33)
    first, second = evolution.slab(0, None), evolution.slab(1, lambda points: wave(points[:, 1:]))
    at_zero = np.stack([np.zeros(33), x], axis=1)
    # Computed references have an error of their own, up to 2e-8.
    for setting, start, exact in (
        (first, 0.0, evolution.equation.solution(at_zero)[:, 0]),
        (second, evolution.times[1], wave(x)),
    ):
        points = np.stack([np.full(33, start), x], axis=1)
        found = setting.solution(setting.problem(), setting.network(0), points)
        assert found[:, 0] == pytest.approx(exact, abs=2e-8)
        later = points + np.array([0.01, 0.0])
        left, right = (
            setting.solution(setting.problem(), setting.network(0), later + np.array([0.0, period]))
            for period in (0.0, 2.0)
        )
        assert left == pytest.approx(right, abs=1e-11)


@pytest.mark.parametrize("name", EVOLUTIONS)
def test_the_residual_is_that_of_the_equation(name):
    """For a sum of two parts, whose fields are arbitrary numbers."""
    evolution = EVOLUTIONS[name]
    words = ("u", "t", "x", "xx", "xxx", "xxxx")
    rng = np.random.default_rng(2)
    u, w = ({word: rng.normal(size=9) for word in words} for _ in range(2))
    total = Field(**{word: u[word] + w[word] for word in words})
    residual = evolution.equation.terms({"volume": 1})[0].residual
    found = evolution.residual(Field(**u), SimpleNamespace(**w))
    assert found == pytest.approx(residual(total), rel=1e-13)


class Field(np.ndarray):
    """Values of a function, with its derivatives as attributes."""

    def __new__(cls, u, **derivatives):
        field = np.asarray(u).view(cls)
        for word, values in derivatives.items():
            setattr(field, word, values)
        return field


@pytest.mark.parametrize("name", EVOLUTIONS)
def test_solve_prints_every_slab(name, tmp_path, capsys, monkeypatch):
    evolution = EVOLUTIONS[name]
    short = replace(evolution, schedule=(2, 1), times=evolution.times[:3], points=100)
    monkeypatch.setitem(solve.PROBLEMS, name, short)
    picture, folder = tmp_path / "picture.png", tmp_path / "runs"
    command = ["solve", name, "--seeds", "1", "--picture", str(picture), "--folder", str(folder)]
    assert main(command) == 0
    text = capsys.readouterr().out
    slabs = [line for line in text.splitlines() if " t <= " in line]
    assert [line.split(" t <= ")[1][:5] for line in slabs] == [f"{t:5.3f}" for t in short.times[1:]]
    parameters = int(slabs[0].split("parameters")[0].split()[-1])
    row = next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))
    assert int(row[1]) == 2 * parameters
    assert picture.read_bytes().startswith(b"\x89PNG")

    monkeypatch.setattr(solve, "_draw", lambda *arguments: None)  # once is enough
    assert main(command) == 0  # everything is there: the same numbers, without training
    assert capsys.readouterr().out == text

    second = folder / "solve" / f"{name}-0" / "slab-2"
    (second / "errors.kanml").unlink()
    assert main(command) == 1
    assert capsys.readouterr().err.endswith(f"Remove {second} to start this run again.\n")


def test_a_solution_takes_each_point_from_its_slab():
    def part(times, value):
        setting = replace(EVOLUTIONS["kuramoto-sivashinsky"].slab(0, None), times=times)
        return Constant(setting, None, value)

    solution = solve.Solution([part((0.0, 0.5), 1.0), part((0.5, 1.0), 2.0)])
    points = np.array([[0.75, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert solution(points).ravel().tolist() == [2.0, 1.0, 1.0, 2.0]
    assert solution.times == (0.0, 1.0)


class Constant(solve.Part):
    """A part of a solution that is constant."""

    def __init__(self, setting, run, value):
        super().__init__(setting, run)
        object.__setattr__(self, "value", value)

    def __call__(self, points):
        return np.full((len(points), 1), self.value)
