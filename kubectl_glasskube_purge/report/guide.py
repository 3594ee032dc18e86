"""Where to read on: every error's code leads to a heading of the troubleshooting page.

All but `interrupted`, which is what the user wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING

_HEADINGS: Mapping[str, str] = {
    "api-server": "busy certificate expired kube-error not-kubernetes unreachable",
    "api-unavailable": "api-unavailable",
    "backup": "backup-exists backup-failed backup-impossible backup-unreadable",
    "changed-meanwhile": "appeared-meanwhile changed conflict flux-in-use not-suspended replaced",
    "conversion-webhook": "conversion-webhook",
    "export": "export-exists export-impossible",
    "leftovers": "leftovers",
    "login": "kubeconfig unauthorized",
    "no-progress": "no-progress",
    "not-deleted": "not-deleted",
    "not-labelled": "not-labelled",
    "operator-not-stopped": "operator-not-stopped",
    "operator-restarted": "operator-restarted",
    "refused": "claimed controller-at-work conversion-needed flux-needed flux-shared gitops no-such-package "
    "no-terminal not-a-package-namespace package-in-use protected rights untrusted-file",
    "release-manifest": "invalid-source manifest manifest-foreign-content manifest-foreign-objects "
    "manifest-not-an-object manifest-refused manifest-too-large manifest-unavailable manifest-unreadable release "
    "unknown-version",
    "restore": "not-applied not-established not-ready nothing-selected operator-stopped sidecar-image-gone "
    "still-terminating undo",
    "rights": "forbidden",
    "timeout": "timeout",
    "unexpected": "invalid not-found system unexpected",
    "unreadable": "unreadable",
    "webhook": "refused webhook-unreachable",
}

ANCHORS: Mapping[str, str] = {code: heading for heading, codes in _HEADINGS.items() for code in codes.split()}
"""Code of an error → heading of the page."""


def leading(code: str, hint: str) -> str:
    """A hint that ends with where more is written, unless it says so already."""
    if TROUBLESHOOTING in hint or code not in ANCHORS:
        return hint
    more = f"More: {TROUBLESHOOTING} {code}"
    return f"{hint} {more}" if hint else more
