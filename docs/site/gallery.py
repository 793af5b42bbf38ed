"""The gallery: in which order examples come, and where their pictures are."""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst

FIRST = ["fit_function.py", "poisson.py", "heat.py", "burgers.py"]


def easy_ones_first(filename):
    """Return the place of an example among the others."""
    return (FIRST.index(filename) if filename in FIRST else len(FIRST), filename)


def written_pictures(block, variables, settings):
    """Move the pictures that an example has written into its page."""
    source = Path(variables["src_file"])
    moved = []
    for picture in sorted(source.parent.glob("kanml-*.png")):
        moved.append(next(variables["image_path_iterator"]))
        shutil.move(picture, moved[-1])
    return figure_rst(moved, settings["src_dir"], f"The picture that {source.name} draws")
