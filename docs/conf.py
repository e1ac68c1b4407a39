"""Sphinx configuration; ``sphinx-build -W docs docs/_build`` must pass."""

from docutils import nodes
from latex2mathml.converter import convert

import neuromod

project = "neuromod"
author = "The neuromod developers"
project_copyright = "The neuromod developers, MIT licence"
version = release = neuromod.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
exclude_patterns = ["_build", "tables"]
nitpicky = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# The docstring of a dataclass says what its fields are; listing them again would only repeat it.
autodoc_default_options = {"members": True, "show-inheritance": False}

# `--cores` is an option, not a dash.
smartquotes = False

# Browsers set MathML themselves, so that the pages need nothing from elsewhere.
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "neuromod"
html_theme_options = {
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"**": []}
html_show_sourcelink = False


def _inline(translator, node):
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(translator, node):
    text = node.astext()
    if "&" in text:
        text = rf"\begin{{align*}}{text}\end{{align*}}"
    translator.body.append(f'<div style="margin: 1.2em 0; overflow-x: auto">{convert(text, display="block")}</div>')
    raise nodes.SkipNode


def _show_examples_as_code(app, context, lines):
    """Turn the lines that ``\\b`` keeps in the help of a command into a block of code."""
    shown = []
    for line in lines:
        kept = line.startswith("| ")
        if kept and not (shown and shown[-1].startswith("   ")):
            shown += ["::", ""]
        shown.append(f"   {line[2:]}" if kept else line)
    lines[:] = shown


def setup(app):
    """Register what is above."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("sphinx-click-process-description", _show_examples_as_code)
