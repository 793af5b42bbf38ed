"""Cells of tables that hold a number are written on one line; browsers would break 1e-3 in two."""

import re

from docutils import nodes

NUMBER = re.compile(r"-?\d[\d.,]*(?:e[-+]?\d+)?\??")


def mark_numbers(app, doctree):
    """Give these cells a class, which the style sheet knows."""
    for cell in doctree.findall(nodes.entry):
        if NUMBER.fullmatch(cell.astext()):
            cell["classes"].append("number")


def setup(app):
    """Connect the step."""
    app.connect("doctree-read", mark_numbers)
    return {"parallel_read_safe": True}
