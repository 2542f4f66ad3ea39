"""How Sphinx builds the documentation: ``hatch run docs``."""

from __future__ import annotations

import ssh_meta

project = "ssh-meta"
author = "The ssh-meta developers"
version = release = ssh_meta.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "ssh-meta"

autodoc_member_order = "groupwise"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
# The same class is documented by the package that defines it and by ssh_meta.
suppress_warnings = ["ref.python"]
myst_heading_anchors = 3
