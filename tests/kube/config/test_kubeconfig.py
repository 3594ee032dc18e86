"""Finding, reading and merging kubeconfig files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge.kube.config.kubeconfig import load
from kubectl_glasskube_purge.kube.errors import ConfigError


def write(path: Path, **sections: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **sections}))
    return path


def cluster(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "cluster": fields}


def user(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "user": fields}


def joined(*paths: Path) -> dict[str, str]:
    return {"KUBECONFIG": os.pathsep.join(str(path) for path in paths)}


def test_home_is_read_where_nothing_else_is_named(home: Path) -> None:
    write(home / ".kube" / "config", **{"current-context": "home"})

    assert load(None, {}).current_context == "home"


def test_the_environment_stands_in_for_home_and_the_flag_for_both(home: Path, tmp_path: Path) -> None:
    write(home / ".kube" / "config", **{"current-context": "home"})
    environ = joined(write(tmp_path / "environment", **{"current-context": "environment"}))
    flag = write(tmp_path / "flag", **{"current-context": "flag"})

    assert load(None, environ).current_context == "environment"
    assert load(str(flag), environ).current_context == "flag"


def test_the_first_file_wins_for_every_name_and_for_the_current_context(tmp_path: Path) -> None:
    first = write(tmp_path / "first", clusters=[cluster("c", server="https://first")])
    second = write(
        tmp_path / "second",
        **{"current-context": "second"},
        clusters=[cluster("c", server="https://second", **{"tls-server-name": "second"}), cluster("d", server="d")],
    )
    third = write(tmp_path / "third", **{"current-context": "third"}, users=[user("u", token="t")])

    merged = load(None, joined(first, second, third))

    assert merged.current_context == "second"
    assert merged.clusters == {"c": {"server": "https://first"}, "d": {"server": "d"}}
    assert merged.users == {"u": {"token": "t"}}


def test_missing_and_empty_files_are_passed_over(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")
    last = write(tmp_path / "last", **{"current-context": "last"})

    assert load(None, joined(tmp_path / "missing", empty, last)).current_context == "last"
    assert load(None, joined(tmp_path / "missing")).contexts == {}


def test_a_missing_file_that_was_asked_for_is_an_error_in_kubectls_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"stat {tmp_path}/none: no such file or directory"):
        load(str(tmp_path / "none"))


def test_relative_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    one = write(tmp_path / "a" / "config", clusters=[cluster("c", **{"certificate-authority": "ca.crt"})])
    two = write(
        tmp_path / "b" / "config",
        users=[
            user(
                "u",
                **{"client-certificate": "pki/u.crt", "client-key": "/etc/u.key", "tokenFile": "../token"},
                exec={"command": "./plugin"},
            ),
            user("v", exec={"command": "plugin"}),
        ],
    )

    merged = load(None, joined(one, two))

    assert merged.clusters["c"]["certificate-authority"] == f"{tmp_path}/a/ca.crt"
    assert merged.users["u"]["client-certificate"] == f"{tmp_path}/b/pki/u.crt"
    assert merged.users["u"]["client-key"] == "/etc/u.key"
    assert os.path.normpath(merged.users["u"]["tokenFile"]) == f"{tmp_path}/token"
    assert os.path.normpath(merged.users["u"]["exec"]["command"]) == f"{tmp_path}/b/plugin"
    assert merged.users["v"]["exec"]["command"] == "plugin"


def test_json_with_tabs_is_a_kubeconfig_too(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{\n\t"current-context": "json",\n\t"contexts": []\n}')

    assert load(str(path)).current_context == "json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("users: [{name: u, user: {token: SECRET", ": not valid YAML"),
        ("users:\n- name: u\n  user: {token: SECRET}}\n", "line 3: not valid YAML"),
        ('{"users": [{"token": "SECRET"}', "line 1: not valid YAML"),
        ("SECRET", "not a kubeconfig"),
        ("kind: Pod\ntoken: SECRET", "not a kubeconfig"),
        ("users: SECRET", "users is not a list"),
        ("users: [SECRET]", "users is not a list of named entries"),
        ("users: [{name: u, user: {token: SECRET}}, {name: u, user: {}}]", 'duplicate name "u" in users'),
    ],
)
def test_what_is_no_kubeconfig_is_said_without_showing_what_is_in_it(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(ConfigError) as caught:
        load(str(path))

    assert caught.value.message.startswith(f'error loading config file "{path}": ')
    assert caught.value.message.endswith(message)
    assert "SECRET" not in repr(caught.value.__dict__)


def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        load(str(tmp_path))


def test_a_pod_whose_user_has_no_home_has_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does for a user nobody knows

    assert load(None, {}).contexts == {}


def test_a_byte_order_mark_is_no_part_of_a_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xef\xbb\xbfcurrent-context: windows")

    assert load(str(path)).current_context == "windows"


def test_users_are_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "config", users=[user("u", token="SECRET")])

    assert "SECRET" not in repr(load(str(path)))
