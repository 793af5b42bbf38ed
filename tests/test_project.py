"""The package as a whole: its layering, its documentation, what is in the repository."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kanml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "kanml"

# Rooms from the bottom to the top, as docs/architecture.md has it. A module imports from lower
# rows; the modules of a room from each other, in no circle.
LAYERS = [
    ["_core"],
    ["_validation"],
    ["threads", "splines", "expressions", "optim"],
    ["layers"],
    ["network"],
    ["problems"],
    ["equations", "multilevel"],
    ["training"],
    ["analysis", "bridges", "plotting"],
    ["experiments"],
    [""],  # the package itself
    ["__main__"],
]
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}


def modules():
    """Names below kanml and their files; a package has the name of its folder."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = {name for name, _ in modules()} | {"_core"}


def imports(name, path):
    """The modules of kanml that a module imports when it is run, wherever the import stands."""

    class Visitor(ast.NodeVisitor):
        def __init__(self):
            self.found = set()

        def visit_If(self, node):
            if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                self.generic_visit(node)
            for other in node.orelse:
                self.visit(other)

        def visit_Import(self, node):
            for alias in node.names:
                if alias.name == "kanml" or alias.name.startswith("kanml."):
                    self.found.add(alias.name.removeprefix("kanml").removeprefix("."))

        def visit_ImportFrom(self, node):
            assert node.level == 0, f"{name} imports relatively"
            if node.module is None or node.module.split(".")[0] != "kanml":
                return
            module = node.module.removeprefix("kanml").removeprefix(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                self.found.add(inner if inner in NAMES else module)

    visitor = Visitor()
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


IMPORTS = {name: imports(name, path) for name, path in modules()}


def top(name):
    return name.split(".")[0]


@pytest.mark.parametrize("name", IMPORTS)
def test_imports_go_downwards(name):
    assert top(name) in ROW, f"give {top(name)} its place in LAYERS"
    for other in IMPORTS[name]:
        if top(other) != top(name):
            assert ROW[top(other)] < ROW[top(name)], f"{name} imports {other}"


def test_nothing_imports_in_a_circle():
    done = set()

    def visit(name, path):
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in IMPORTS.get(name, ()):
                visit(other, [*path, name])
            done.add(name)

    for name in IMPORTS:
        visit(name, [])


def test_what_stands_apart():
    """Files of arrays are files alone; the optimizers know vectors alone."""
    assert IMPORTS["network.files"] == set()
    for name in IMPORTS:
        if top(name) == "optim":
            outside = {other for other in IMPORTS[name] if top(other) != "optim"}
            assert outside <= {"_core", "_validation"}, name


def test_the_oracles_do_not_know_kanml():
    for path in (ROOT / "tests" / "reference").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used = {top(alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used = {top(node.module)}
            else:
                continue
            assert used <= {"numpy", "reference"} | sys.stdlib_module_names, path


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
    if thing is kanml.Result or not parameters:  # what `train` returns documents its attributes
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


def python_blocks(page):
    """The Python blocks of a page as one program, each on the lines where it stands."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        if fence:
            inside = not inside and line.strip() == "```python"
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_run(page, tmp_path):
    code = python_blocks(page)
    assert ("```python" in page.read_text()) == bool(code.strip())
    if not code.strip():
        return
    script = tmp_path / f"{page.stem}.py"
    script.write_text(code)
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
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
