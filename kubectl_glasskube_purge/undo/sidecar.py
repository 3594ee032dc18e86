"""The operator's sidecar, whose image is gone from its registry: which workloads name it, and its new address. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kubectl_glasskube_purge.glasskube import facts

from .content import Document

_GONE = re.compile(re.escape(facts.RBAC_PROXY_IMAGE) + r"(?:[:@].*)?")
"""The image under the address that no registry has any more, with any tag or digest."""


def containers(document: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The containers of a workload; of any other object none."""
    return (((document.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or ()


def gone_images(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The images of a workload's containers that no registry has any more."""
    images = (str(container.get("image") or "") for container in containers(document))
    return tuple(image for image in images if _GONE.fullmatch(image))


def moved(image: str, address: str) -> str:
    """An image under a new address: with the old tag, unless the address brings its own."""
    name = address.rpartition("/")[2]
    if ":" in name or "@" in name:
        return address
    return address + image[len(facts.RBAC_PROXY_IMAGE) :]


def with_address(document: Document, address: str) -> Document:
    """A workload that takes the image from another address; `""` leaves it where it was."""
    if not address or not gone_images(document):
        return document
    changed = copy.deepcopy(document)
    for container in containers(changed):
        if _GONE.fullmatch(str(container.get("image") or "")):
            container["image"] = moved(container["image"], address)
    return changed
