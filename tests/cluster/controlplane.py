"""Runs etcd, kube-apiserver and kube-controller-manager as processes on 127.0.0.1.

`ControlPlane` is one cluster in one temporary folder: certificates, users,
logs, audit log, etcd's data. Everything ends with the process that made it,
however that ends (`supervisor.py`). What would run on a node is stood in for by
`doubles/kubelet.py`, which `start_node` starts.

Two things are there so that the cluster behaves as a real one does:

- Services are routable for the API server. It reaches webhooks by an egress
  proxy on a Unix socket, which is the node double: a webhook answers exactly as
  long as its Service has a ready endpoint, and an installed webhook configuration
  needs no change for the test.
- The API server, the controller manager and the doubles have users of their
  own, so that the audit log tells their requests from those under test.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
import yaml

from tests.cluster.api import Api, ApiError, Object, private_file
from tests.cluster.pki import Authority, Pair, key_pair

from . import build

T = TypeVar("T")

CONTEXT = "testbed"
ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
NODE = "system:node:testbed"
SYSTEM_USERS = frozenset({CONTROLLER_MANAGER, NODE, "system:apiserver", "system:anonymous"})
"""Users of the control plane itself; the doubles are ServiceAccounts (`system:serviceaccount:…`)."""

_ROOT = Path(__file__).parents[2]
_AUDIT_POLICY: Object = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*"]},
        # A dry run can be told from a delete only by the body.
        {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "Metadata"},
    ],
}


_VOLATILE = (b"/registry/masterleases/", b"/registry/leases/kube-system/")
"""The API server's own leases, renewed all the time."""
_EVENTS = b"/registry/events/"
_TRANSACTION = 100
"""Operations in one etcd transaction; the server takes 128."""


@dataclass(frozen=True)
class Snapshot:
    """A cluster's whole state: what etcd had stored, the kinds that were served, what the node was told."""

    stored: Mapping[str, str] = field(repr=False)
    kinds: frozenset[tuple[str, str]] = field(repr=False)
    node: str


class StartError(Exception):
    """A component didn't come up. The message has the end of its log."""


class ControlPlane:
    """A running Kubernetes control plane; a context manager."""

    def __init__(self, binary: Path | None = None) -> None:
        self.binary = binary or build.binary()
        # A short path: Unix sockets have about a hundred characters.
        self.directory = Path(tempfile.mkdtemp(prefix="gkp-"))
        self.directory.chmod(0o700)
        self._supervisor = _Supervisor(self.directory)
        self._authority = Authority.create("testbed")
        self._argv: dict[str, list[str]] = {}
        self._tokens = {
            ADMIN: (secrets.token_hex(16), "system:masters"),
            CONTROLLER_MANAGER: (secrets.token_hex(16), "system:masters"),
            NODE: (secrets.token_hex(16), "system:masters"),
        }
        self._api: Api | None = None
        self.ports: dict[str, int] = {}
        self.kubeconfig = self.directory / "kubeconfig"
        self.memory: dict[str, Any] = {}
        """Whatever its users want to remember as long as this control plane lives, such as snapshots."""
        self.audit_log = self.directory / "audit.log"

    # Life

    def start(self) -> None:
        """Starts everything and returns when the API answers and the garbage collector collects."""
        self._files()
        for attempt in range(3):
            self._commands()
            try:
                self.start_etcd()
                self.start_apiserver()
            except StartError:
                # A free port can be taken by another worker between choosing and listening.
                if attempt == 2 or not self._port_taken():
                    raise
                self.stop_apiserver()
                self.stop_etcd()
            else:
                break
        self.start_controller_manager()
        self.wait_settled()

    def stop(self) -> None:
        """Ends every process and removes the folder. Safe to call twice."""
        if self._api is not None:
            self._api.http.close()
            self._api = None
        self._supervisor.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> ControlPlane:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Components

    def start_etcd(self) -> None:
        """Starts etcd and waits until it is healthy."""
        self._start("etcd", f"http://127.0.0.1:{self.ports['etcd']}/health")  # /readyz is etcd 3.5.11's

    def stop_etcd(self) -> None:
        """Kills etcd. Its data stay in the folder."""
        self._stop("etcd")

    def start_apiserver(self) -> None:
        """Starts the API server, on the same port each time, and waits until it is ready."""
        self._start("kube-apiserver", f"{self.server}/readyz")

    def stop_apiserver(self) -> None:
        """Kills the API server as a crash would: connections are reset."""
        self._stop("kube-apiserver")

    def restart_apiserver(self) -> None:
        """Kills the API server and starts it anew on the same port."""
        self.stop_apiserver()
        self.start_apiserver()

    def start_controller_manager(self) -> None:
        """Starts the controller manager and waits until its garbage collector works for every kind there is now."""
        self._start("kube-controller-manager", f"https://127.0.0.1:{self.ports['controller-manager']}/healthz")
        self._wait_for_garbage_collector()

    def stop_controller_manager(self) -> None:
        """Kills the controller manager: nothing is collected, no namespace ends, no Pod is made."""
        self._stop("kube-controller-manager")

    def restart_controller_manager(self) -> None:
        """Makes the garbage collector learn of new CRDs now: by itself it looks for them only every 30 s."""
        self.stop_controller_manager()
        self.start_controller_manager()

    def start_node(self) -> None:
        """Starts the node double, which runs Pods (`doubles/kubelet.py`), and waits until it is ready.

        Pods that were there before run again by then, with new processes and addresses.
        """
        instance = secrets.token_hex(4)
        self._argv["node"] = [
            sys.executable,
            "-m",
            "tests.cluster.doubles.kubelet",
            f"--kubeconfig={self.kubeconfig_for(NODE)}",
            f"--socket={self._egress_socket}",
            f"--directory={self.directory}",
            f"--instance={instance}",
        ]
        self._start("node", None)

        ready = self.directory / f"node-{instance}"
        self.wait("the node to be ready", lambda: True if ready.exists() else None, watching="node")
        ready.unlink()

    def configure_node(self, *, unpullable: Sequence[str] = (), crashing: Sequence[str] = ()) -> None:
        """Says which images the node can't pull and whose containers crash, by patterns as `*/helm-controller:*`.

        Replaces what was said before. No object of the cluster changes by it.
        """
        self._configure_node(json.dumps({"unpullable": list(unpullable), "crashing": list(crashing)}))

    def _configure_node(self, configuration: str) -> None:
        private_file(self.directory, "node.json", configuration.encode())
        if "node" in self._argv:
            self._supervisor.order(do="signal", name="node", signal=signal.SIGHUP, alone=True)

    @property
    def _node_configuration(self) -> str:
        path = self.directory / "node.json"
        return path.read_text() if path.exists() else "{}"

    def stop_node(self) -> None:
        """Kills the node double and with it all Pods' processes, as a power cut would: the API doesn't learn of it."""
        self._stop("node")

    def send_signal(self, component: str, number: int) -> None:
        """Sends a signal to a component's process group (`etcd`, `kube-apiserver`, …): SIGSTOP makes a server hang."""
        self._supervisor.order(do="signal", name=component, signal=number)

    def running(self, component: str) -> bool:
        """Whether a component's process (`etcd`, `kube-apiserver`, `kube-controller-manager`, `node`) lives."""
        return self._supervisor.order(do="poll", name=component)["code"] is None

    def log(self, component: str) -> str:
        """What a component has logged so far."""
        path = self.directory / f"{component}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # Access

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.ports['apiserver']}"

    @property
    def ca_file(self) -> Path:
        """The CA that signed the API server's certificate, PEM."""
        return self.directory / "ca.crt"

    @property
    def api(self) -> Api:
        """A client with the admin's rights."""
        if self._api is None:
            self._api = Api(self.kubeconfig)
        return self._api

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for any user, by name and groups; RBAC decides what they may.

        `admin` and the control plane's own users authenticate by a token, everybody else by a client certificate.
        """
        if user in self._tokens:
            credentials: dict[str, str] = {"token": self._tokens[user][0]}
        else:
            pair = self.client_certificate(user, groups)
            stem = "".join(letter if letter.isalnum() else "-" for letter in user)
            credentials = {
                "client-certificate": str(private_file(self.directory, f"{stem}.crt", pair.certificate)),
                "client-key": str(private_file(self.directory, f"{stem}.key", pair.key)),
            }
        return self.write_kubeconfig(user, credentials)

    def write_kubeconfig(self, user: str, credentials: Mapping[str, Any]) -> Path:
        """A kubeconfig file with the given `user` section."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": CONTEXT, "cluster": {"server": self.server, "certificate-authority": str(self.ca_file)}}
            ],
            "users": [{"name": user, "user": dict(credentials)}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
            "current-context": CONTEXT,
        }
        stem = "".join(letter if letter.isalnum() else "-" for letter in user)
        name = "kubeconfig" if user == ADMIN else f"kubeconfig-{stem}"
        return private_file(self.directory, name, yaml.safe_dump(config).encode())

    def client_certificate(self, user: str, groups: Sequence[str] = (), days: int = 365) -> Pair:
        """A client certificate that the API server trusts; expired where `days` is negative."""
        return self._authority.client(user, groups, days)

    def token(self, user: str) -> str:
        """The static bearer token of `admin` or one of the control plane's own users."""
        return self._tokens[user][0]

    def kubectl(
        self, *arguments: str, input: str | None = None, check: bool = True, user: str = ADMIN
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl against this cluster. Raises `CalledProcessError` where `check` and it fails."""
        result = subprocess.run(
            [str(self.binary), "kubectl", f"--kubeconfig={self.kubeconfig_for(user)}", *arguments],
            input=input,
            capture_output=True,
            text=True,
            env={**_clean_environment(), "HOME": str(self.directory)},
            check=False,
        )
        if check and result.returncode:
            raise subprocess.CalledProcessError(
                result.returncode, ["kubectl", *arguments], result.stdout, result.stderr
            ) from RuntimeError(result.stderr)
        return result

    # Audit

    def audit_position(self) -> int:
        """Where the audit log ends now, for `audit(since=…)`. Every request answered before is in front of it."""
        return self.audit_log.stat().st_size if self.audit_log.exists() else 0

    def audit(self, since: int = 0, user: str | None = None) -> Iterator[Object]:
        """The audit log's entries from a position on, of one user or all. Mutating requests have their body.

        An entry that is just being written is left out: its request isn't answered yet.
        """
        with self.audit_log.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                entry: Object = json.loads(line)
                if user is None or entry["user"].get("username") == user:
                    yield entry

    # The whole state

    def snapshot(self) -> Snapshot:
        """All that is in the cluster now but Events, to come back to with `restore`."""
        stored = {key: value for key, value in self._stored().items() if not _decoded(key).startswith(_EVENTS)}
        kinds = frozenset((kind.group, kind.kind) for kind in self.api.kinds())
        return Snapshot(stored, kinds, self._node_configuration)

    def restore(self, snapshot: Snapshot) -> None:
        """Puts the whole cluster back to a snapshot, whatever state it is in: within about a second.

        Written into etcd directly: no finalizer, webhook or controller is asked. UIDs are those of the
        snapshot, resourceVersions are new. Controller manager and node start anew, so Pods' processes do, too;
        components that were stopped run again.
        """
        for component in ("node", "kube-controller-manager"):
            self._stop(component)
        for component, start in (("etcd", self.start_etcd), ("kube-apiserver", self.start_apiserver)):
            self.send_signal(component, signal.SIGCONT)
            if not self.running(component):
                start()
        private_file(self.directory, "node.json", snapshot.node.encode())
        while changes := self._changes_to(snapshot):
            for first in range(0, len(changes), _TRANSACTION):
                self._etcd("txn", {"success": changes[first : first + _TRANSACTION]})
            # The API server's own writers (a CRD's status, an APIService) may come in between: look again.

        def follows() -> bool | None:
            kinds = frozenset((kind.group, kind.kind) for kind in self.api.kinds())
            return True if kinds == snapshot.kinds else None

        self.wait("discovery to follow", follows)
        # kubectl caches discovery for hours, and the Pods' logs are those of another cluster now.
        shutil.rmtree(self.directory / ".kube", ignore_errors=True)
        for log in self.directory.glob("*.log"):
            if log.stem not in (*self._argv, self.audit_log.stem):
                log.unlink()
        self.start_controller_manager()
        self.wait_settled()
        self.start_node()

    def fill(self, objects: Mapping[str, Object]) -> None:
        """Writes objects into etcd, by their keys under `/registry/`, in a hundredth of the time that the API takes.

        What the API server would add, such as a UID, has to be in them.
        """
        puts: list[Object] = [
            {"requestPut": {"key": _encode(f"/registry/{key}"), "value": _encode(json.dumps(one))}}
            for key, one in objects.items()
        ]
        for first in range(0, len(puts), _TRANSACTION):
            self._etcd("txn", {"success": puts[first : first + _TRANSACTION]})

    # Waiting

    def wait_settled(self) -> None:
        """Waits until the controller manager has done what it does by itself in every cluster.

        What it writes a moment later would otherwise count as done by whoever is tested: rules of aggregated
        ClusterRoles, and what every namespace gets.
        """
        self.wait("ClusterRoles to be aggregated", lambda: True if self._aggregated() else None)
        self.wait("namespaces to have what each gets", lambda: True if self._furnished() else None)

    def wait(self, what: str, condition: Callable[[], T | None], timeout: float = 120, watching: str = "") -> T:
        """Calls `condition` until it returns something; `TimeoutError` names `what` after `timeout` seconds.

        A component named by `watching` that has ended ends the waiting with its log.
        """
        end = time.monotonic() + timeout
        while True:
            if (result := condition()) is not None:
                return result
            if watching and self._supervisor.order(do="poll", name=watching)["code"] is not None:
                raise StartError(f"{watching} ended while waiting for {what}:\n{self._tail(watching)}")
            if time.monotonic() > end:
                log = f"\n{self._tail(watching)}" if watching else ""
                raise TimeoutError(f"waited {timeout:.0f} s for {what}{log}")
            time.sleep(0.05)  # the pace of asking, not what is waited for

    # Inside

    def _stored(self) -> dict[str, str]:
        """What etcd has, key to value, both base64; without what is never the same twice."""
        found: dict[str, str] = {}
        first, end = _encode("/registry/"), _encode("/registry0")
        while True:
            page = self._etcd("range", {"key": first, "range_end": end, "limit": "1000"})
            for entry in page.get("kvs", ()):
                found[entry["key"]] = entry.get("value", "")
            if not page.get("more"):
                break
            first = base64.b64encode(_decoded(page["kvs"][-1]["key"]) + b"\0").decode()
        return {key: value for key, value in found.items() if not _decoded(key).startswith(_VOLATILE)}

    def _changes_to(self, snapshot: Snapshot) -> list[Object]:
        """The requests of a transaction that lead from the present state to the snapshot."""
        present = self._stored()
        changes: list[Object] = [
            {"requestDeleteRange": {"key": key}} for key in present.keys() - snapshot.stored.keys()
        ]
        for key, value in snapshot.stored.items():
            if present.get(key) != value:
                changes.append({"requestPut": {"key": key, "value": value}})
        return changes

    def _etcd(self, what: str, request: Object) -> Object:
        url = f"http://127.0.0.1:{self.ports['etcd']}/v3/kv/{what}"
        answer: Object = httpx.post(url, json=request, timeout=30, trust_env=False).raise_for_status().json()
        return answer

    @property
    def _egress_socket(self) -> Path:
        return self.directory / "egress"

    def _files(self) -> None:
        private_file(self.directory, "ca.crt", self._authority.certificate)
        serving = self._authority.server(["127.0.0.1", "localhost", "10.0.0.1", "kubernetes.default.svc"])
        private_file(self.directory, "apiserver.crt", serving.certificate)
        private_file(self.directory, "apiserver.key", serving.key)
        private, public = key_pair()
        private_file(self.directory, "sa.key", private)
        private_file(self.directory, "sa.pub", public)
        tokens = "".join(f"{token},{user},{user},{group}\n" for user, (token, group) in self._tokens.items())
        private_file(self.directory, "tokens.csv", tokens.encode())
        private_file(self.directory, "audit-policy.yaml", yaml.safe_dump(_AUDIT_POLICY).encode())
        egress = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [
                {
                    "name": "cluster",
                    "connection": {
                        "proxyProtocol": "HTTPConnect",
                        "transport": {"uds": {"udsName": str(self._egress_socket)}},
                    },
                }
            ],
        }
        private_file(self.directory, "egress.yaml", yaml.safe_dump(egress).encode())

    def _commands(self) -> None:
        names = ("etcd", "etcd-peer", "apiserver", "controller-manager")
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.write_kubeconfig(ADMIN, {"token": self._tokens[ADMIN][0]})
        here, binary = self.directory, str(self.binary)
        client, peer = (f"http://127.0.0.1:{self.ports[name]}" for name in ("etcd", "etcd-peer"))
        self._argv["etcd"] = [
            binary,
            "etcd",
            f"--data-dir={here / 'etcd'}",
            # A crash of the machine loses the test cluster, which nobody minds; waiting for the disk everybody does.
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]
        self._argv["kube-apiserver"] = [
            binary,
            "kube-apiserver",
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            # The `kubernetes` Service may not point to a loopback address; nothing here uses it.
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.ports['apiserver']}",
            f"--cert-dir={here}",
            f"--tls-cert-file={here / 'apiserver.crt'}",
            f"--tls-private-key-file={here / 'apiserver.key'}",
            f"--client-ca-file={here / 'ca.crt'}",
            f"--token-auth-file={here / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={here / 'sa.pub'}",
            f"--service-account-signing-key-file={here / 'sa.key'}",
            f"--audit-policy-file={here / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_log}",
            # Written before the answer is sent: whoever has the answer finds the entry.
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100000",
            f"--egress-selector-config-file={here / 'egress.yaml'}",
            "--profiling=false",
        ]
        self._argv["kube-controller-manager"] = [
            binary,
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig_for(CONTROLLER_MANAGER)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports['controller-manager']}",
            f"--cert-dir={here}",
            "--leader-elect=false",
            f"--service-account-private-key-file={here / 'sa.key'}",
            f"--root-ca-file={here / 'ca.crt'}",
            # The node double sends no heartbeats, and no test waits for a node to be found dead.
            "--controllers=*,-node-lifecycle-controller",
            "--profiling=false",
        ]

    def _start(self, name: str, ready: str | None) -> None:
        log = str(self.directory / f"{name}.log")
        environment = {**_clean_environment(), "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": ""}
        # Memory is plenty, cores are few.
        environment["GOGC"] = "400"
        self._supervisor.order(
            do="start", name=name, argv=self._argv[name], log=log, env=environment, cwd=str(self.directory)
        )
        if ready is not None:
            with httpx.Client(verify=False, trust_env=False, timeout=5) as client:  # its own certificate

                def answers() -> bool | None:
                    try:
                        return True if client.get(ready).status_code == 200 else None
                    except httpx.TransportError:
                        return None

                try:
                    self.wait(f"{name} to answer {ready}", answers, timeout=120, watching=name)
                except TimeoutError as error:
                    raise StartError(str(error)) from error

    def _stop(self, name: str, number: int = signal.SIGKILL) -> None:
        self._supervisor.order(do="stop", name=name, signal=number, timeout=10)

    def _port_taken(self) -> bool:
        return any("address already in use" in self.log(name) for name in ("etcd", "kube-apiserver"))

    def _tail(self, name: str) -> str:
        return "\n".join(self.log(name).splitlines()[-30:])

    def _aggregated(self) -> bool:
        """Whether every aggregated ClusterRole has the rules of those that its selectors name, and no others."""
        roles = self.api.list("rbac.authorization.k8s.io/v1", "ClusterRole")

        def rules(chosen: list[Object]) -> set[str]:
            return {json.dumps(rule, sort_keys=True) for role in chosen for rule in role.get("rules") or ()}

        for role in roles:
            selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
            wanted = [selector["matchLabels"].items() for selector in selectors]
            chosen = [
                one
                for one in roles
                if one is not role and any(labels <= one["metadata"].get("labels", {}).items() for labels in wanted)
            ]
            if wanted and rules([role]) != rules(chosen):
                return False
        return True

    def _furnished(self) -> bool:
        """Whether each namespace has its default ServiceAccount and the ConfigMap with the cluster's CA."""
        namespaces = {
            one["metadata"]["name"]
            for one in self.api.list("v1", "Namespace")
            if "deletionTimestamp" not in one["metadata"]
        }
        for kind, name in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")):
            found = self.api.list("v1", kind, fieldSelector=f"metadata.name={name}")
            if namespaces - {one["metadata"]["namespace"] for one in found}:
                return False
        return {"default", "kube-system", "kube-public", "kube-node-lease"} <= namespaces

    def _wait_for_garbage_collector(self) -> None:
        """An object whose owner doesn't exist is collected as soon as every kind's monitor has synced."""
        canary = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"canary-{secrets.token_hex(4)}",
                "namespace": "default",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "00000000-0000-0000-0000-0"}
                ],
            },
        }
        name = str(canary["metadata"]["name"])  # type: ignore[index]

        def created() -> bool | None:
            try:
                self.api.create(canary)
            except ApiError as error:
                if error.code in (403, 404):  # the namespace `default` or the rights of the first second
                    return None
                raise
            return True

        def collected() -> bool | None:
            return True if self.api.get("v1", "ConfigMap", name, "default") is None else None

        self.wait("the namespace default", created)
        self.wait("the garbage collector", collected, timeout=120, watching="kube-controller-manager")


class _Supervisor:
    """The process that starts and ends the others (`supervisor.py`)."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise StartError("the supervisor is gone, and with it the control plane")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StartError(answer["error"])
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(key: str) -> bytes:
    return base64.b64decode(key)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _clean_environment() -> dict[str, str]:
    """The environment without what would change where a client connects to."""
    unwanted = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "kubeconfig")
    return {name: value for name, value in os.environ.items() if name.lower() not in unwanted}
