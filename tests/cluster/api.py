"""A small client for the API server: what tests and doubles need, and no more.

The tests of a Kubernetes client must not lean on that same client, so the test
bed has its own, plain httpx. Tests use the blocking `Api`; the doubles use
`AsyncApi` from `doubles/runtime.py`, which shares `Kind` and the paths.
"""

from __future__ import annotations

import json
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

Object = dict[str, Any]
"""An object as the API has it."""

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"


TOO_MANY = 429
RETRIES = 10


DISCOVERY = {
    "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
}
"""Asks for all kinds at once, in the words that Kubernetes knows since 1.30 or those before."""


class ApiError(Exception):
    """The API server refused. `code` is the HTTP status, `reason` the Status object's."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def gone(self) -> bool:
        """Whether the object isn't there. A webhook's refusal can be a 404, too, about something else."""
        return self.code == 404 and not self.message.startswith("admission webhook")


@dataclass(frozen=True)
class Kind:
    """A kind of object and where the API server serves it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, one object or its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/".join(part for part in parts if part)


@dataclass(frozen=True)
class Access:
    """How a kubeconfig's current context reaches its server."""

    server: str
    context: ssl.SSLContext
    headers: Mapping[str, str]

    @classmethod
    def load(cls, kubeconfig: Path) -> Access:
        """Reads the current context: a CA, and a token or a client certificate. All the test bed's kubeconfigs have."""
        config = yaml.safe_load(kubeconfig.read_text())
        named = {
            section: {entry["name"]: entry[section[:-1]] for entry in config[section]}
            for section in ("clusters", "contexts", "users")
        }
        current = named["contexts"][config["current-context"]]
        cluster, user = named["clusters"][current["cluster"]], named["users"][current["user"]]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        if "client-certificate" in user:
            context.load_cert_chain(user["client-certificate"], user["client-key"])
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(cluster["server"], context, headers)


def failure(response: httpx.Response) -> ApiError:
    """The error a response stands for, from its Status object where it has one."""
    try:
        status = response.json()
    except ValueError:
        status = {}
    return ApiError(response.status_code, status.get("reason", ""), status.get("message", response.text[:2000]))


class Api:
    """A blocking client with one user's rights. Close it, or use it as a context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        access = Access.load(kubeconfig)
        self._kinds: dict[tuple[str, str], Kind] = {}
        # No proxy and no netrc from the environment: the server is on this machine.
        self.http = httpx.Client(
            base_url=access.server, verify=access.context, headers=dict(access.headers), timeout=60, trust_env=False
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """One request; the parsed answer. Raises `ApiError` for everything but 2xx.

        Asked to come back later (429: a CRD's storage is being set up), it does, as every client does.
        """
        for _ in range(RETRIES):
            response = self.http.request(method, path, **options)
            if response.status_code != TOO_MANY:
                break
            time.sleep(float(response.headers.get("Retry-After", "1")))
        if response.is_success:
            return response.json() if response.content else {}
        raise failure(response)

    def kinds(self) -> list[Kind]:
        """All kinds the server serves now, each in its preferred version. Subresources are left out."""
        found = [
            kind
            for root in ("/api", "/apis")
            for kind in discovered(
                self.request(
                    "GET",
                    root,
                    headers=DISCOVERY,
                )
            )
        ]
        self._kinds = {(kind.group, kind.kind): kind for kind in found}
        return found

    def kind_of(self, reference: Mapping[str, Any]) -> Kind:
        """The kind of an object, served in the version it names. Raises `ApiError` where the server has none."""
        group, _, version = str(reference["apiVersion"]).rpartition("/")
        key = (group, str(reference["kind"]))
        if key not in self._kinds:
            self.kinds()
        if key not in self._kinds:
            raise ApiError(404, "NotFound", f"no kind {reference['kind']} in {reference['apiVersion']}")
        kind = self._kinds[key]
        return Kind(kind.group, version, kind.kind, kind.plural, kind.namespaced, kind.verbs)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None where it doesn't exist (or its kind doesn't)."""
        try:
            found = self.kind_of({"apiVersion": api_version, "kind": kind})
            result: Object = self.request("GET", found.path(namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return result

    def list(self, api_version: str, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """All objects of a kind, [] where the kind doesn't exist. `query`: labelSelector, fieldSelector."""
        try:
            found = self.kind_of({"apiVersion": api_version, "kind": kind})
            items: list[Object] = self.request("GET", found.path(namespace), params=query)["items"]
        except ApiError as error:
            if error.code == 404:
                self._kinds.pop((api_version.rpartition("/")[0], kind), None)
                return []
            raise
        return items

    def apply(self, document: Mapping[str, Any], manager: str, force: bool = True) -> Object:
        """Server-side apply, as `kubectl apply --server-side --field-manager=…` does."""
        metadata = document["metadata"]
        path = self.kind_of(document).path(metadata.get("namespace", ""), metadata["name"])
        result: Object = self.request(
            "PATCH",
            path,
            params={"fieldManager": manager, "force": str(force).lower()},
            headers={"Content-Type": APPLY},
            content=json.dumps(document),
        )
        return result

    def create(self, document: Mapping[str, Any], manager: str = "testbed") -> Object:
        """Creates an object."""
        path = self.kind_of(document).path(document["metadata"].get("namespace", ""))
        result: Object = self.request("POST", path, params={"fieldManager": manager}, json=document)
        return result

    def patch(
        self,
        document: Mapping[str, Any],
        patch: Any,
        subresource: str = "",
        kind: str = MERGE,
        manager: str = "testbed",
    ) -> Object:
        """Patches the object that `document` names (apiVersion, kind, metadata)."""
        metadata = document["metadata"]
        path = self.kind_of(document).path(metadata.get("namespace", ""), metadata["name"], subresource)
        result: Object = self.request(
            "PATCH",
            path,
            params={"fieldManager": manager},
            headers={"Content-Type": kind},
            content=json.dumps(patch),
        )
        return result

    def delete(self, document: Mapping[str, Any], **options: Any) -> None:
        """Deletes the object that `document` names; `options` are DeleteOptions. One that is gone is no error."""
        metadata = document["metadata"]
        path = self.kind_of(document).path(metadata.get("namespace", ""), metadata["name"])
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", **options}
        try:
            self.request("DELETE", path, json=body)
        except ApiError as error:
            if not error.gone:
                raise

    def watch(self, kind: Kind, namespace: str = "", timeout: float = 60, **query: str) -> Iterator[Object]:
        """Watch events from now on, first one ADDED for each object there is. Ends after `timeout` seconds."""
        params = {"watch": "true", "timeoutSeconds": str(max(1, int(timeout))), **query}
        with self.http.stream("GET", kind.path(namespace), params=params, timeout=timeout + 5) as response:
            if not response.is_success:
                response.read()
                raise failure(response)
            for line in response.iter_lines():
                yield json.loads(line)


def discovered(answer: Mapping[str, Any]) -> Iterator[Kind]:
    """The kinds in an APIGroupDiscoveryList, each in the group's preferred version that has it."""
    for group in answer["items"]:
        seen: set[str] = set()
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            for resource in version.get("resources", ()):
                kind = resource["responseKind"]["kind"]
                if kind not in seen:
                    seen.add(kind)
                    yield Kind(
                        name,
                        version["version"],
                        kind,
                        resource["resource"],
                        resource["scope"] == "Namespaced",
                        frozenset(resource["verbs"]),
                    )


def private_file(directory: Path, name: str, content: bytes) -> Path:
    """Writes a file that only its owner reads, complete or not at all."""
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as handle:
        handle.write(content)
    path = directory / name
    Path(handle.name).replace(path)
    return path
