# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx configuration of the documentation site; docs/docsite/build runs it."""

project = "cipu.clock"
copyright = "The cipu.clock maintainers"
title = "cipu.clock: the right time on every host with a CIPU clock"
html_short_title = "cipu.clock"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_heading_anchors = 3

html_theme = "sphinx_ansible_theme"
html_theme_options = {
    "vcs_pageview_mode": "",
    "navigation_depth": 3,
    "show_extranav": False,
    "topbar_links": {},
}
html_static_path = ["_static"]
html_css_files = ["dark.css"]
html_show_sphinx = False
html_use_smartypants = True
html_use_modindex = False
html_use_index = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "text"

default_role = "any"
nitpicky = True
# Pages about ansible-core itself are elsewhere, and the build asks no other host for their index.
ELSEWHERE = (
    "action_plugins ansible_configuration_settings attributes check_mode collections common_return"
    " conditionals developing diff_mode find_out module_defaults playbooks working"
)
nitpick_ignore_regex = [
    ("std:ref", r"ansible_collections\.ansible\..*"),
    *(("std:ref", f"{name}.*") for name in ELSEWHERE.split()),
]
