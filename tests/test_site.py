"""What the site of the documentation is made from; `tools/site` builds it."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections import Counter
from pathlib import Path

import pytest

import kanml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.glob("*.md") if page.name != "index.md")


@pytest.fixture
def site(monkeypatch):
    """Return the function that imports a module of docs/site."""
    monkeypatch.syspath_prepend(DOCS / "site")
    return importlib.import_module


def test_the_sources_of_the_site_compile():
    sources = list((DOCS / "site").glob("*.py"))
    assert "conf.py" in [path.name for path in sources]
    for path in sources:
        compile(path.read_text(), path, "exec")


def test_the_first_page_lists_every_page_once(site):
    pages = site("pages")
    text = (DOCS / "index.md").read_text()
    listed = Counter(target for _, target in pages.ENTRY.findall(text))
    assert set(listed.values()) == {1}
    assert {page.stem for page in PAGES} <= set(listed)
    for target in listed:
        assert list(DOCS.glob(f"{target}.*")), target


def test_the_navigation_is_that_of_the_first_page(site):
    text = "# A\n\n## How to\n\n- [One](one.md): a.\n- [Two](../TWO.md): b.\n"
    toctree = "```{toctree}\n:caption: How to\n:hidden:\nOne <one>\nTwo <../TWO>\n```"
    assert toctree in site("pages").navigation(text)


def test_links_to_examples_lead_to_the_gallery(site):
    text = "[a](../examples/poisson.py) [b](../examples/README.rst) [c](pde.md)"
    expected = "[a](/docs/site/gallery/poisson.rst) [b](/docs/site/gallery/index.rst) [c](pde.md)"
    assert site("pages").gallery_links(text) == expected


def test_the_numbers_of_the_first_page_are_those_of_the_readme():
    table = re.findall(r"^\|(.*)\|$", (DOCS / "index.md").read_text(), re.MULTILINE)[2:]
    numbers = [re.match(r"[\d.e-]+", cell.strip()) for row in table for cell in row.split("|")[1:]]
    assert len(numbers) == 6
    for number in numbers:
        assert f" {number[0]} " in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_of_a_page_can_be_drawn(page, site, tmp_path):
    pages, pictures = site("pages"), site("pictures")
    text = page.read_text()
    found = pages.PICTURE.findall(text)
    assert len(found) == len(re.findall("^<!-- picture", text, re.MULTILINE))
    for name, caption in found:
        light, dark = (pictures.drawn(name, mode, tmp_path).read_text() for mode in pictures.MODES)
        assert pictures.MODES["light"] in light
        assert pictures.MODES["dark"] in dark
        assert caption.endswith(".")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("28 ms", 0.028), ("2.2 us", 2.2e-6), ("23 s (56)", 23), ("6 to 8 ms", 0.007)],
)
def test_charts_read_times(cell, expected, site):
    assert site("charts").seconds(cell) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("cell", ["not in 300 s", "", "9"])
def test_charts_read_that_there_is_no_time(cell, site):
    assert math.isnan(site("charts").seconds(cell))


def test_charts_read_the_table_of_a_section(site, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "## A\n\n|a|\n|---|\n| 0 |\n\n## B\n\n| a | b |\n|---|---|\n| 1 | 2 s |\n| | |\n"
    )
    assert site("charts").table(page, "B") == [["1", "2 s"], ["", ""]]


def test_the_reference_has_every_public_name_once():
    listed = []
    module = ""
    for line in (DOCS / "site" / "api.rst").read_text().splitlines():
        if current := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = current[1]
        elif name := re.fullmatch(r"   ([A-Za-z][\w.]*)", line):
            listed.append(f"{module}.{name[1]}")
    assert len(set(listed)) == len(listed)
    public = {f"kanml.{name}" for name in kanml.__all__ if callable(getattr(kanml, name))}
    for name in ("analysis", "cuda", "equations", "plotting", "sklearn"):
        there = importlib.import_module(f"kanml.{name}")
        public |= {f"kanml.{name}.{thing}" for thing in there.__all__}
    assert public <= set(listed)
    for name in set(listed) - public:  # what public names take and return
        module, _, thing = name.rpartition(".")
        assert inspect.getdoc(getattr(importlib.import_module(module), thing)), name
