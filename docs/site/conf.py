"""The site: Sphinx reads the pages of the repository where they are. `tools/site` builds it."""

import sys
from importlib.resources import files
from pathlib import Path

SITE = Path(__file__).parent
ROOT = SITE.parents[1]  # where Sphinx reads from
sys.path.insert(0, str(SITE))

from numpydoc.xref import DEFAULT_LINKS  # noqa: E402

import kanml  # noqa: E402

project = "kanml"
copyright = "The kanml developers"
version = release = kanml.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    # of this folder
    "pages",
    "formulas",
    "names",
    "tables",
]
root_doc = "docs/index"
highlight_language = "none"  # unless a block names its own
include_patterns = [
    *("docs/*.md", "bench/README.md", "tools/stress/README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("docs/site/api.rst", "docs/site/api/*", "docs/site/gallery/*"),
]
templates_path = [str(SITE / "templates")]
default_role = "literal"  # `names` makes links of public names
nitpicky = True

# Pages in Markdown, as code-hosting sites show them

myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

# Reference, from docstrings

autodoc_typehints = "none"  # numpydoc has the types
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {name: f"kanml.{name}" for name in kanml.__all__}
numpydoc_xref_ignore = "all"  # other words in types
DEFAULT_LINKS.clear()  # those to Python and NumPy, which would have to be asked for on the web
add_module_names = False

# Gallery, from examples/

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "docs/site/gallery",
    "filename_pattern": "/",  # all of them are run
    "within_subsection_order": "gallery.easy_ones_first",
    "image_scrapers": ("gallery.written_pictures",),
    "reset_modules": (),
    "thumbnail_size": (600, 240),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# Look

html_theme = "furo"
html_title = "kanml"
html_static_path = [
    str(SITE / "static"),
    str(files("ziamath") / "fonts/STIXTwoMath-Regular.ttf"),  # for formulas
]
html_css_files = ["site.css"]
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2b5d9c", "color-brand-content": "#2b5d9c"},
    "dark_css_variables": {"color-brand-primary": "#8ab4f0", "color-brand-content": "#8ab4f0"},
}
