"""The second name of the executable, by which `kubectl glasskube purge` finds it.

kubectl turns the words of a command line into a file name: `kubectl glasskube purge`
looks for `kubectl-glasskube-purge`, `kubectl glasskube-purge` for
`kubectl-glasskube_purge`. pip installs both, krew links only the latter. What is
missing is a link beside krew's own, to it and not to what it points at: krew
renews its link with every upgrade.

Knows the file system and nothing of Kubernetes; whether to speak of it is the
command line's decision.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from kubectl_glasskube_purge.kube.problem import ProblemError

NAME = "kubectl-glasskube-purge"
KREW_NAME = "kubectl-glasskube_purge"

HINT = "This works as `kubectl glasskube purge`, too, once you run: kubectl glasskube-purge install-alias"

AFTERWARDS = (
    "krew doesn't know of this name. Before `kubectl krew uninstall glasskube-purge` run:"
    " kubectl glasskube-purge install-alias --remove"
)


class AliasError(ProblemError):
    """The second name can't be made, or removed. The message says why, and what to do instead."""


def invoked(argv0: str) -> Path | None:
    """The file by which this program was started, links not followed; None where that isn't the plugin's executable.

    kubectl passes the whole path; a shell passes what was typed.
    """
    path = Path(argv0)
    if path.name.removesuffix(".exe") not in (NAME, KREW_NAME):
        return None
    if path.parent == Path() and os.sep not in argv0:
        found = shutil.which(argv0)
        return Path(found).absolute() if found else None
    return path.absolute() if os.path.lexists(path) else None


def linked_by_krew(executable: Path) -> bool:
    """Whether krew made this link: it stands in `bin` of a krew root and leads into the root's `store`."""
    root = executable.parent.parent
    return (
        executable.is_symlink()
        and executable.parent.name == "bin"
        and root.resolve() / "store" in (executable.resolve().parents)
    )


def install(argv0: str) -> tuple[Path, bool]:
    """Makes the second name beside the first. Returns its path, and whether it is new. Raises `AliasError`."""
    executable = invoked(argv0)
    if executable is None:
        raise AliasError(
            f"this was not started as {KREW_NAME}, so there is no executable to give a second name to; "
            f"link {NAME} to it by hand, in a folder on the PATH"
        )
    suffix = ".exe" if executable.name.endswith(".exe") else ""
    alias = executable.with_name(NAME + suffix)
    if executable.name == alias.name or (alias.exists() and alias.resolve() == executable.resolve()):
        return alias, False
    if alias.exists() and filecmp.cmp(alias, executable, shallow=False):
        return alias, False  # pip's: each name has a file of its own
    if alias.exists():
        raise AliasError(f"{alias} exists and is something else; move it away, then run this again")
    try:
        if alias.is_symlink():
            alias.unlink()  # it leads nowhere: what it was made for is gone
        # Relative: the folder may be reached by another path tomorrow.
        alias.symlink_to(executable.name)
    except OSError as error:
        raise AliasError(f"{alias} can't be made: {error.strerror or error}") from error
    return alias, True


def remove(argv0: str) -> Path | None:
    """Takes the second name away; returns what it was, None where there was none. Raises `AliasError`.

    krew removes its own link when it uninstalls, and this one would then lead nowhere.
    """
    executable = invoked(argv0)
    if executable is None:
        raise AliasError(f"this was not started as {KREW_NAME}: remove {NAME} by hand")
    suffix = ".exe" if executable.name.endswith(".exe") else ""
    alias = executable.with_name(NAME + suffix)
    if not os.path.lexists(alias):
        return None
    if not alias.is_symlink() or os.readlink(alias) != KREW_NAME + suffix:
        raise AliasError(f"{alias} isn't the link that install-alias makes; remove it by hand, if it may go")
    try:
        alias.unlink()
    except OSError as error:
        raise AliasError(f"{alias} can't be removed: {error.strerror or error}") from error
    return alias


def on_path(alias: Path) -> bool:
    """Whether kubectl finds the second name where it was made."""
    found = shutil.which(NAME)
    return found is not None and Path(found).absolute() == alias


def due(argv0: str, state: Path) -> bool:
    """Whether to say the hint: after a krew install, without the second name, for the first time.

    That it was said is remembered by a file in `state`; where that can't be
    written it is not said at all, rather than at every run.
    """
    executable = invoked(argv0)
    if executable is None or executable.name.startswith(NAME) or not linked_by_krew(executable):
        return False
    if shutil.which(NAME):
        return False
    try:
        state.mkdir(parents=True, exist_ok=True)
        (state / "alias-hint").touch(exist_ok=False)
    except OSError:
        return False
    return True
