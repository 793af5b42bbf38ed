"""The libraries that are compared: threads, versions, and imports that may fail."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

import kanml
from kanml import _core

PACKAGES = ("torch", "pykan", "jax", "jaxkan", "scipy")
PYKAN_NEEDS = "scikit-learn pandas sympy pyyaml matplotlib tqdm"  # which it does not ask pip for

missing: set[str] = set()  # of which it was said


def set_threads(threads: int) -> None:
    """Give all libraries the same number of threads; before JAX is imported."""
    os.environ["NPROC"] = str(threads)  # the size of XLA's pool
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    _pin(threads)


@contextlib.contextmanager
def one_thread(before: int) -> Iterator[None]:
    """Let kanml and torch use one thread for a while."""
    _pin(1)
    try:
        yield
    finally:
        _pin(before)


def _pin(threads: int) -> None:
    kanml.set_num_threads(threads)
    peer = torch()
    if peer is not None:
        peer.set_num_threads(threads)


def load(module: str, package: str = "") -> ModuleType | None:
    """Import a module of a peer, or say once in a group why not."""
    package = package or module
    try:
        with quiet():
            return importlib.import_module(module)
    except ImportError as error:
        if package not in missing:
            missing.add(package)
            print(f"  skipped: {_reason(module, package, error)}", flush=True)
        return None


def _reason(module: str, package: str, error: ImportError) -> str:
    if error.name == module.split(".")[0]:
        return f"{package} is not installed: pip install {package}"
    needs = f"; it needs: pip install {PYKAN_NEEDS}" if package == "pykan" else ""
    return f"{package} cannot be imported: {error}{needs}"


def torch() -> ModuleType | None:
    return load("torch")


def pykan() -> ModuleType | None:
    return load("kan", "pykan") if torch() is not None else None


def jax(x64: bool) -> ModuleType | None:
    """JAX, if jaxkan is there too, with float64 numbers or without."""
    if load("jax") is None or load("jaxkan") is None:
        return None
    module = importlib.import_module("jax")
    module.config.update("jax_enable_x64", x64)
    return module


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what pykan prints to ourselves, and the folders it makes in a temporary one."""
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


# What is printed first


def describe(threads: int) -> None:
    versions = [f"kanml {kanml.__version__}", f"Python {platform.python_version()}"]
    versions += [f"NumPy {np.__version__}"] + [_version(package) for package in PACKAGES]
    instructions = _core.instruction_set()
    print(
        f"{', '.join(versions)}\n"
        f"{processor()}, {len(os.sched_getaffinity(0))} processors; "
        f"threads of every library: {threads}; load average {os.getloadavg()[0]:.1f}\n"
        f"instruction set of kanml: {instructions}{_capability()}",
        flush=True,
    )


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"


def _capability() -> str:
    loaded = sys.modules.get("torch")
    return f"; of torch: {loaded.backends.cpu.get_cpu_capability()}" if loaded else ""


def processor() -> str:
    """The model as Linux names it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
