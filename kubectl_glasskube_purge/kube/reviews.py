"""What the API server's authorizer and authenticator say of the user.

Which rights a plan takes, and what follows from a missing one, is the callers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Client
    from .resources import Resource


@dataclass(frozen=True)
class Review:
    """The answer to a SelfSubjectAccessReview."""

    verb: str
    resource: str
    group: str
    namespace: str
    allowed: bool
    name: str = ""
    """`""` for all objects of the kind."""

    @property
    def kind(self) -> str:
        """What it is about, as kubectl names a resource: `deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


async def may_i(client: Client, verb: str, resource: Resource, namespace: str = "", name: str = "") -> Review:
    """Asks the authorizer whether the user may do `verb` on a kind, or one object of it. Raises `KubeError`."""
    attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "version": resource.version}
    attributes |= {"namespace": namespace} if namespace else {}
    attributes |= {"name": name} if name else {}
    document = await client.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    allowed = bool((document.get("status") or {}).get("allowed"))
    return Review(verb, resource.plural, resource.group, namespace, allowed, name)


async def who_am_i(client: Client) -> str:
    """The user's name as the API server knows it (1.28 and later). Raises `NotFound` before, and `KubeError`."""
    document = await client.request(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    return str(document["status"]["userInfo"]["username"])
