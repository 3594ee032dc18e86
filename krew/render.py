"""Renders krew's manifest for a version: `python -m krew.render --homepage URL [--archives FOLDER] [--complete]`.

From the template `plugin.yaml` and the archives in a folder, whose hashes are
taken from the files themselves. The result is called `glasskube-purge.yaml`,
because krew wants a manifest to be called like its plugin. With `--complete` a
platform without an archive is an error, as it is in a release.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kubectl_glasskube_purge import __version__

from .build import archive_name
from .pack import sha256

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "plugin.yaml"


class RenderError(Exception):
    """There is no manifest. The message says why."""


def render(archives: Path, homepage: str, version: str = __version__, *, complete: bool = False) -> str:
    """The manifest's text. `homepage` is the repository whose releases have the archives. Raises `RenderError`."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=2, offset=0)
    manifest: dict[str, Any] = yaml.load(TEMPLATE)
    spec = manifest["spec"]
    spec.insert(0, "version", f"v{version}")
    spec.insert(1, "homepage", homepage)
    missing = []
    for platform in list(spec["platforms"]):
        name = _archive_of(platform, version)
        if not (archives / name).is_file():
            missing.append(name)
            spec["platforms"].remove(platform)
            continue
        platform.insert(1, "uri", f"{homepage}/releases/download/v{version}/{name}")
        platform.insert(2, "sha256", sha256(archives / name))
    if missing and (complete or not spec["platforms"]):
        raise RenderError(f"not in {archives}: {', '.join(missing)}")
    stream = StringIO()
    yaml.dump(manifest, stream)
    text = stream.getvalue()
    return text[text.index("apiVersion:") :]  # the comment on top is the template's


def _archive_of(platform: Mapping[str, Any], version: str) -> str:
    labels = platform["selector"]["matchLabels"]
    return archive_name(version, labels["os"], labels["arch"])


def _homepage() -> str:
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if server and repository else ""


def main() -> int:
    """Writes the manifest beside the archives; the exit code is 1 where that fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--archives", type=Path, default=HERE.parent / "dist", metavar="FOLDER")
    parser.add_argument("--homepage", default=_homepage(), metavar="URL", help="of the repository with the releases")
    parser.add_argument("--complete", action="store_true", help="fail where a platform has no archive")
    arguments = parser.parse_args()
    if not arguments.homepage:
        parser.error("--homepage is needed outside of GitHub Actions")
    try:
        text = render(arguments.archives, arguments.homepage.rstrip("/"), complete=arguments.complete)
    except RenderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    target = arguments.archives / "glasskube-purge.yaml"
    target.write_text(text, "utf-8", newline="\n")
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
