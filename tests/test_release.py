"""What a release says of itself: its extras, its versions of Python, how it is cited."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "python" / "kanml").rglob("*.py"))


def section(name):
    """The lines of a table of pyproject.toml; Python 3.10 has no reader of TOML."""
    text = (ROOT / "pyproject.toml").read_text()
    return re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)[1]


EXTRAS = dict(
    re.findall(
        r"^(\w+) = \[(.*?)\]$", section("project.optional-dependencies"), re.MULTILINE | re.DOTALL
    )
)


def imported(tree):
    """The packages that are imported when a module runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from imported(node)


def test_what_the_package_imports_is_a_dependency_or_has_an_extra():
    used = {name for path in SOURCES for name in imported(ast.parse(path.read_text()))}
    optional = used - sys.stdlib_module_names - {"kanml", "numpy", "tqdm"}
    assert optional == {"matplotlib", "mpi4py", "pandas", "pyarrow", "scipy", "sklearn"}
    for name in optional - EXTRAS.keys():
        assert any(requirement.startswith(f'"{name}>') for requirement in EXTRAS.values()), name


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.rst")]


def test_extras_that_are_named_exist():
    named = set()
    for path in [*SOURCES, *PAGES]:
        for extras in re.findall(r"kanml\[([\w,]+)\]", path.read_text()):
            named.update(extras.split(","))
    assert {"mpi", "pandas", "parquet", "plot", "scipy", "sklearn"} <= named <= EXTRAS.keys()


def test_errors_without_a_package_name_its_extra():
    text = "".join(path.read_text() for path in SOURCES)
    found = re.findall(r"python -m pip install 'kanml\[(\w+)\]'", text)
    assert set(found) == {"mpi", "pandas", "parquet", "plot", "scipy", "sklearn"}
    assert len(found) == text.count("pip install")


def test_wheels_are_built_for_the_versions_that_are_claimed():
    claimed = re.findall(r'"Programming Language :: Python :: 3\.(\d+)"', section("project"))
    built = re.search(r'^build = "cp3{([\d,]+)}-\*"', section("tool.cibuildwheel"), re.MULTILINE)
    assert claimed == built[1].split(",")
    assert f'requires-python = ">=3.{claimed[0]}"' in section("project")


# How it is cited

CITATION = (ROOT / "CITATION.cff").read_text()


def test_the_version_that_is_cited_is_that_of_the_package():
    versions = re.findall(r"^version: (.*)$", CITATION, re.MULTILINE)
    assert versions == re.findall(r'^version = "(.*)"$', section("project"), re.MULTILINE)


def test_the_authors_of_the_paper_are_not_those_of_the_software():
    ours, _, theirs = CITATION.partition("\nreferences:\n")
    assert ours.endswith('\nauthors:\n  - name: "The kanml developers"')
    for name in ("Southworth", "Actor", "Harper", "Cyr"):
        assert f"family-names: {name}\n" in theirs
