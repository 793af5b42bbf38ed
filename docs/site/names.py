"""Names of kanml in the text of pages and docstrings lead to their reference."""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform

import kanml

PUBLIC = set(kanml.__all__)
NAME = re.compile(r"(?:kanml\.)?(?P<name>[A-Za-z]\w*)(?P<rest>(?:\.\w+)*)(?:\(.*\))?")


class LinkNames(SphinxTransform):
    """Make `kanml.train`, `Network.plot` and `LBFGS(memory=300)` links."""

    default_priority = 400

    def apply(self):
        """Wrap the names among the literals in references."""
        for literal in list(self.document.findall(nodes.literal)):
            match = NAME.fullmatch(literal.astext())
            if match is None or match["name"] not in PUBLIC or in_link_or_heading(literal):
                continue
            link = pending_xref(
                "",
                refdomain="py",
                reftype="obj",
                reftarget=target(match["name"], match["rest"]),
                refdoc=self.env.docname,
            )
            literal.replace_self(link)
            link += literal


def target(name, attributes):
    """Return what is documented: the attribute, or the class if that tells of its attributes."""
    thing = getattr(kanml, name)
    for attribute in attributes.split(".")[1:]:
        thing = getattr(thing, attribute, None)
    return f"kanml.{name}" if thing is None else f"kanml.{name}{attributes}"


def in_link_or_heading(node):
    """Return whether a node is part of a link or a heading."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.reference | nodes.title | pending_xref):
            return True
    return False


def setup(app):
    """Register the links."""
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True}
