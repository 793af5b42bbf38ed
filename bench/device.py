"""Time kanml on a device, beside the least time that its kernels take, and PyTorch on the same GPU.

    python bench/device.py --device cuda             about two minutes; a table in Markdown
    python bench/device.py --device block-host --quick    the programs of GPUs on the host, small

Every result is compared with that of the processors before it is timed. Times are medians of calls
that end when the device has finished. The roof is what `bench/gpu_roof.py` predicts for the GPU, if
it knows the GPU; docs/gpu.md says what it leaves out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gpu_roof
import numpy as np

import kanml
from kanml.devices import Device, find
from kanml.equations import Helmholtz

PINN_WIDTHS, INTERVALS = (2, 8, 8, 1), 8
HEADING = "| job | seconds | roof | of the roof | beside it | seconds |"
ROW = "| {} | {:.3g} | {} | {} | {} | {} |"


@dataclass(frozen=True)
class Sizes:
    """How much there is to do."""

    layer: int = 65_536
    points: int = 1_000_000
    few: int = 4096
    samples: int = 20_000
    steps: tuple[int, ...] = (400, 400)
    rounds: int = 15


QUICK = Sizes(layer=100, points=200, few=100, samples=200, steps=(3, 3), rounds=2)


@dataclass(frozen=True)
class Line:
    """A row of the table: a time, its roof, and the time of something else."""

    job: str
    seconds: float
    roof: float | None = None
    beside: str = ""
    other: float | None = None

    def __str__(self) -> str:
        roof = "" if self.roof is None else f"{self.roof:.3g}"
        quotient = "" if self.roof is None else f"{self.seconds / self.roof:.2g}"
        other = "" if self.other is None else f"{self.other:.3g}"
        return ROW.format(self.job, self.seconds, roof, quotient, self.beside, other)


class Bench:
    """What is timed, on one device."""

    def __init__(self, device: Device, sizes: Sizes, card: gpu_roof.Card | None) -> None:
        self.device, self.sizes, self.card = device, sizes, card
        self.rng = np.random.default_rng(1)

    def median(self, call: Callable[[], object]) -> float:
        """Seconds of a call and of all that it launches."""
        times = []
        for round_ in range(self.sizes.rounds + 2):  # the first two are not counted
            start = time.perf_counter()
            call()
            self.device.core.wait()
            if round_ >= 2:
                times.append(time.perf_counter() - start)
        return float(np.median(times))

    def roof(self, job: gpu_roof.Job) -> float | None:
        """The largest of the roofs that are documented."""
        if self.card is None:
            return None
        of = gpu_roof.roofs(job, self.card)
        return max(of["arithmetic"], of["device memory"], of["shared memory"])

    def placed(self, net: kanml.Network) -> kanml.Network:
        """The network, evaluated on the device."""
        return net._placed(self.device.array(net.parameters))

    def lines(self) -> Iterator[Line]:
        yield self.layer()
        yield self.pinn("a step of Burgers, float32", self.sizes.points, "float32")
        yield self.pinn("a step of Burgers, float64", self.sizes.few, "float64")
        yield self.jacobian()
        yield from self.steps()
        yield self.training()

    def layer(self) -> Line:
        """A spline layer forwards, and to both gradients."""
        net = kanml.Network(
            [kanml.SplineLayer(64, 64, kanml.SplineSpace.uniform(-1, 1, INTERVALS, 3))],
            dtype="float32",
        )
        x = self.rng.uniform(-1, 1, (self.sizes.layer, 64)).astype("float32")
        cotangents = self.rng.normal(size=(1, *x.shape)).astype("float32")
        core = net._architecture.core(net.dtype, self.device)
        on = [self.device.array(array) for array in (x, net.parameters, cotangents)]
        none = np.zeros((0, 64), "float32")
        expected = net.vjp(x[:100], cotangents[0, :100])[1]
        found = core.taylor_vjp(on[0], on[1], [], none, on[2], True, 1)[1]
        require_close(np.asarray(found)[:100], expected, 1e-4)
        seconds = self.median(lambda: core.taylor_vjp(on[0], on[1], [], none, on[2], True, 1))
        roof = self.roof(gpu_roof.Job((64, 64), samples=self.sizes.layer))
        job = f"layer 64x64, {self.sizes.layer} samples, float32, both gradients"
        return Line(job, seconds, roof, "4 torch Linear", self.linear())

    def linear(self) -> float | None:
        """Four Linear of PyTorch, forwards and back, if it is here with the same GPU."""
        try:
            import torch
        except ImportError:
            return None
        if not (torch.cuda.is_available() and self.device.core.gpu >= 0):
            return None
        torch.backends.cuda.matmul.allow_tf32 = False
        layers = [torch.nn.Linear(64, 64, bias=False, device="cuda") for _ in range(4)]
        x = torch.randn(self.sizes.layer, 64, device="cuda", requires_grad=True)
        weights = torch.randn(self.sizes.layer, 64, device="cuda")

        def step() -> None:
            for layer in layers:
                torch.autograd.grad(layer(x), [x, layer.weight], weights)
            torch.cuda.synchronize()

        return self.median(step)

    def burgers(self, n: int, dtype: str) -> tuple[kanml.PINN, kanml.Network]:
        points = self.rng.uniform(-1, 1, (n, 2))
        pde = kanml.Term("pde", points, lambda u: u.t + u * u.x - 0.01 * u.xx)
        net = kanml.KAN(list(PINN_WIDTHS), degree=3, intervals=INTERVALS, seed=0, dtype=dtype)
        return kanml.PINN("tx", [pde]), net

    def job(self, n: int, dtype: str, rows: bool = False) -> gpu_roof.Job:
        formula = gpu_roof.BURGERS_ROWS if rows else gpu_roof.BURGERS_LOSS
        size = np.dtype(dtype).itemsize
        return gpu_roof.Job(
            PINN_WIDTHS, orders=(1, 2), size=size, samples=n, formula=formula, rows=rows
        )

    def pinn(self, job: str, n: int, dtype: str) -> Line:
        """The loss of a PINN with its gradient."""
        problem, net = self.burgers(n, dtype)
        on_device = self.placed(net)
        expected, found = problem.evaluation(net), problem.evaluation(on_device)
        require_close(np.asarray(found.gradient), expected.gradient, 1e-3)
        seconds = self.median(lambda: problem.evaluation(on_device))
        other = self.median(lambda: problem.evaluation(net))
        return Line(f"{job}, {n} points", seconds, self.roof(self.job(n, dtype)), "CPU", other)

    def jacobian(self) -> Line:
        """The rows of a PINN with their derivatives, which stay on the device."""
        n = self.sizes.few
        problem, net = self.burgers(n, "float64")
        on_device = self.placed(net)
        require_close(problem.jacobian(on_device), problem.jacobian(net), 1e-10)
        core = net._architecture.core(net.dtype, self.device)._core
        terms = self.device.terms(list(problem._stacked_rows(net)._terms[0].cores), net.dtype)
        theta = on_device._parameters.core
        seconds = self.median(lambda: core.rows(terms, [1.0], theta, [], True))
        roof = self.roof(self.job(n, "float64", rows=True))
        other = self.median(lambda: problem.jacobian(net))
        return Line(
            f"rows and Jacobian of Burgers, float64, {n} points", seconds, roof, "CPU", other
        )

    def steps(self) -> Iterator[Line]:
        """Steps of optimizers, with all that training does in a step."""
        x = self.rng.uniform(-1, 1, (self.sizes.samples, 2))
        y = np.exp(np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2)
        problem, net = kanml.Regression(x, y), kanml.KAN([2, 5, 1], intervals=8, seed=0)
        count = 20 * self.sizes.rounds
        for name, optimizer in {"Adam": kanml.Adam(1e-2), "L-BFGS": kanml.LBFGS()}.items():
            seconds = {}
            for where in (self.device, None):
                options: dict[str, Any] = {"restarts": 0, "progress": False, "device": where}
                kanml.train(net, problem, 3, optimizer, **options)
                start = time.perf_counter()
                result = kanml.train(net, problem, count, optimizer, **options)
                seconds[where] = (time.perf_counter() - start) / max(1, len(result.history) - 1)
            job = f"a step of {name}, {self.sizes.samples} samples, float64"
            yield Line(job, seconds[self.device], None, "CPU", seconds[None])

    def training(self) -> Line:
        """Helmholtz' equation, to what the schedule reaches."""
        equation = Helmholtz()
        problem = equation.pinn({"volume": self.sizes.few, "boundary": 400}, seed=0)
        net = kanml.KAN([2, 8, 1], degree=5, intervals=4, activation="tanh", seed=0)
        seconds, errors = [], []
        for where in (self.device, None):
            start = time.perf_counter()
            result = kanml.train(
                net, problem, self.sizes.steps, "ssbroyden", device=where, restarts=0,
                progress=False,
            )  # fmt: skip
            seconds.append(time.perf_counter() - start)
            errors.append(equation.relative_l2(result.network))
        job = f"Helmholtz, {sum(self.sizes.steps)} steps of SSBroyden, error {errors[0]:.1e}"
        return Line(job, seconds[0], None, f"CPU, error {errors[1]:.1e}", seconds[1])


def require_close(found: np.ndarray, expected: np.ndarray | None, bound: float) -> None:
    """Raise unless numbers are finite, and those of the processors but for rounding."""
    assert expected is not None
    difference = abs(found - expected).max() / abs(expected).max()
    assert difference <= bound, difference


def card_of(name: str) -> gpu_roof.Card | None:
    """The card of a GPU by its name, as nvidia-smi prints it."""
    return next((card for key, card in gpu_roof.CARDS.items() if key in name), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--gpu", default="", help="the name of the GPU, for its roofs")
    parser.add_argument("--quick", action="store_true", help="small sizes, which say nothing")
    given = parser.parse_args()
    device = find(given.device)
    if device is None:
        parser.error("the processors are no device")
    bench = Bench(device, QUICK if given.quick else Sizes(), card_of(given.gpu))
    print(HEADING)
    print("|---|---|---|---|---|---|")
    for line in bench.lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
