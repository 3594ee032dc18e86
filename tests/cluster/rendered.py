"""The plugin for which the renditions are the releases: `restore --release` applies them and nothing else.

    python -m tests.cluster.rendered restore --release=v0.26.1 --manifest=FILE

The digests are a parameter of the restore; no option and no variable of the environment changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubectl_glasskube_purge.__main__ import main
from kubectl_glasskube_purge.flows import restore
from kubectl_glasskube_purge.glasskube import inventory
from tests.cluster import rendition


@dataclass(frozen=True)
class OfARendition(restore.RestoreRequest):
    digests: Callable[[str], inventory.Digests] = rendition.digests


if __name__ == "__main__":
    restore.RestoreRequest = OfARendition  # type: ignore[misc]
    main()
