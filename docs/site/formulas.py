"""Formulas as MathML: browsers draw it themselves, without scripts and without another host."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(node, display):
    """Return the formula of a node; warn if a command of it is unknown."""
    formula = convert(node.astext().replace(r"\|", "‖"), display=display)
    if "\\" in formula:
        logger.warning("cannot draw %s", node.astext(), location=node)
    return formula


def inline(writer, node):
    """Write a formula into the text."""
    writer.body.append(f'<span class="math">{mathml(node, "inline")}</span>')
    raise nodes.SkipNode


def displayed(writer, node):
    """Write a formula on lines of its own."""
    writer.body.append(f'<div class="math">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app):
    """Register the renderer of formulas."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}
