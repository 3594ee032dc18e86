"""What can go wrong with a backup, as types. Each says whether anything was changed by it: nothing ever was."""

from __future__ import annotations

from kubectl_glasskube_purge.kube.problem import ProblemError


class UndoError(ProblemError):
    """The root."""

    code = "undo"


class BackupExists(UndoError):
    """The file is there already; no backup is ever written over anything."""

    code = "backup-exists"
    hint = "Name another file with --backup."
    ending = "refused"


class BackupImpossible(UndoError):
    """Objects that would be deleted can't be read, so they can't be written down either."""

    code = "backup-impossible"
    hint = "Get the rights to read them, or give up the way back with --no-backup."
    ending = "refused"


class BackupFailed(UndoError):
    """The file couldn't be written, or doesn't say what was written."""

    code = "backup-failed"
    hint = "Name a file on another disk with --backup, or give up the way back with --no-backup."


class BackupUnreadable(UndoError):
    """A file that is to be restored isn't there, is cut off, or is no list of Kubernetes objects."""

    code = "backup-unreadable"
    hint = "Check the file's name; a backup ends with a line that says so."
    ending = "refused"


class NothingSelected(UndoError):
    """`--only` matches nothing in the files."""

    code = "nothing-selected"
    hint = "--only takes flux, controllers, packages, or an object as KIND/NAME or KIND/NAMESPACE/NAME."
    ending = "refused"
