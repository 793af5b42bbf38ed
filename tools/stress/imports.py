"""Import kanml beside other libraries, in every order, and fork.

    python tools/stress/imports.py 20       orders, drawn at random
    python tools/stress/imports.py 720      all orders of six libraries

PyTorch, scikit-learn and kanml may share the threads of one OpenMP runtime, or have two, and a
child of fork has none of its parent's threads: a computation that waits for them never ends. Each
order is imported in a process of its own, which lets every library train or compute on several
threads. Then it computes with kanml in children of fork and of spawn, and in joblib's. In another
kind of case the parent has not imported kanml when it forks. All children must compute the bits of
their parent, within a time limit. Libraries that are not installed are left out, and named.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

LIBRARIES = ("numpy", "torch", "kanml", "sklearn", "scipy", "matplotlib")
SECONDS = 300  # of a process; a child has a tenth of that
CHILDREN = 2  # of each kind
THREADS = 4


def compute(_: object = None) -> bytes:
    """Return values, a gradient and a training of kanml, enough work for several threads."""
    import numpy as np

    import kanml

    kanml.set_num_threads(THREADS)
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (4000, 2))
    net = kanml.KAN([2, 8, 1], seed=0)
    problem = kanml.Regression(x, np.sin(x[:, :1]) * x[:, 1:])
    trained = kanml.train(net, problem, [2, 2], progress=False).network
    return net(x).tobytes() + net.vjp(x, x[:, :1])[0].tobytes() + trained.parameters.tobytes()


def use_torch() -> None:
    """Train with PyTorch on several threads."""
    import torch

    torch.set_num_threads(THREADS)
    model = torch.nn.Sequential(torch.nn.Linear(50, 200), torch.nn.Tanh(), torch.nn.Linear(200, 1))
    x = torch.randn(5000, 50)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def use_sklearn() -> None:
    """Train with scikit-learn, whose boosting has OpenMP's threads."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = np.random.default_rng(0).normal(size=(3000, 5))
    HistGradientBoostingRegressor(max_iter=3).fit(x, x[:, 0])


def use_scipy() -> None:
    """Minimise with SciPy, and solve a system with its LAPACK."""
    import numpy as np
    from scipy.linalg import solve
    from scipy.optimize import minimize

    minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros(5), method="L-BFGS-B")
    matrix = np.random.default_rng(0).normal(size=(300, 300))
    solve(matrix, matrix)


def use_matplotlib() -> None:
    """Draw a picture."""
    from matplotlib.figure import Figure

    Figure().subplots().plot([1, 2])


def use_numpy() -> None:
    """Multiply matrices on the threads of NumPy's BLAS."""
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(300, 300))
    np.linalg.svd(matrix @ matrix)


USES: dict[str, Callable[[], object]] = {
    "numpy": use_numpy,
    "torch": use_torch,
    "kanml": compute,
    "sklearn": use_sklearn,
    "scipy": use_scipy,
    "matplotlib": use_matplotlib,
}


# What happens in the process of a case


def child(file: Path) -> int:
    """Fork a process that writes what it computes to a file; return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            file.write_bytes(compute())
        finally:
            os._exit(0)
    return pid


def ends(pid: int) -> bool:
    """Wait for a child; say whether it ended in time, else end it."""
    end = time.monotonic() + SECONDS / 10
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def forked(count: int) -> list[bytes]:
    """Return what children of fork compute, one after the other."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            file = Path(folder) / str(i)
            if not ends(child(file)):
                raise SystemExit("a child of fork hangs")
            if not file.exists():
                raise SystemExit("a child of fork failed")
            results.append(file.read_bytes())
    return results


def pooled(method: str) -> list[bytes]:
    """Return what the children of a pool of multiprocessing compute."""
    with multiprocessing.get_context(method).Pool(CHILDREN) as pool:
        return pool.map_async(compute, range(CHILDREN)).get(timeout=SECONDS / 3)


def by_joblib() -> list[bytes]:
    """Return what joblib's processes compute."""
    from joblib import Parallel, delayed

    with Parallel(CHILDREN, timeout=SECONDS / 3) as parallel:
        return list(parallel(delayed(compute)(i) for i in range(CHILDREN)))


def all_in_order(order: list[str]) -> None:
    """Import libraries, use them, and compare what children compute."""
    for name in order:
        importlib.import_module(name)
    for name in order:
        USES[name]()
    expected = compute()
    found = {"fork": forked(CHILDREN), "fork in a pool": pooled("fork"), "spawn": pooled("spawn")}
    if "sklearn" in order:
        found["joblib"] = by_joblib()
    for how, results in found.items():
        if any(result != expected for result in results):
            raise SystemExit(f"children of {how} do not compute what their parent does")


def kanml_last(order: list[str]) -> None:
    """Let the other libraries compute, fork children that import kanml, and import it then."""
    for name in order:
        if name != "kanml":
            USES[name]()
    results = forked(CHILDREN)
    expected = compute()
    if any(result != expected for result in results):
        raise SystemExit("children do not compute what their parent does")


WAYS = {"order": all_in_order, "late": kanml_last}


def main() -> int:
    """Run the command line."""
    import numpy as np

    import search

    parser = search.parser(__doc__)
    parser.add_argument("number", type=search.count, nargs="?", default=2, help="orders")
    options = parser.parse_args()
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    for name in missing:
        print(f"{name}: skipped, since it is not installed")
    there = [name for name in LIBRARIES if name not in missing]
    orders = list(itertools.permutations(there))
    np.random.default_rng(options.seed).shuffle(orders)
    found = search.Search(options, limit=3.0 * SECONDS)
    count = len(orders) if options.case is not None else options.number
    for i, order in enumerate(orders[:count]):
        found.run(f"order {','.join(order)}", partial(case, "order", order), 1)
        if i % 4 == 0:
            found.run(f"late {','.join(order)}", partial(case, "late", order), 1)
    return found.end()


def case(way: str, order: list[str], rng: object) -> str:
    """Run a process; raise AssertionError with what it printed if it fails."""
    command = [sys.executable, __file__, f"--{way}", *order]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            _, printed = process.communicate(timeout=2 * SECONDS)
        finally:  # its children too, which may hang
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, printed
    return "the bits of the parent"


if __name__ == "__main__":
    if sys.argv[1:2] in (["--order"], ["--late"]):
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        WAYS[sys.argv[1][2:]](sys.argv[2:])
    else:
        sys.exit(main())
