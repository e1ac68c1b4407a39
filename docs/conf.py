"""Sphinx configuration; ``sphinx-build -W docs docs/_build`` must pass."""

import html
import re

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
    "sphinx_design",
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
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": []}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["style.css"]

# A table of the benchmarks with more rows than this is folded.
LONG_TABLE = 12


def _mathml(text, display):
    """Set a formula, with what latex2mathml leaves to be mended."""
    made = convert(text, display=display)
    # Primes stand at their height already, and are not to be raised and made smaller again.
    prime = '<mo lspace="0" rspace="0">&#x02032;</mo>'
    made = re.sub(r"<msup>(<mi>[^<]*</mi>)<mi>&#x02032;</mi></msup>", rf"<mrow>\1{prime}</mrow>", made)
    # Bars are as high as a letter, and take no room beside them.
    return re.sub(
        r"<mo[^>]*>(&#x0007C;|&#x02016;|&#x02225;)</mo>", r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', made
    )


def _inline(translator, node):
    translator.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _display(translator, node):
    text = node.astext()
    if "&" in text:
        text = rf"\begin{{align*}}{text}\end{{align*}}"
    translator.body.append(f'<div class="equation" tabindex="0">{_mathml(text, "block")}</div>')
    raise nodes.SkipNode


def _mend_tables(app, doctree):
    """Fold the long tables of the benchmarks, since a figure before them shows what they say; name unnamed columns."""
    for table in list(doctree.findall(nodes.table)):
        body, head = next(table.findall(nodes.tbody)), next(table.findall(nodes.thead), None)
        if head is None:
            continue
        for entry in head.findall(nodes.entry):
            if not entry.astext():
                # For those who listen to the page.
                entry += nodes.paragraph("", "", nodes.inline("", "name", classes=["visually-hidden"]))
        if len(body) <= LONG_TABLE or "tables" not in str(table.source):
            continue
        columns = ", ".join(entry.astext() for entry in head.findall(nodes.entry) if entry.astext() not in ("", "name"))
        opened = f'<details class="fold"><summary>Table of {len(body)} rows: {html.escape(columns)}</summary>'
        at = table.parent.index(table)
        table.parent.insert(at + 1, nodes.raw("", "</details>", format="html"))
        table.parent.insert(at, nodes.raw("", opened, format="html"))


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
    app.connect("doctree-read", _mend_tables)
