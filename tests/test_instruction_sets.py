"""Each compiled instruction set gives the right numbers; one is chosen by name."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kanml import _core

HERE = Path(__file__).parent
EVERY_KIND = "layers/test_every_kind.py"
NUMERICAL = (  # two parts that take about the same time, side by side
    [str(HERE / EVERY_KIND)],
    [
        str(HERE / "network/test_network.py"),
        str(HERE / "network/test_refinement.py"),
        str(HERE / "network/test_taylor.py"),
        str(HERE / "layers"),
        f"--ignore={HERE / EVERY_KIND}",
    ],
)
OTHERS = [name for name in _core.instruction_sets() if name != _core.instruction_set()]


def run(arguments, name):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "KANML_INSTRUCTION_SET": name},
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parent,
    )


def test_the_best_set_is_the_default():
    default = run(["-c", "from kanml import _core; print(_core.instruction_set())"], "")
    assert default.stdout.strip() == _core.instruction_sets()[-1]


@pytest.mark.parametrize("name", _core.instruction_sets())
def test_the_environment_chooses(name):
    assert f"kernels    {name}, of " in run(["-m", "kanml", "info"], name).stdout


EVALUATIONS = """
import numpy as np, kanml
net = kanml.{network}
x, u = np.zeros((3000, net.n_in)), np.zeros((3000, net.n_out))
for n in (1, 2):
    for call, *others in ((net,), (net.vjp, u), (net.jvp, net.parameters)):
        try:
            call(x, *others, num_threads=n)
        except ValueError as error:
            print(error)
"""


@pytest.mark.parametrize("network", ["KAN([2, 3, 1])", "KAN([30, 24, 1])", "MLP([2, 3, 1])"])
def test_an_unknown_set_is_refused_by_name_when_a_network_is_evaluated(network):
    done = run(["-c", EVALUATIONS.format(network=network)], "x86-64-v9")
    assert (done.returncode, done.stderr) == (0, "")
    sets = " ".join(f'"{name}"' for name in _core.instruction_sets())
    refused = (
        'the environment variable KANML_INSTRUCTION_SET is "x86-64-v9", '
        f"which this build of kanml does not have, expected one of {sets}"
    )
    assert done.stdout.splitlines() == [refused] * 6


@pytest.mark.parametrize("name", OTHERS)
def test_numerical_tests_pass_with_the_other_sets(name):
    def tests(part):
        return run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *part], name)

    with ThreadPoolExecutor() as pool:
        for done in pool.map(tests, NUMERICAL):
            assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OTHERS)
def test_sets_agree_to_rounding(name, dtype):
    code = (
        "import numpy as np, kanml, sys\n"
        f"net = kanml.KAN([2, 40, 7, 1], intervals=6, seed=0, dtype='{dtype}')\n"
        "x = np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype(net.dtype)\n"
        "g = net.vjp(x, np.ones((300, 1), net.dtype))\n"
        "sys.stdout.write(' '.join(float(v).hex() for v in [*net(x).ravel(), *g[1].ravel()]))"
    )
    one, other = (
        np.array([float.fromhex(v) for v in run(["-c", code], each).stdout.split()])
        for each in (name, _core.instruction_set())
    )
    assert one.size == 900
    assert abs(one - other).max() <= 100 * np.finfo(dtype).eps * abs(other).max()
