"""Measure the choices that training makes by default, on the paper's regression over many seeds.

    python bench/training_choices.py            20 seeds, some minutes
    python bench/training_choices.py --seeds 4  fewer

Every line is multilevel training with the steps of Table 2 from one start; what it changes is its
name.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import numpy as np

import kanml
from kanml.equations import RotatedWaves
from kanml.experiments.regression import COARSE, MULTILEVEL, OPTIMIZER, kan
from kanml.experiments.tables import heading
from kanml.problems import Regression

FIRST_SEED = 1234
WEIGHTS = slice(0, 10)  # of Linear(2, 5)
BIAS = slice(10, 15)
COEFFICIENTS = slice(15, None)

LINE = "{:32s}{:10.1e}{:10.1e}{:>14s}"

Start = Callable[[RotatedWaves, int], kanml.Network]


def default(data: RotatedWaves, seed: int) -> kanml.Network:
    return kan(data, COARSE, seed)


def without_data(data: RotatedWaves, seed: int) -> kanml.Network:
    return kanml.Network(default(data, seed).layers, seed=seed)


def changed(data: RotatedWaves, seed: int, **parts: np.ndarray) -> kanml.Network:
    """Return the default start with other weights, bias or coefficients."""
    net = default(data, seed)
    theta = net.parameters.copy()
    for name, values in parts.items():
        theta[{"weights": WEIGHTS, "bias": BIAS, "coefficients": COEFFICIENTS}[name]] = values
    return net.with_parameters(theta)


def drawn_directions(data: RotatedWaves, seed: int) -> kanml.Network:
    """Directions drawn at random instead of spread; the domain is filled all the same."""
    directions = np.random.default_rng(seed).standard_normal((2, 5))
    projected = (data.x - data.x.mean(axis=0)) / data.x.std(axis=0) @ directions
    least, most = projected.min(axis=0), projected.max(axis=0)
    scale = 4 / (most - least)
    bias = -2 - scale * least
    return changed(data, seed, weights=(directions * scale).ravel(), bias=bias)


def perceptron_weights(data: RotatedWaves, seed: int) -> kanml.Network:
    """The uniform weights and bias that dense layers usually start from."""
    draw = np.random.default_rng(seed).uniform(-1 / np.sqrt(2), 1 / np.sqrt(2), 15)
    return changed(data, seed, weights=draw[:10], bias=draw[10:])


def half_filled(data: RotatedWaves, seed: int) -> kanml.Network:
    """The projected data fill the middle half of the domain."""
    theta = default(data, seed).parameters
    return changed(data, seed, weights=0.5 * theta[WEIGHTS], bias=0.5 * theta[BIAS])


def coefficients_of(scale: float) -> Start:
    """Random coefficients of a given standard deviation."""

    def start(data: RotatedWaves, seed: int) -> kanml.Network:
        size = default(data, seed).n_parameters - 15
        draw = np.random.default_rng(seed).normal(0, scale, size)
        return changed(data, seed, coefficients=draw)

    return start


def not_standardised(data: RotatedWaves, seed: int) -> kanml.Network:
    """The inputs as they are, in [0, 1]^2, and splines on [-1, 1]."""
    space = kanml.SplineSpace.uniform(-1, 1, COARSE, degree=3)
    layers = [kanml.Linear(2, 5), kanml.SplineLayer(5, 1, space)]
    return kanml.Network(layers, seed=seed, data=data.x)


STARTS: dict[str, Start] = {
    "default": default,
    "without data=": without_data,
    "directions drawn at random": drawn_directions,
    "weights of a perceptron": perceptron_weights,
    "inputs not standardised": not_standardised,
    "half the domain filled": half_filled,
    "coefficients of size 1": coefficients_of(1.0),
}
OPTIMIZERS = {
    "L-BFGS, 100 pairs": OPTIMIZER,
    "L-BFGS, 20 pairs": kanml.LBFGS(memory=20),
    "Adam, lr 1e-2": kanml.Adam(1e-2),
}


def measure(name: str, seeds: range, start: Start, **options: object) -> None:
    """Train from every seed and print a line."""
    losses = []
    for seed in seeds:
        data = RotatedWaves(seed)
        result = kanml.train(
            start(data, seed),
            Regression(data.x, data.y),
            MULTILEVEL,
            **{"optimizer": OPTIMIZER, "restarts": 0, "progress": False, **options},
        )
        losses.append(result.history.loss[-1])
    under = sum(loss < 1e-5 for loss in losses)
    counted = f"{under} of {len(losses)}"
    print(LINE.format(name, statistics.median(losses), max(losses), counted), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="default: 20")
    seeds = range(FIRST_SEED, FIRST_SEED + parser.parse_args().seeds)

    names = heading(LINE, ("", "median", "worst", "under 1e-5"))
    print(f"Start: mean squared error, seeds {seeds[0]}..{seeds[-1]}\n{names}")
    for name, start in STARTS.items():
        measure(name, seeds, start)
    print(f"\nOptimizer memory at a refinement\n{names}")
    for name, optimizer in OPTIMIZERS.items():
        for how in ("prolong", "reset"):
            measure(f"{name}, {how}", seeds, default, optimizer=optimizer, transfer_state=how)


if __name__ == "__main__":
    main()
