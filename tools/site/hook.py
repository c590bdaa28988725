# SPDX-License-Identifier: MIT
"""What mkdocs calls: it gets the pages that are made, and the navigation with them in it."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tools.site.pages import expanded, pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation."""
    config.nav = expanded(config.nav or [])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    return files
