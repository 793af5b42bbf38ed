"""Training on a device, which is the host that runs the programs of GPUs."""

from __future__ import annotations

import gc
import hashlib
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits
from kanml import _core
from kanml.optim import Optimizer, State
from kanml.optim.base import advanced
from kanml.problems.evaluation import gradient_in_place

RNG = np.random.default_rng(7)  # the network draws with 0, and puts the ends of domains there
X = RNG.uniform(-1, 1, (300, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:]


def regression(**options):
    return kanml.Regression(X, Y, **options)


def inverse(**options):
    """Burgers' equation with an unknown viscosity."""
    pde = kanml.Term("pde", X, lambda u, nu: u.t + u * u.x - nu * u.xx, **options)
    start = kanml.Term("start", X[:40], lambda u, x: u - np.sin(x))
    return kanml.PINN("tx", [pde, start], unknowns={"nu": 0.1})


def drawn():
    box = kanml.Sampler([-1, -1], [1, 1], n=200, every=5, seed=3)
    return kanml.PINN("tx", [kanml.Term("pde", box, lambda u, t: u.t - np.cos(t))])


def drawn_by_residual():
    box = kanml.Sampler([-1, -1], [1, 1], n=100, every=3, method="residual")
    return kanml.PINN("tx", [kanml.Term("pde", box, lambda u, t: u.t - np.cos(t))])


def classes():
    return kanml.Regression(X, (Y[:, 0] > 0).astype(int), loss="softmax")


def transformed():
    """Conditions that hold exactly, a letter of one's own, and mixed derivatives."""
    slanted = {"d": 0.5 * X}
    pde = kanml.Term("pde", X, lambda u, t: u.t + u.d - u.tx - np.cos(t), directions=slanted)
    return kanml.PINN("tx", [pde], transform=lambda u, t, x: (1 - x**2) * u)


def periodic():
    edges = kanml.Term(
        "edges", X, lambda u, u_partner: (u - u_partner, u.x - u_partner.x), partner=-X
    )
    return kanml.PINN("tx", [edges, kanml.Term("pde", X, lambda u, x: u.t - np.sin(x))])


PROBLEMS = {
    "regression": regression,
    "minibatches": lambda: regression(batch_size=64),
    "robust": lambda: regression(loss=kanml.Huber(0.1)),
    "penalty": lambda: regression(penalty=kanml.Smoothness(1e-4)),
    "blocks": lambda: kanml.Regression(kanml.RowBlocks(X, rows=70), kanml.RowBlocks(Y, rows=70)),
    "inverse": inverse,
    "attention": lambda: inverse(attention=kanml.RBA(0.1)),
    "minibatches of points": lambda: inverse(batch_size=50),
    "drawn": drawn,
    "drawn by residual": drawn_by_residual,
    "transformed": transformed,
    "partners": periodic,
}
OPTIMIZERS = {
    "adam": kanml.Adam(lr=1e-2, weight_decay=1e-3),
    "gradient descent": kanml.GradientDescent(lr=0.05),
    "lbfgs": kanml.LBFGS(memory=5),
    "ssbroyden": kanml.SSBroyden(),
    "levenberg-marquardt": kanml.LevenbergMarquardt(),
    "matrix-free": kanml.LevenbergMarquardt(largest_triangle=0, columns=10),
}


def net(**options):
    return kanml.KAN([2, 4, 1], degree=3, intervals=3, seed=0, **options)


def trained(problem, optimizer, device, schedule=(6, 6), network=None, **options):
    options = {"restarts": 0, "progress": False, **options}
    return kanml.train(network or net(), problem, schedule, optimizer, device=device, **options)


def assert_close(found, expected, rel=1e-6):
    """The same course but for rounding, which grows with the steps."""
    assert len(found.history) == len(expected.history)
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=rel)
    for name, value in expected.unknowns.items():
        assert found.unknowns[name] == pytest.approx(value, rel=rel)
    np.testing.assert_allclose(found.network(X), expected.network(X), atol=rel)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_every_kind_of_problem(problem, device):
    optimizer = OPTIMIZERS["adam"]
    expected = trained(problem(), optimizer, None)
    found = trained(problem(), optimizer, device)
    assert_close(found, expected)
    again = trained(problem(), optimizer, device)
    assert same_bits(found.network.parameters, again.network.parameters)
    assert same_bits(found.history.loss, again.history.loss)


@pytest.mark.parametrize(
    ("problem", "numbers"),
    [
        ("regression", 0),
        ("inverse", 0),
        ("attention", 300),  # the weights of the points
        ("minibatches", 64),  # the numbers of the samples
        ("minibatches of points", 50),
    ],
)
def test_what_goes_to_the_device_in_a_step(problem, numbers, device, monkeypatch):
    bytes_of = []

    def counted(device, array):
        bytes_of.append(array.nbytes)
        return uploaded(device, array)

    def of_steps(steps):
        bytes_of.clear()
        trained(PROBLEMS[problem](), OPTIMIZERS["adam"], device, (steps,))
        return sum(bytes_of)

    uploaded = _core.uploaded
    monkeypatch.setattr(_core, "uploaded", counted)
    assert of_steps(12) - of_steps(10) == 2 * 8 * numbers


def test_several_outputs(device):
    network = kanml.KAN([2, 4, 2], intervals=3, seed=0)
    expected = trained(classes(), OPTIMIZERS["lbfgs"], None, network=network)
    found = trained(classes(), OPTIMIZERS["lbfgs"], device, network=network)
    assert_close(found, expected)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_parameters_that_are_not_finite(optimizer, number, device):
    parameters = net().parameters.copy()
    parameters[3] = number
    with pytest.raises(ValueError, match=f"parameters must be finite, got {number}"):
        trained(regression(), optimizer, device, network=net().with_parameters(parameters))


def test_threads_that_train_at_once(device):
    """All have the same bits."""
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(trained, regression(), OPTIMIZERS["lbfgs"], device) for _ in range(4)]
        first, *others = [run.result().network.parameters for run in runs]
    assert all(same_bits(other, first) for other in others)


@pytest.mark.filterwarnings("ignore:level 1")  # few rows
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer(optimizer, device):
    expected = trained(inverse(), optimizer, None)
    found = trained(inverse(), optimizer, device)
    assert_close(found, expected, 1e-5)
    again = trained(inverse(), optimizer, device)
    assert same_bits(found.network.parameters, again.network.parameters)


@pytest.mark.filterwarnings("ignore:level 1")
def test_variable_projection(device):
    optimizer = kanml.VariableProjection()
    expected = trained(regression(), optimizer, None)
    assert_close(trained(regression(), optimizer, device), expected, 1e-4)


@pytest.mark.parametrize("optimizer", [kanml.Adam(1e-2, geometry="spline"), kanml.LBFGS()])
def test_power_relus(optimizer, device):
    expected = trained(regression(), optimizer, None, network=net().to_basis("relu"))
    found = trained(regression(), optimizer, device, network=net().to_basis("relu"))
    assert_close(found, expected, 1e-5)


def test_single_precision(device):
    options = {"network": net(dtype="float32")}
    expected = trained(inverse(), OPTIMIZERS["adam"], None, **options)
    found = trained(inverse(), OPTIMIZERS["adam"], device, **options)
    assert found.network.dtype == np.float32
    assert_close(found, expected, 1e-3)


def test_starts_are_tried_on_the_device(device):
    expected = trained(regression(), kanml.LBFGS(), None, (400,), restarts=3)
    found = trained(regression(), kanml.LBFGS(), device, (400,), restarts=3)
    assert len(found.history.tries) == len(expected.history.tries) > 1
    for ours, theirs in zip(found.history.tries, expected.history.tries, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)


def test_validation_and_callbacks(device):
    seen = []

    def watch(state):
        seen.append((state.loss, state.network(X[:3]).shape, state.unknowns))

    held_out = kanml.Regression(X[:50] * 0.9, Y[:50])
    options = {"validation": held_out, "callbacks": [watch]}
    expected = trained(regression(), kanml.LBFGS(), None, **options)
    found = trained(regression(), kanml.LBFGS(), device, **options)
    assert_close(found, expected)
    np.testing.assert_allclose(found.history.validation, expected.history.validation, rtol=1e-6)
    assert {shape for _, shape, _ in seen} == {(3, 1)}


def test_refused_inputs_of_a_trial(device):
    network = kanml.KAN([2, 3, 1], extrapolation="error", seed=1, data=X)
    shrunk = network.with_parameters(0.9 * network.parameters)
    expected = trained(regression(), kanml.LBFGS(), None, network=shrunk)
    assert_close(trained(regression(), kanml.LBFGS(), device, network=shrunk), expected)


def test_a_problem_of_ones_own(device):
    class LogCosh(kanml.Problem):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            error = net(X, num_threads=num_threads) - Y
            gradient, _ = net.vjp(X, np.tanh(error) / error.size, num_threads=num_threads)
            return kanml.Evaluation(np.mean(np.log(np.cosh(error))), gradient)

        def fingerprint(self):
            return hashlib.sha256(X.tobytes()).hexdigest()

    expected = trained(LogCosh(), kanml.LBFGS(), None)
    assert_close(trained(LogCosh(), kanml.LBFGS(), device), expected)


class TwoParts(kanml.Problem):
    """Arithmetic with the losses and gradients of other problems, also in place."""

    def __init__(self):
        self.parts = regression(), kanml.Regression(X, Y, loss=kanml.Huber(0.3))

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        a, b = (part.evaluation(net, None, want, num_threads=num_threads) for part in self.parts)
        value = a.value + 2 * b.value + 1e-3 * net.parameters @ net.parameters
        if want == "value":
            return kanml.Evaluation(value)
        a.gradient[:] += 2e-3 * net.parameters
        return kanml.Evaluation(value, a.gradient + 2 * b.gradient)

    def fingerprint(self):
        return "two parts"


@dataclass(frozen=True)
class Descent(Optimizer):
    """Steps as NumPy computes them."""

    def init(self, parameters):
        return State(parameters=parameters)

    def step(self, function, state, geometry=None):
        state = self.evaluate(function, state)
        length = 0.1 / (1 + np.linalg.norm(state.gradient))
        return advanced(state, state.parameters - length * state.gradient)


@pytest.mark.parametrize("made", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_keep_their_dtype_whatever_an_optimizer_makes(dtype, made, device):
    class Rounding(Descent):
        def step(self, function, state, geometry=None):
            found = super().step(function, state)
            return found.changed(parameters=np.asarray(found.parameters, made))

    class Watched(TwoParts):
        def evaluation(self, net, *arguments, **options):
            dtypes.add(net.dtype.name)
            return super().evaluation(net, *arguments, **options)

    dtypes = set()
    network = kanml.KAN([2, 3, 1], dtype=dtype, seed=1)
    result = trained(Watched(), Rounding(), device, network=network)
    assert dtypes == {result.network.dtype.name} == {dtype}
    loss = TwoParts().evaluation(result.network, want="value").value
    assert result.history.loss[-1] == pytest.approx(loss, rel=1e-5 if made == np.float32 else 1e-12)


@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), kanml.Adam(0.01), Descent()], ids=repr)
def test_arithmetic_with_gradients(optimizer, device):
    seen = []

    def watch(state):
        seen.append(state.evaluation.gradient)

    expected = trained(TwoParts(), optimizer, None)
    assert_close(trained(TwoParts(), optimizer, device, callbacks=[watch]), expected)
    assert all(type(gradient) is np.ndarray for gradient in seen)


def test_a_gradient_that_was_read_and_changed_is_what_counts(there):
    net = kanml.KAN([2, 3, 1])
    placed = net._placed(there.array(net.parameters))
    found = regression().evaluation(placed)
    assert isinstance(gradient_in_place(found), kanml.DeviceArray)
    found.gradient[0] = 5.0
    assert gradient_in_place(found)[0] == 5.0
    unread = pickle.dumps(regression().evaluation(placed))
    assert b"block-host" not in unread  # so that it can be read without the device
    again = pickle.loads(unread)
    assert same_bits(again.gradient[1:], found.gradient[1:])


def test_data_leaves_the_device_with_its_problem(there):
    """Without a collection of garbage."""
    gc.collect()  # of earlier tests
    before = len(there._placed), len(there._terms)
    problem = regression()
    trained(problem, kanml.LBFGS(), there)
    assert problem.evaluation(kanml.KAN([2, 3, 1])).value > 0
    assert (len(there._placed), len(there._terms)) > before
    gone = weakref.ref(problem)
    del problem
    assert gone() is None
    assert (len(there._placed), len(there._terms)) == before


@pytest.mark.filterwarnings("ignore:level 1")
@pytest.mark.parametrize("name", ["adam", "lbfgs", "ssbroyden", "matrix-free"])
def test_a_checkpoint_continues_bit_for_bit(name, tmp_path, device):
    path, optimizer = tmp_path / "run.npz", OPTIMIZERS[name]
    problem = PROBLEMS["attention"]
    whole = trained(problem(), optimizer, device)

    callbacks = [kanml.Checkpoint(path, every=1), lambda state: state.step == 8]
    trained(problem(), optimizer, device, callbacks=callbacks)
    resumed = trained(problem(), optimizer, device, resume=path)
    assert same_bits(resumed.network.parameters, whole.network.parameters)
    # A run on processors continues from it too.
    assert_close(trained(problem(), optimizer, None, resume=path), whole, 1e-5)


def test_processes_together(tmp_path, device):
    from kanml.parallel import in_threads

    def run(communicator, device):
        part = slice(communicator.rank, None, 2)
        problem = kanml.Regression(X[part], Y[part])
        return trained(problem, kanml.LBFGS(), device, communicator=communicator)

    expected = in_threads(2, lambda communicator: run(communicator, None))[0]
    found = in_threads(2, lambda communicator: run(communicator, device))
    assert_close(found[0], expected)
    assert same_bits(found[0].network.parameters, found[1].network.parameters)


def test_processes_on_different_devices_are_refused(device):
    from kanml.parallel import in_threads

    def run(communicator):
        where = device if communicator.rank else None
        return trained(regression(), kanml.LBFGS(), where, communicator=communicator)

    with pytest.raises(ValueError, match=r"the kind of device is .* and the processors"):
        in_threads(2, run)


def test_marching(device):
    def problem(start, end, before):
        t = np.linspace(start, end, 30)[:, None]
        value = 1.0 if before is None else float(before(t[:1])[0, 0])
        ode = kanml.Term("ode", t, lambda u: u.t + u)
        return kanml.PINN("t", [ode, kanml.Term("start", t[:1], lambda u: u - value)])

    kan = kanml.KAN([1, 1], degree=3, intervals=4, domain=(0, 0.5))
    times = [0.0, 0.5, 1.0]
    found = kanml.march(kan, problem, times, [20], progress=False, device=device)
    assert abs(found([[1.0]])[0, 0] - np.exp(-1)) < 1e-3


@pytest.mark.skipif(kanml.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_an_error_before_any_work():
    class Never(kanml.Problem):
        def evaluation(self, *args, **kwargs):
            raise AssertionError("work was done")

        def fingerprint(self):
            return ""

    with pytest.raises(RuntimeError, match=naming("cuda")):
        trained(Never(), kanml.LBFGS(), "cuda")
