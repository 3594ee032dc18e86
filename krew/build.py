"""Builds the archive for the platform it runs on: `python -m krew.build [--output FOLDER] [--here] [--twice]`.

In an environment of its own, made from the locked requirements beside this file,
or with `--here` in the one it runs in. With `--twice` it is built a second time, and has
to come out the same. The result is a folder with the executable, an
interpreter and all libraries, packed so that two builds of the same checkout
with the same interpreter give the same bytes; beside it its bill of materials.

Cross-building isn't offered: every platform's archive is built, and run once,
on that platform.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from kubectl_glasskube_purge import __version__

from . import notices
from .pack import pack, sha256

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REQUIREMENTS = (HERE / "requirements.txt", HERE / "build-requirements.txt")
"""Locked with hashes: what goes into the archive, and what it is built with."""
MAN = ROOT / "docs" / "man" / "kubectl-glasskube-purge.1"
EXECUTABLE = "kubectl-glasskube_purge"
FOLDER = "glasskube-purge"

SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "windows"}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Python's names → Go's, which krew uses."""


class BuildError(Exception):
    """There is no archive. The message says why."""


def this_platform() -> tuple[str, str]:
    """Operating system and architecture in Go's words. Raises `BuildError` for one that krew doesn't know."""
    try:
        return SYSTEMS[platform.system()], MACHINES[platform.machine().lower()]
    except KeyError as unknown:
        raise BuildError(f"krew has no platform {unknown}") from None


def archive_name(version: str, system: str, machine: str) -> str:
    """File name of an archive. Windows' own unpacker wants a zip."""
    return f"kubectl-glasskube-purge_v{version}_{system}_{machine}" + (".zip" if system == "windows" else ".tar.gz")


def moment() -> int:
    """The date of everything in the archive: `SOURCE_DATE_EPOCH`, else the last commit's, in seconds since 1970."""
    if told := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(told)
    asked = ["git", "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        raise BuildError("this is no git checkout: say by SOURCE_DATE_EPOCH which date the archive has") from None


def build(output: Path) -> Path:
    """Builds in the running environment; returns the archive. Raises `BuildError` and `notices.Unlicensed`."""
    system, machine = this_platform()
    date = moment()
    with tempfile.TemporaryDirectory(prefix="glasskube-purge-") as scratch:
        work, made = Path(scratch, "work"), Path(scratch, "dist")
        _collect(work, made, date)
        folder = made / FOLDER
        taken = json.loads((work / "glasskube-purge" / "collected.json").read_text("utf-8"))
        found = notices.components([(kind, name, source) for kind, name, source in taken], work)
        for file in (ROOT / "LICENSE", MAN):
            shutil.copy(file, folder / file.name)
        (folder / "THIRD-PARTY-NOTICES.txt").write_text(notices.notices(found), "utf-8", newline="\n")
        _try(folder)
        archive = output / archive_name(__version__, system, machine)
        digest = pack(folder, archive, date)
    bill = notices.bill(found, __version__, f"{system}/{machine}", date)
    bill_of(archive).write_text(bill, "utf-8", newline="\n")
    print(f"{digest}  {archive}")
    return archive


def build_twice(output: Path) -> Path:
    """Builds, builds again elsewhere, and compares. Raises what `build` does, and `BuildError` where they differ."""
    archive = build(output)
    with tempfile.TemporaryDirectory(prefix="glasskube-purge-again-") as scratch:
        again = build(Path(scratch, "a folder of another name"))
        for first, second in ((archive, again), (bill_of(archive), bill_of(again))):
            if first.read_bytes() != second.read_bytes():
                raise BuildError(f"a second build made another {first.name}: {sha256(first)}, {sha256(second)}")
    return archive


def bill_of(archive: Path) -> Path:
    """Where an archive's bill of materials is."""
    return archive.with_name(f"{archive.name}.cdx.json")


def _collect(work: Path, made: Path, date: int) -> None:
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    command += [f"--distpath={made}", f"--workpath={work}", str(HERE / "glasskube-purge.spec")]
    # Sets in compiled code are written in the order of their hashes; Windows' headers have a date.
    # PyInstaller's cache of stripped libraries is the user's, and may be another build's.
    told = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(date), "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | told, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"PyInstaller ended with {done.returncode}:\n{done.stderr[-4000:]}")


def _try(folder: Path) -> None:
    """Runs what was built, without anything of this environment in its own."""
    executable = folder / (EXECUTABLE + (".exe" if sys.platform == "win32" else ""))
    kept = {name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "TEMP", "TMP", "HOME")}
    for words, expected in (("--version", __version__), ("--help", "--dry-run"), ("help busy", "--wait-idle")):
        done = subprocess.run([executable, *words.split()], env=kept, check=False, capture_output=True, text=True)
        if done.returncode or expected not in done.stdout:
            raise BuildError(f"the executable can't do {words}:\n{done.stdout}{done.stderr}")


def environment() -> Path:
    """The interpreter of an environment with exactly the locked requirements, made where it isn't there yet."""
    locks = b"".join(file.read_bytes() for file in REQUIREMENTS)
    lock = hashlib.sha256(locks + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / "build" / f"archive-{lock}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    finished = folder / "finished"
    if not finished.exists():
        venv.create(folder, clear=True, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Built by nobody here: only what others published ready-made, under the hashes of the lock.
        install += ["--require-hashes", "--only-binary=:all:", *(f"--requirement={file}" for file in REQUIREMENTS)]
        subprocess.run(install, check=True)
        finished.touch()
    return python


def main() -> int:
    """Builds; the exit code is 1 where that fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--twice", action="store_true", help="build again, and compare")
    parser.add_argument("--here", action="store_true", help="build in this environment, not in one of its own")
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    try:
        if arguments.here:
            (build_twice if arguments.twice else build)(output)
        else:
            there = [str(environment()), "-m", "krew.build", "--here", "--output", str(output)]
            there += ["--twice"] * arguments.twice
            return subprocess.run(there, cwd=ROOT, check=False).returncode
    except (BuildError, notices.Unlicensed, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
