"""What only a release knows: where the repository is. Filled into the metadata as `HOMEPAGE` names it.

A package index shows the README without the repository around it, so its pictures and links need whole addresses.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def readme(text: str, homepage: str, version: str) -> str:
    """The README with absolute addresses of that version's files; unchanged without a homepage."""
    if not homepage:
        return text
    text = re.sub(r"!\[([^]]*)\]\((?!\w+:|#)", rf"![\1]({homepage}/raw/v{version}/", text)
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!\w+:|#)", rf"[\1]({homepage}/blob/v{version}/", text)


class Addresses(MetadataHookInterface):
    """hatchling calls this while it makes a wheel's or an sdist's metadata."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Adds the readme and, where the homepage is known, the links."""
        homepage = os.environ.get("HOMEPAGE", "").rstrip("/")
        source = Path(self.root, "kubectl_glasskube_purge", "__init__.py").read_text("utf-8")
        (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
        text = readme(Path(self.root, "README.md").read_text("utf-8"), homepage, version)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        if homepage:
            metadata["urls"] = {"Homepage": homepage, "Changelog": f"{homepage}/blob/v{version}/CHANGELOG.md"}
