"""Files of each version of the format, written once, which every later version has to load.

`python tests/test_file_format.py FOLDER` wrote those in tests/files, which are never written again:
a new version of the format gets a folder of its own. Parameters and data are fractions that every
machine holds exactly; the oracle has them from here, not from the files.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import BSpline

import kanml
from helpers import relative_error, run_python, same_bits
from kanml.network import files
from reference import networks, splines

FOLDER = Path(__file__).parent / "files" / "format-1"
NETWORK, CHECKPOINT = FOLDER / "network.kanml", FOLDER / "run.checkpoint"


def numbers(n):
    """Parameters (n,) between -1 and 1."""
    return (37 * np.arange(n) % 64 - 32) / 32


# A network of all kinds of layers

UNEVEN, EVEN, SHORT = [-1.0, -0.25, 0.5, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.125, 1.0]


def network():
    first = [kanml.SplineSpace(t, 3) for t in (UNEVEN, EVEN, UNEVEN)]
    net = kanml.Network([
        kanml.PeriodicEmbedding(2, {1: 4.0}),
        kanml.Affine([0.5, 0.75, 1.5], [0.0, 0.125, -0.25]),
        kanml.SplineLayer(3, 2, first, extrapolation="clamp", base="silu"),
        kanml.Activation("tanh"),
        kanml.SplineLayer(2, 2, kanml.SplineSpace(SHORT, 2), basis="relu"),
        kanml.Linear(2, 1),
    ])  # fmt: skip
    return net.with_parameters(numbers(net.n_parameters))


def oracle():
    """The layers of the network, with parameters in the order in which a file has them."""
    rest = numbers(59)

    def take(*shape):
        nonlocal rest
        first, rest = np.split(rest, [int(np.prod(shape))])
        return first.reshape(shape)

    first = tuple(splines.knots_with_ghosts(t, 3) for t in (UNEVEN, EVEN, UNEVEN))
    second = (splines.knots_with_ghosts(SHORT, 2),) * 2
    quarter = np.pi / 2  # 2 pi over the period
    layers = [
        networks.Embedding(((0, "identity", 1.0), (1, "cosine", quarter), (1, "sine", quarter))),
        networks.Affine(np.array([0.5, 0.75, 1.5]), np.array([0.0, 0.125, -0.25])),
        networks.WithBase(networks.Spline(first, 3, take(17, 2), "clamp"), "silu", take(3, 2)),
        networks.Activation("tanh"),
        networks.Relu(second, 2, take(8, 2)),
        networks.Linear(take(2, 1), take(1)),
    ]
    assert rest.size == 0
    return layers


def test_a_network():
    net = kanml.load(NETWORK)
    assert repr(net.layers) == repr(network().layers)
    assert net.dtype == np.float64
    assert same_bits(net.parameters, numbers(net.n_parameters))
    x = np.random.default_rng(0).uniform(-3, 3, (200, 2))
    assert relative_error(net(x), networks.evaluate(oracle(), x)) <= 1e-13


# A run with all that a checkpoint holds: pairs of L-BFGS, minibatches, a best state, two levels

X = np.arange(-32, 33)[:, None] / 32
Y = X**3 - X / 2
SCHEDULE, STOPPED = [5, 4], 7


def run(**options):
    net = kanml.Network([kanml.SplineLayer(1, 1, kanml.SplineSpace(UNEVEN, 2))])
    return kanml.train(
        net.with_parameters(numbers(5)),
        kanml.Regression(X, Y, batch_size=24, seed=3),
        SCHEDULE,
        kanml.LBFGS(memory=3),
        validation=kanml.Regression(X, Y),
        progress=False,
        **options,
    )


def error_of(parameters, breakpoints):
    """The mean squared error of a spline of degree 2."""
    knots = splines.knots_with_ghosts(breakpoints, 2)
    return np.mean((BSpline(knots, parameters, 2)(X) - Y) ** 2)


def test_a_checkpoint():
    seen = []
    result = run(resume=CHECKPOINT, callbacks=[lambda state: seen.append(state.step)])
    history = result.history
    assert seen == [8, 9]  # what was before is in the file
    assert history.step.tolist() == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert history.level.tolist() == [0] * 6 + [1] * 5
    assert result.status == "completed"
    assert history.validation[0] == pytest.approx(error_of(numbers(5), UNEVEN), rel=1e-12)
    # The network of level 0 is that of the file, and the best there.
    coarse = error_of(result.levels[0].parameters, UNEVEN)
    assert coarse == pytest.approx(history.validation[:6].min(), rel=1e-9)
    halved = [-1.0, -0.625, -0.25, 0.125, 0.5, 0.75, 1.0]
    fine = error_of(result.network.parameters, halved)
    assert fine == pytest.approx(history.validation.min(), rel=1e-9)
    assert fine <= coarse


# What all files have in common


def test_todays_version_is_the_newest_that_is_kept():
    """A new version of the format needs files of its own here."""
    newest = max(int(folder.name.removeprefix("format-")) for folder in FOLDER.parent.iterdir())
    assert files.MAGIC[-1] == newest


RUNNING = {"compile", "exec", "import", "marshal.loads", "pickle.find_class", "ctypes.dlopen"}
RUNNING |= {"os.exec", "os.fork", "os.posix_spawn", "os.system", "subprocess.Popen"}


def test_loading_runs_no_code():
    """Python tells of each piece of code that is made or run, each import, each process."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_file_format as module
def load():
    module.kanml.load(module.NETWORK)
    module.run(resume=module.CHECKPOINT)
load()  # whatever is imported on the way
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event))
load()
print(*set(seen))
eval("1")
assert "exec" in seen  # the hook hears it
"""
    found = set(run_python(code).split())
    assert "open" in found
    assert not found & RUNNING


if __name__ == "__main__":
    network().save(Path(sys.argv[1]) / NETWORK.name)
    checkpoint = kanml.Checkpoint(Path(sys.argv[1]) / CHECKPOINT.name)
    run(callbacks=[checkpoint, lambda state: state.step == STOPPED])
