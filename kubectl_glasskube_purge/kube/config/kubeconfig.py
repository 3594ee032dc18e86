"""kubectl's kubeconfig files, found and merged.

By the rules of client-go's `clientcmd`, because kr8s reads them differently:
the first file wins for every name and for `current-context`, paths are relative
to the file they stand in, missing files are skipped. What is chosen from the
result, and what flags lay over it, is `client_config`'s.

Reads YAML with PyYAML, which kr8s brings anyway: it speaks YAML 1.1 as kubectl
does, and its C parser takes milliseconds for a kubeconfig of a hundred clusters,
which completion of their names has to read at every keypress. For the same
reason neither kr8s nor httpx is imported here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubectl_glasskube_purge.kube.errors import ConfigError

Entry = Mapping[str, Any]

_CLUSTER_PATHS = ("certificate-authority",)
_USER_PATHS = ("client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True)
class Kubeconfig:
    """The merged files: entries by name, their paths absolute."""

    current_context: str = ""
    contexts: Mapping[str, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Entry] = field(default_factory=dict)
    users: Mapping[str, Entry] = field(default_factory=dict, repr=False)


def load(explicit: str | None = None, environ: Mapping[str, str] = os.environ) -> Kubeconfig:
    """The kubeconfig as kubectl finds it: `--kubeconfig`, else `$KUBECONFIG`'s files, else `~/.kube/config`.

    Empty where no file exists. Raises `ConfigError` where the explicit file
    doesn't exist, or a file can't be read or understood.
    """
    if explicit:
        paths = [explicit]
    elif environ.get("KUBECONFIG"):
        paths = list(dict.fromkeys(path for path in environ["KUBECONFIG"].split(os.pathsep) if path))
    else:
        # Not Path.home(): a Pod's user may have no home, and then there is no such file.
        paths = [os.path.join(os.path.expanduser("~"), ".kube", "config")]
    files = []
    for path in paths:
        try:
            files.append(_read(path))
        except FileNotFoundError:
            if explicit:
                raise ConfigError(f"stat {path}: no such file or directory", hint="Check --kubeconfig.") from None
    return _merge(files)


def text(value: object) -> str:
    """A YAML scalar as Kubernetes' string fields take it: `""` for null, `true` for a boolean."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merge(files: list[Kubeconfig]) -> Kubeconfig:
    lowest_first = files[::-1]
    return Kubeconfig(
        current_context=next((file.current_context for file in files if file.current_context), ""),
        contexts={name: entry for file in lowest_first for name, entry in file.contexts.items()},
        clusters={name: entry for file in lowest_first for name, entry in file.clusters.items()},
        users={name: entry for file in lowest_first for name, entry in file.users.items()},
    )


def _read(path: str) -> Kubeconfig:
    """One file. Raises `FileNotFoundError`, and `ConfigError` for all else that is wrong with it."""
    document = _parse(path)
    if not document:
        return Kubeconfig()
    if not isinstance(document, Mapping) or document.get("kind", "Config") != "Config":
        raise ConfigError(f'error loading config file "{path}": not a kubeconfig')
    folder = os.path.dirname(os.path.abspath(path))
    return Kubeconfig(
        current_context=text(document.get("current-context")),
        contexts=_entries(document, "contexts", "context", path),
        clusters={
            name: _absolute(cluster, _CLUSTER_PATHS, folder)
            for name, cluster in _entries(document, "clusters", "cluster", path).items()
        },
        users={
            name: _absolute_command(_absolute(user, _USER_PATHS, folder), folder)
            for name, user in _entries(document, "users", "user", path).items()
        },
    )


def _parse(path: str) -> Any:
    import yaml

    try:
        content = Path(path).read_text("utf-8-sig")  # Windows' editors put a byte order mark in front
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f'error loading config file "{path}": open {path}: {reason(error)}') from None
    except UnicodeDecodeError:
        raise ConfigError(f'error loading config file "{path}": not UTF-8') from None
    try:
        if content.lstrip().startswith("{"):
            return json.loads(content)  # as kubectl does: JSON may be indented by tabs, YAML mayn't
        return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (yaml.YAMLError, ValueError) as error:
        # The parser's own message quotes the lines around the mistake, and those may hold a token or a key.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else getattr(error, "lineno", None)
        where = f"line {line}: " if line else ""
        raise ConfigError(f'error loading config file "{path}": {where}not valid YAML') from None


def _entries(document: Entry, section: str, key: str, path: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    listed = document.get(section) or ()
    if not isinstance(listed, (list, tuple)):
        raise ConfigError(f'error loading config file "{path}": {section} is not a list')
    for entry in listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get(key) or {}, Mapping):
            raise ConfigError(f'error loading config file "{path}": {section} is not a list of named entries')
        name = text(entry.get("name"))
        if name in entries:
            raise ConfigError(f'error loading config file "{path}": duplicate name "{name}" in {section}')
        entries[name] = entry.get(key) or {}
    return entries


def _absolute(entry: Entry, keys: tuple[str, ...], folder: str) -> Entry:
    return {**entry, **{key: os.path.join(folder, text(entry[key])) for key in keys if entry.get(key)}}


def _absolute_command(user: Entry, folder: str) -> Entry:
    plugin = user.get("exec")
    if not isinstance(plugin, Mapping) or os.sep not in text(plugin.get("command")):
        return user  # a bare name is looked up in PATH
    return {**user, "exec": {**plugin, "command": os.path.join(folder, text(plugin["command"]))}}


def reason(error: OSError) -> str:
    """Why a file can't be read, in the words of Go programs: `no such file or directory`."""
    return (error.strerror or "unreadable").lower()
