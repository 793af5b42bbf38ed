"""Pages in plain Markdown, as Sphinx needs them.

The pages are read on code-hosting sites too. So they have no directives. What the site adds is
derived from them: the navigation from the lists of docs/index.md, pictures from comments
``<!-- picture NAME: caption -->``, and links to examples become links to the gallery.
"""

import html
import re
from pathlib import Path

import pictures

EXAMPLE = re.compile(r"\]\((?:\.\./)+examples/(\w+)\.(?:py|rst)\)")
PICTURE = re.compile(r"^<!-- picture (\w+): (.*?) -->$", re.DOTALL | re.MULTILINE)
HOSTED_MATH = re.compile(r"\$`(.+?)`\$")
PROGRESS = re.compile(r"^ *\d+%\|.*\n", re.MULTILINE)
CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
ENTRY = re.compile(r"^- \[(.+?)\]\((.+?)\.\w+\)", re.MULTILINE)


def on_read(app, docname, source):
    """Rewrite a page before Sphinx reads it."""
    if docname.startswith("docs/site/gallery/"):
        source[0] = PROGRESS.sub("", source[0])
    if app.env.doc2path(docname).suffix != ".md":
        return
    text = gallery_links(source[0])
    if docname == app.config.root_doc:
        text += navigation(text)
    parts = CODE.split(text)
    for i in range(0, len(parts), 2):  # the others are code
        parts[i] = HOSTED_MATH.sub(r"$\1$", parts[i])
        parts[i] = PICTURE.sub(lambda match: figures(app, *match.groups()), parts[i])
    source[0] = "".join(parts)


def gallery_links(text):
    """Return a page whose links to examples lead to their pages in the gallery."""

    def link(match):
        name = "index" if match[1] == "README" else match[1]
        return f"](/docs/site/gallery/{name}.rst)"

    return EXAMPLE.sub(link, text)


def navigation(text):
    """Return the tables of contents that the lists of the first page are, section by section."""
    tables = []
    _, *parts = SECTION.split(text)
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        entries = [f"{name} <{target}>" for name, target in ENTRY.findall(body)]
        lines = ["```{toctree}", f":caption: {title}", ":hidden:", *entries, "```"]
        tables.append("\n".join(lines))
    return "\n\n" + "\n\n".join(tables) + "\n"


def figures(app, name, caption):
    """Return a picture drawn for light and for dark pages; one of them is seen."""
    caption = " ".join(caption.split())
    folder = Path(app.srcdir, "docs/site/drawn")
    return "\n".join(
        f"```{{figure}} /{pictures.drawn(name, mode, folder).relative_to(app.srcdir)}\n"
        f":alt: {html.escape(caption)}\n:figclass: only-{mode}\n\n{caption}\n```\n"
        for mode in pictures.MODES
    )


def first_page(app, exception):
    """Let the folder of the site open on the first page."""
    if exception is None and app.builder.format == "html":
        target = app.builder.get_target_uri(app.config.root_doc)
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'
        Path(app.outdir, "index.html").write_text(f'{page}<a href="{target}">kanml</a>\n')


def setup(app):
    """Connect the steps."""
    app.connect("source-read", on_read)
    app.connect("build-finished", first_page)
    return {"parallel_read_safe": True}
