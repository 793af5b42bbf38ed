"""The package as a whole: its names, its documentation, what is in the repository."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kanml
from helpers import python_blocks

ROOT = Path(__file__).parents[1]


def test_the_oracles_do_not_know_kanml():
    for path in (ROOT / "tests" / "reference").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used = {node.module.split(".")[0]}
            else:
                continue
            assert used <= {"numpy", "mpmath", "reference"} | sys.stdlib_module_names, path


# The public names


def test_public_names():
    assert len(set(kanml.__all__)) == len(kanml.__all__)
    # As ruff sorts them: constants, classes, everything else.
    kinds = [0 if name.isupper() else 1 if name[0].isupper() else 2 for name in kanml.__all__]
    assert kanml.__all__ == [name for _, name in sorted(zip(kinds, kanml.__all__, strict=True))]
    for name in kanml.__all__:
        assert hasattr(kanml, name)
        assert name == "__version__" or not name.startswith("_")


def test_nothing_public_is_missing_from_all():
    public = {
        name
        for name, value in vars(kanml).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public <= set(kanml.__all__)


def test_star_import():
    namespace = {}
    exec("from kanml import *", namespace)
    assert set(kanml.__all__) <= namespace.keys()


DOCUMENTED = [name for name in kanml.__all__ if callable(getattr(kanml, name))]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_public_names_are_documented(name):
    thing = getattr(kanml, name)
    text = inspect.getdoc(thing)
    assert text.splitlines()[0].endswith(".")
    parameters = [p for p in inspect.signature(thing).parameters if p != "self"]
    by_attributes = (kanml.Result, kanml.March, kanml.Slab, kanml.Blocks, kanml.DeviceArray)
    if thing in by_attributes or not parameters:
        return
    assert re.search(r"^Parameters\n-{10}$", text, re.MULTILINE)
    assert re.search(r"^Examples\n-{8}$", text, re.MULTILINE)
    for parameter in parameters:
        described = rf"^(\w+, )*{parameter}(, \w+)*( :.*)?$"
        assert re.search(described, text, re.MULTILINE), f"{name} does not describe {parameter}"


def test_the_attributes_of_a_result_are_documented():
    for name in ("network", "history", "status", "message"):
        assert re.search(rf"^{name} : ", inspect.getdoc(kanml.Result), re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_public_methods_are_documented(name):
    thing = getattr(kanml, name)
    for attribute, value in vars(thing).items() if inspect.isclass(thing) else ():
        if not attribute.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(value), f"{name}.{attribute}"


# What the documentation shows is run


@pytest.mark.parametrize(
    "name", sorted(m.name for m in pkgutil.walk_packages(kanml.__path__, "kanml."))
)
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = kanml.get_num_threads()
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert kanml.get_num_threads() == threads


def test_doctests_are_found():
    tests = doctest.DocTestFinder().find(importlib.import_module("kanml.network.network"))
    assert sum(bool(test.examples) for test in tests) >= 4


PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])


@pytest.fixture(scope="module")
def runs_of_pages(request, tmp_path_factory):
    """The programs of the pages that are asked for, two at a time: most keep one core busy."""

    def run(page, folder):
        script = folder / f"{page.stem}.py"
        script.write_text(python_blocks(page))
        command = [sys.executable, "-W", "error", str(script)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)

    asked_for = [
        item.callspec.params["page"]
        for item in request.session.items
        if getattr(item, "originalname", None) == "test_pages_run"
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {
            page: pool.submit(run, page, tmp_path_factory.mktemp(page.stem)) for page in asked_for
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_run(page, runs_of_pages):
    code = python_blocks(page)
    assert ("```python" in page.read_text()) == bool(code.strip())
    if "kanml.MPI()" in code:
        pytest.importorskip("mpi4py")
    done = runs_of_pages[page].result()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            other = (page.parent / path) if path else page
            assert other.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
                slugs = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
                assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page):
    """Files in folders; those of the package and of the core are named without these."""
    for name in re.findall(r"`([\w.-]+/[\w./-]+\.(?:py|hpp|cpp|cmake))`", page.read_text()):
        assert any((ROOT / place / name).exists() for place in ("", "cpp", "python/kanml")), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_are_there(page):
    for path, name in re.findall(r"(tests/[\w/]+\.py):+(\w+)", page.read_text()):
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), (path, name)


def test_each_promise_names_its_test():
    promises, _ = (ROOT / "docs" / "guarantees.md").read_text().split("## What is not promised")
    items = re.findall(r"^- .*(?:\n  .*)*", promises, re.MULTILINE)
    rows = re.findall(r"^\|.*", promises, re.MULTILINE)[2:]
    assert len(items) > 30
    assert len(rows) > 10
    for promise in items + rows:
        assert re.search(r"`(tests/[\w/]+\.py::test_\w+|(bench|tools/stress)/\w+\.py)`", promise), (
            promise
        )


PROGRAMS = sorted([*(ROOT / "bench").glob("*.py"), *(ROOT / "tools" / "stress").glob("*.py")])


def test_programs_find_what_they_import():
    """They use the oracles and cases of the tests, which may have moved."""
    code = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path, run_name='imported')"
    command = [sys.executable, "-W", "error", "-c", code, *map(str, PROGRAMS)]
    folders = os.pathsep.join(str(ROOT / name) for name in ("bench", "tools/stress"))
    environment = {**os.environ, "PYTHONPATH": folders}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


# The repository, and the distribution


def repository_files():
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout of the repository")
    return [ROOT / name for name in listing.split("\0") if name]


def test_no_file_is_large():
    for path in repository_files():
        if path.exists():
            assert path.stat().st_size <= 300_000, path


def test_version():
    assert importlib.metadata.version("kanml") == kanml.__version__
    assert f'version = "{kanml.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_type_hints_are_shipped():
    folder = Path(kanml.__file__).parent
    assert (folder / "py.typed").exists()
    assert (folder / "_core.pyi").exists()
