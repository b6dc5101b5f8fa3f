"""Sphinx settings. The build is strict: every warning is an error."""

project = "toymodels"
author = "The toymodels developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "toymodels"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True
napoleon_custom_sections = [("Static fields", "params_style")]
suppress_warnings = ["myst.header"]


def _plain_bars(app, what, name, obj, options, lines):
    """In our docstrings a bar is an absolute value, not reStructuredText's substitution."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _plain_bars)
