"""What can go wrong with a backup, as types. Each says whether anything was changed by it: nothing ever was."""

from __future__ import annotations

from typing import ClassVar, Literal


class UndoError(Exception):
    """The root. `code` is for scripts, `message` says what is wrong, `hint` what to do next."""

    code = "undo"
    hint = ""
    outcome: ClassVar[Literal["failed", "refused"]] = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class BackupExists(UndoError):
    """The file is there already; no backup is ever written over anything."""

    code = "backup-exists"
    hint = "Name another file with --backup."
    outcome = "refused"


class BackupImpossible(UndoError):
    """Objects that would be deleted can't be read, so they can't be written down either."""

    code = "backup-impossible"
    hint = "Get the rights to read them, or give up the way back with --no-backup."
    outcome = "refused"


class BackupFailed(UndoError):
    """The file couldn't be written, or doesn't say what was written."""

    code = "backup-failed"
    hint = "Name a file on another disk with --backup, or give up the way back with --no-backup."


class BackupUnreadable(UndoError):
    """A file that is to be restored isn't there, is cut off, or is no list of Kubernetes objects."""

    code = "backup-unreadable"
    hint = "Check the file's name; a backup ends with a line that says so."
    outcome = "refused"


class NothingSelected(UndoError):
    """`--only` matches nothing in the files."""

    code = "nothing-selected"
    hint = "--only takes flux, controllers, packages, or an object as KIND/NAME or KIND/NAMESPACE/NAME."
    outcome = "refused"
