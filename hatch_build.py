"""The README as a package index shows it: links and pictures by their absolute addresses.

In the repository they are relative, so that they work in any clone and fork. So they stay while
pyproject.toml states no address of a repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?\[[^\[\]]*\])\((?![a-z]+:|#)([^()\s]+)\)")


def absolute(text: str, repository: str) -> str:
    """Return Markdown whose relative links lead to `repository`, pictures to their bytes."""

    def link(found: re.Match[str]) -> str:
        kind = "raw" if found[1].startswith("!") else "blob"
        return f"{found[1]}({repository}/{kind}/main/{found[2]})"

    return _LINK.sub(link, text)


class MetadataHook(MetadataHookInterface):
    """Writes the README into the metadata; hatchling finds it by its base class."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the field `readme`, which pyproject.toml calls dynamic."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        text = absolute(text, repository) if repository else text
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
