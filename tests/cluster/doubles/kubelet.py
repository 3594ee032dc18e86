"""The node: binds Pods to itself, runs what they name, routes Services, provisions volumes.

A Pod here is a status, and for the few images that have a double, a process:
it starts when the container starts and ends when the Pod is deleted, with the
rights of the Pod's ServiceAccount (a real token, bound to the Pod). So a
controller loses its rights when its binding goes and its life when its
Deployment goes, as on a real node.

Also what else a node brings: Services (the API server reaches webhooks through the
Unix socket this process listens on; a connection goes to a ready endpoint's
process or is refused) and volumes (a PersistentVolume for each claim).

Tests steer it by a file, read anew on SIGHUP, because an annotation would be a
change of the cluster. It has lists of image patterns:

    unpullable   containers that aren't started yet stay in ImagePullBackOff
    crashing     containers are in CrashLoopBackOff, running ones die

The Pod annotation `testbed/exit: never` keeps a Job's Pod running.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import fnmatch
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import MERGE, ApiError, Object, private_file
from tests.cluster.doubles.runtime import AsyncApi, Informer, Key, Queue, is_condition, key_of, now, run

NODE = "testbed"
CONFIGURATION = "node.json"
UNPULLABLE = "unpullable"
CRASHING = "crashing"
EXIT = "testbed/exit"
PROVISIONER = "testbed.example.com/local"

_RESTART_DELAY = 1.0
"""Seconds until a container that ended is started again. A kubelet begins with 10."""

_PROGRAMS = {
    "package-operator": "operator",
    "helm-controller": "helm_controller",
    "source-controller": "source_controller",
    "gadget-operator": "gadget_operator",
}
"""Image name to the module of the double."""


@dataclass
class Container:
    """What is known of one container of a Pod."""

    waiting: str = "ContainerCreating"
    message: str = ""
    started: str = ""
    runs_since: str = ""
    """When it was started by the kubelet before this one: it runs on, and its status doesn't change."""
    exit_code: int | None = None
    restarts: int = 0
    ready: bool = False
    process: asyncio.subprocess.Process | None = None
    ports: dict[int, int] = field(default_factory=dict)
    retry: bool = True
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is known what became of the start: ready, ended, or waiting for something."""


@dataclass
class Sandbox:
    """A Pod on this node: its address, its folder, its containers."""

    uid: str
    ip: str
    directory: Path
    containers: dict[str, Container]


class Kubelet:
    """The node's work, all in one event loop."""

    def __init__(self, api: AsyncApi, kubeconfig: Path, directory: Path, instance: str) -> None:
        self.api = api
        self.instance = instance
        self.declared = asyncio.Event()
        self.configuration: dict[str, list[str]] = {}
        self.kubeconfig = kubeconfig
        self.directory = directory
        self.pods = Informer(api, "v1", "Pod")
        self.secrets = Informer(api, "v1", "Secret")
        self.services = Informer(api, "v1", "Service")
        self.slices = Informer(api, "discovery.k8s.io/v1", "EndpointSlice")
        self.claims = Informer(api, "v1", "PersistentVolumeClaim")
        self.volumes = Informer(api, "v1", "PersistentVolume")
        self.queue = Queue("pod", self.sync, workers=8, first_delay=0.05, longest_delay=2)
        self.claim_queue = Queue("claim", self.provision, first_delay=0.05, longest_delay=2)
        self.volume_queue = Queue("volume", self.reclaim, first_delay=0.05, longest_delay=2)
        self.sandboxes: dict[Key, Sandbox] = {}
        self._addresses = itertools.count(2)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, socket: Path) -> None:
        """Registers the node and works until cancelled; then ends every process it started."""
        self.pods.on_change(self._pod_changed)
        self.secrets.on_change(lambda new, old: self._secret_changed(new or old))
        self.claims.on_change(lambda new, old: self.claim_queue.add(key_of(new)) if new else None)
        self.volumes.on_change(lambda new, old: self.volume_queue.add(key_of(new)) if new else None)
        informers = [self.pods, self.secrets, self.services, self.slices, self.claims, self.volumes]
        self.configure()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.configure)
        async with await asyncio.start_unix_server(self.route, path=str(socket)):
            await self.register()
            try:
                await asyncio.gather(
                    *(informer.run() for informer in informers),
                    self.declare_ready(),
                    self._work(),
                    self.claim_queue.run(),
                    self.volume_queue.run(),
                )
            finally:
                for sandbox in list(self.sandboxes.values()):
                    await self.stop(sandbox)

    async def _work(self) -> None:
        """Pods are worked off when the node is Ready: until then nothing is reported that would only flicker."""
        await self.declared.wait()
        await self.queue.run()

    async def register(self) -> None:
        """Makes the Node, Ready and without the taint that admission gives new ones."""
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}},
        }
        present = await self.api.get("v1", "Node", NODE)
        if is_condition(present, "Ready"):
            return
        if present is None:
            await self.api.create(node)
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "testbed",
            "lastTransitionTime": now(),
            "lastHeartbeatTime": now(),
        }
        capacity = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
        status = {
            "conditions": [condition],
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.34.3", "operatingSystem": "linux"},
        }
        await self.api.patch(node, {"spec": {"taints": None}})
        for name, policy in (("standard", "Delete"), ("retained", "Retain")):
            if await self.api.get("storage.k8s.io/v1", "StorageClass", name) is None:
                default = {"storageclass.kubernetes.io/is-default-class": str(name == "standard").lower()}
                await self.api.create(
                    {
                        "apiVersion": "storage.k8s.io/v1",
                        "kind": "StorageClass",
                        "metadata": {"name": name, "annotations": default},
                        "provisioner": PROVISIONER,
                        "reclaimPolicy": policy,
                    }
                )
        await self.api.patch(node, {"status": status}, subresource="status")

    async def declare_ready(self) -> None:
        """Says that the node is ready, when the Pods that it found at its start run as they did before."""
        await self.pods.synced.wait()
        await self.secrets.synced.wait()
        found = [key for key, pod in self.pods.store.items() if pod["spec"].get("nodeName") == NODE]
        for key in found:
            if key in self.sandboxes or _finished(self.pods.store[key]):
                continue
            await self.sync(key)
        for key in found:
            if sandbox := self.sandboxes.get(key):
                await asyncio.gather(*(container.settled.wait() for container in sandbox.containers.values()))
        self.declared.set()
        self._all_pods()
        # A file and not the Node's status: a node that comes back changes nothing in the cluster.
        private_file(self.directory, f"node-{self.instance}", b"")

    # Pods

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        if pod := new or old:
            self.queue.add(key_of(pod))

    def _all_pods(self) -> None:
        for key in self.pods.store:
            self.queue.add(key)

    def _secret_changed(self, secret: Object | None) -> None:
        if secret is None:
            return
        for key, pod in self.pods.store.items():
            if key[0] == key_of(secret)[0] and secret["metadata"]["name"] in _mounted(pod).values():
                self.queue.add(key)

    async def sync(self, key: Key) -> float | None:
        """Brings one Pod's processes and status to what its spec says."""
        pod = self.pods.store.get(key)
        sandbox = self.sandboxes.get(key)
        if sandbox is not None and (pod is None or pod["metadata"]["uid"] != sandbox.uid):
            del self.sandboxes[key]
            await self.stop(sandbox)
            sandbox = None
        if pod is None or _finished(pod):
            if pod is not None and "deletionTimestamp" in pod["metadata"]:
                await self._remove(pod)
            return None
        if not pod["spec"].get("nodeName"):
            if "deletionTimestamp" not in pod["metadata"]:
                await self._bind(pod)
            return None
        if "deletionTimestamp" in pod["metadata"]:
            if sandbox is not None:
                del self.sandboxes[key]
                await self.stop(sandbox)
            await self._remove(pod)
            return None
        if sandbox is None:
            sandbox = self.sandboxes[key] = self._sandbox(pod)
        await self._start_containers(pod, sandbox)
        if self.declared.is_set():
            await self._report(pod, sandbox)
        return None

    async def _bind(self, pod: Object) -> None:
        namespace, name = key_of(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": pod["metadata"]["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        try:
            await self.api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", json=binding)
        except ApiError as error:
            if error.code not in (404, 409):  # gone or bound meanwhile
                raise

    async def _remove(self, pod: Object) -> None:
        try:
            await self.api.delete(pod, gracePeriodSeconds=0, preconditions={"uid": pod["metadata"]["uid"]})
        except ApiError as error:
            if error.code != 409:
                raise

    def _sandbox(self, pod: Object) -> Sandbox:
        # A Pod that was here before keeps its address: a kubelet that starts anew doesn't restart Pods.
        address = pod.get("status", {}).get("podIP")
        taken = {one.ip for one in self.sandboxes.values()}
        taken.update(one.get("status", {}).get("podIP", "") for one in self.pods.items())
        while not address or address in {one.ip for one in self.sandboxes.values()}:
            number = next(self._addresses)
            address = f"10.244.{number // 250}.{number % 250 + 1}"
            if address in taken:
                address = None
        directory = self.directory / "pods" / pod["metadata"]["uid"]
        directory.mkdir(parents=True, exist_ok=True)
        return Sandbox(
            uid=pod["metadata"]["uid"],
            ip=address,
            directory=directory,
            containers={container["name"]: _former(pod, container["name"]) for container in pod["spec"]["containers"]},
        )

    async def _start_containers(self, pod: Object, sandbox: Sandbox) -> None:
        missing = [secret for secret in _mounted(pod).values() if (key_of(pod)[0], secret) not in self.secrets.store]
        for spec in pod["spec"]["containers"]:
            container = sandbox.containers[spec["name"]]
            if self._matches(CRASHING, spec["image"]):
                if container.process is not None:
                    await _end(container)
                container.ready = False
                container.waiting, container.message = "CrashLoopBackOff", "back-off 5m0s restarting failed container"
            elif (container.started and container.waiting == "") or container.exit_code == 0:
                self._refresh_secrets(pod, sandbox)
            elif missing:
                container.waiting = "ContainerCreating"
                container.message = f'MountVolume.SetUp failed: secret "{missing[0]}" not found'
            elif self._matches(UNPULLABLE, spec["image"]):
                container.waiting = "ImagePullBackOff"
                container.message = f'Back-off pulling image "{spec["image"]}"'
            elif container.retry:
                await self._start(pod, sandbox, spec, container)
            if container.process is None:
                container.settled.set()

    def _matches(self, what: str, image: str) -> bool:
        return any(fnmatch.fnmatch(image, pattern) for pattern in self.configuration.get(what, ()))

    def configure(self) -> None:
        """Reads the configuration, and looks at every Pod in its light."""
        path = self.directory / CONFIGURATION
        self.configuration = json.loads(path.read_text()) if path.exists() else {}
        self._all_pods()

    async def _start(self, pod: Object, sandbox: Sandbox, spec: Object, container: Container) -> None:
        container.waiting = container.message = ""
        container.started, container.runs_since = container.runs_since or now(), ""
        container.exit_code = None
        module = _program(spec)
        if module is None:
            annotations = pod["metadata"].get("annotations") or {}
            if pod["spec"]["restartPolicy"] == "Always" or annotations.get(EXIT) == "never":
                container.ready = True
            else:
                container.exit_code = 0
            return
        self._refresh_secrets(pod, sandbox)
        kubeconfig = await self._kubeconfig(pod, sandbox)
        name = f"{module}-{pod['metadata']['name']}"
        with (self.directory / f"{name}.log").open("ab") as output:
            container.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"tests.cluster.doubles.{module}",
                "--kubeconfig",
                str(kubeconfig),
                "--volumes",
                str(sandbox.directory),
                stdin=asyncio.subprocess.PIPE,  # closes with this process, on which the double ends
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env={**os.environ, "IMAGE": spec["image"]},
            )
        self._spawn(self._attend(key_of(pod), container, container.process, pod["spec"]["restartPolicy"]))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, key: Key, container: Container, process: asyncio.subprocess.Process, restart: str) -> None:
        """Follows a process: Ready when it says so, restarted when it ends though it shouldn't."""
        assert process.stdout is not None
        async for line in process.stdout:
            said = json.loads(line)
            container.ports = {int(port): local for port, local in said.get("ports", {}).items()}
            container.ready = True
            container.settled.set()
            self.queue.add(key)
        code = await process.wait()
        container.settled.set()
        if container.process is not process:
            return
        container.process = None
        container.ready = False
        container.ports = {}
        container.exit_code = code
        if (code and restart != "Never") or restart == "Always":
            container.restarts += 1
            container.waiting, container.message = "CrashLoopBackOff", f"ended with {code}"
            container.retry = False
            asyncio.get_running_loop().call_later(_RESTART_DELAY, self._retry, key, container)
        self.queue.add(key)

    def _retry(self, key: Key, container: Container) -> None:
        container.retry = True
        self.queue.add(key)

    async def _kubeconfig(self, pod: Object, sandbox: Sandbox) -> Path:
        """A kubeconfig with a token of the Pod's ServiceAccount, valid as long as the Pod lives."""
        namespace, name = key_of(pod)
        account = pod["spec"].get("serviceAccountName", "default")
        reference = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 86400, "boundObjectRef": reference},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        token = (await self.api.request("POST", path, json=request))["status"]["token"]
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        return private_file(sandbox.directory, "kubeconfig", yaml.safe_dump(config).encode())

    def _refresh_secrets(self, pod: Object, sandbox: Sandbox) -> None:
        for volume, name in _mounted(pod).items():
            secret = self.secrets.store.get((key_of(pod)[0], name))
            if secret is None:
                continue
            folder = sandbox.directory / volume
            folder.mkdir(exist_ok=True)
            for entry, value in (secret.get("data") or {}).items():
                content = base64.b64decode(value)
                path = folder / entry
                if not path.exists() or path.read_bytes() != content:
                    private_file(folder, entry, content)

    async def stop(self, sandbox: Sandbox) -> None:
        """Ends a Pod's processes and removes its folder."""
        for container in sandbox.containers.values():
            await _end(container)
        shutil.rmtree(sandbox.directory, ignore_errors=True)

    async def _report(self, pod: Object, sandbox: Sandbox) -> None:
        status = _status(pod, sandbox)
        present = pod.get("status", {})
        if all(present.get(name) == value for name, value in status.items()):
            return
        try:
            await self.api.patch(pod, {"status": status}, subresource="status", how=MERGE)
        except ApiError as error:
            if error.code != 404:
                raise

    # Services

    async def route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the API server into the cluster: HTTP CONNECT, then bytes both ways."""
        with contextlib.closing(writer):
            request = await reader.readuntil(b"\r\n\r\n")
            address = request.split(b" ", 2)[1].decode()
            host, _, port = address.rpartition(":")
            local = self._endpoint(host.strip("[]"), int(port))
            try:
                if local is None:
                    raise ConnectionRefusedError
                upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", local)
            except OSError:
                writer.write(f"HTTP/1.1 502 dial tcp {address}: connect: connection refused\r\n\r\n".encode())
                with contextlib.suppress(OSError):
                    await writer.drain()
                return
            with contextlib.closing(upstream):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await asyncio.gather(_pump(reader, upstream), _pump(upstream_reader, writer))

    def _endpoint(self, host: str, port: int) -> int | None:
        """The local port behind a Service's or Pod's address, or None where nobody answers there."""
        if host == "localhost":  # an ExternalName Service's, behind which a test answers
            return port
        for service in self.services.items():
            if service["spec"].get("clusterIP") != host:
                continue
            for one in service["spec"].get("ports", ()):
                if one["port"] == port:
                    return self._ready_endpoint(service, one.get("name", ""))
        return self._process_port(host, port)

    def _ready_endpoint(self, service: Object, port_name: str) -> int | None:
        namespace, name = key_of(service)
        for one in self.slices.items():
            labels = one["metadata"].get("labels") or {}
            if one["metadata"]["namespace"] != namespace or labels.get("kubernetes.io/service-name") != name:
                continue
            ports = [port["port"] for port in one.get("ports") or () if (port.get("name") or "") == port_name]
            for endpoint in one.get("endpoints") or ():
                if not endpoint.get("conditions", {}).get("ready"):
                    continue
                for address, port in itertools.product(endpoint["addresses"], ports):
                    if (local := self._process_port(address, port)) is not None:
                        return local
        return None

    def _process_port(self, address: str, port: int) -> int | None:
        for sandbox in self.sandboxes.values():
            if sandbox.ip == address:
                for container in sandbox.containers.values():
                    if port in container.ports:
                        return container.ports[port]
        return None

    # Volumes

    async def provision(self, key: Key) -> float | None:
        """Makes a PersistentVolume for a claim that has none, as a StorageClass's provisioner does."""
        claim = self.claims.store.get(key)
        if claim is None or claim["spec"].get("volumeName") or "deletionTimestamp" in claim["metadata"]:
            return None
        storage_class = claim["spec"].get("storageClassName")
        found = await self.api.get("storage.k8s.io/v1", "StorageClass", storage_class) if storage_class else None
        if found is None or found["provisioner"] != PROVISIONER:
            return None
        uid = claim["metadata"]["uid"]
        volume: Object = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": f"pvc-{uid}",
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": found.get("reclaimPolicy", "Delete"),
                "storageClassName": storage_class,
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": key[0],
                    "name": key[1],
                    "uid": uid,
                },
                "hostPath": {"path": f"/volumes/{uid}"},
            },
        }
        try:
            await self.api.create(volume)
        except ApiError as error:
            if error.code != 409:
                raise
        return None

    async def reclaim(self, key: Key) -> float | None:
        """Deletes a volume that its claim released, where its policy says so."""
        volume = self.volumes.store.get(key)
        if (
            volume is not None
            and volume.get("status", {}).get("phase") == "Released"
            and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
            and "deletionTimestamp" not in volume["metadata"]
        ):
            await self.api.delete(volume)
        return None


async def _end(container: Container) -> None:
    process, container.process = container.process, None
    container.ready = False
    container.ports = {}
    if process is not None and process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


def _program(spec: Object) -> str | None:
    image = spec["image"].rpartition("/")[2].split(":")[0].split("@")[0]
    if image == "package-operator" and "/cert-manager" in spec.get("command", ()):
        return "certificates"
    return _PROGRAMS.get(image)


def _former(pod: Object, name: str) -> Container:
    """A container as the Pod's status has it: of a Pod that was here before this kubelet."""
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if status["name"] == name:
            running = status["state"].get("running") or {}
            return Container(runs_since=running.get("startedAt", ""), restarts=status["restartCount"])
    return Container()


def _mounted(pod: Object) -> dict[str, str]:
    """Volume name to Secret name, of the Secrets that have to exist before a container starts."""
    return {
        volume["name"]: volume["secret"]["secretName"]
        for volume in pod["spec"].get("volumes") or ()
        if "secret" in volume and not volume["secret"].get("optional")
    }


def _finished(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _status(pod: Object, sandbox: Sandbox) -> Object:
    statuses = []
    for spec in pod["spec"]["containers"]:
        container = sandbox.containers[spec["name"]]
        if container.waiting:
            state: Object = {"waiting": {"reason": container.waiting, "message": container.message}}
        elif container.exit_code is not None:
            reason = "Error" if container.exit_code else "Completed"
            state = {"terminated": {"exitCode": container.exit_code, "reason": reason, "startedAt": container.started}}
            state["terminated"]["finishedAt"] = container.started
        else:
            state = {"running": {"startedAt": container.started}}
        statuses.append(
            {
                "name": spec["name"],
                "image": spec["image"],
                "imageID": "" if container.waiting == "ImagePullBackOff" else f"testbed/{spec['image']}",
                "ready": container.ready,
                "started": "running" in state,
                "restartCount": container.restarts,
                "state": state,
            }
        )
    ready = all(one["ready"] for one in statuses)
    finished = all("terminated" in one["state"] for one in statuses)
    failed = any(container.exit_code for container in sandbox.containers.values())
    if finished and pod["spec"]["restartPolicy"] != "Always":
        phase = "Failed" if failed else "Succeeded"
    elif any("waiting" in one["state"] and not one["restartCount"] for one in statuses):
        # The phase stays Pending until every container has run once.
        crashed = any(one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" for one in statuses)
        phase = "Running" if crashed else "Pending"
    else:
        phase = "Running"
    present = {one["type"]: one for one in pod.get("status", {}).get("conditions", ())}
    conditions = []
    for kind, true in (
        ("PodScheduled", True),
        ("Initialized", True),
        ("ContainersReady", ready),
        ("Ready", ready),
    ):
        status = "True" if true else "False"
        former = present.get(kind, {})
        changed = former.get("lastTransitionTime") if former.get("status") == status else now()
        condition = {"type": kind, "status": status, "lastTransitionTime": changed}
        if not true:
            condition["reason"] = "ContainersNotReady"
        conditions.append({**former, **condition} if former.get("status") == status else condition)
    return {
        "phase": phase,
        "conditions": conditions,
        "containerStatuses": statuses,
        "hostIP": "10.1.0.1",
        "podIP": sandbox.ip,
        "podIPs": [{"ip": sandbox.ip}],
        "startTime": pod.get("status", {}).get("startTime") or now(),
    }


def main() -> Coroutine[None, None, None]:
    """Runs the node until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True, help="where the API server connects into the cluster")
    parser.add_argument("--directory", type=Path, required=True, help="where Pods' files and logs go")
    parser.add_argument("--instance", required=True, help="names the file that says that the node is ready")
    arguments = parser.parse_args()
    api = AsyncApi(arguments.kubeconfig, manager="kubelet")
    arguments.socket.unlink(missing_ok=True)
    kubelet = Kubelet(api, arguments.kubeconfig, arguments.directory, arguments.instance)
    return kubelet.run(arguments.socket)


if __name__ == "__main__":
    run(main)
