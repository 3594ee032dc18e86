"""What flags, kubeconfig and service account come to."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge.kube.config.client_config import (
    ClientConfig,
    Flags,
    Impersonation,
    Target,
    parse_timeout,
    reread,
    resolve,
)
from kubectl_glasskube_purge.kube.errors import ConfigError

DOCUMENT: dict[str, Any] = {
    "current-context": "prod",
    "contexts": [
        {"name": "prod", "context": {"cluster": "eu", "user": "admin"}},
        {"name": "test", "context": {"cluster": "local", "user": "dev"}},
        {"name": "torn", "context": {"cluster": "nowhere", "user": "nobody"}},
    ],
    "clusters": [
        {
            "name": "eu",
            "cluster": {
                "server": "https://10.0.0.1:6443",
                "certificate-authority-data": "Q0E=",
                "tls-server-name": "api.eu",
                "proxy-url": "http://proxy:3128",
            },
        },
        {"name": "local", "cluster": {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}},
        {"name": "plain", "cluster": {"server": "http://127.0.0.1:8001"}},
    ],
    "users": [
        {"name": "admin", "user": {"token": "admin-token"}},
        {"name": "dev", "user": {"as": "jane", "as-groups": ["devs"], "as-user-extra": {"why": ["test"]}}},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(DOCUMENT))
    return file


def resolved(path: Path, **flags: Any) -> ClientConfig:
    return resolve(Flags(kubeconfig=str(path), **flags), {})


def test_the_current_context_says_where_and_who(path: Path) -> None:
    config = resolved(path)

    assert config.target == Target("prod", "eu", "https://10.0.0.1:6443", "admin")
    assert str(config.target) == "prod (https://10.0.0.1:6443), as admin"
    assert config.user.token == "admin-token"


def test_flags_lie_over_the_context(path: Path) -> None:
    assert resolved(path, context="test").target.cluster == "local"
    assert resolved(path, context="test", user="admin").target == Target(
        "test", "local", "https://127.0.0.1:6443", "admin"
    )
    assert resolved(path, cluster="local").target.server == "https://127.0.0.1:6443"
    assert resolved(path, token="other").user.token == "other"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"context": "none"}, 'context "none" does not exist'),
        ({"cluster": "none"}, 'cluster "none" does not exist'),
        ({"user": "none"}, 'auth info "none" does not exist'),
        ({"context": "torn"}, 'cluster "nowhere" does not exist'),
        ({"context": "torn", "cluster": "eu"}, 'auth info "nobody" does not exist'),
    ],
)
def test_names_that_do_not_exist_are_refused(path: Path, flags: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(path, **flags)

    assert caught.value.message == message
    assert caught.value.hint


def test_a_current_context_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump({**DOCUMENT, "current-context": "gone"}))

    with pytest.raises(ConfigError, match="context was not found for specified context: gone"):
        resolved(file)


def test_without_a_current_context_nothing_is_guessed(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump({**DOCUMENT, "current-context": ""}))

    with pytest.raises(ConfigError, match="current-context is not set"):
        resolved(file)
    assert resolved(file, context="prod").target.context == "prod"
    assert resolved(file, cluster="eu", user="admin").target == Target("", "eu", "https://10.0.0.1:6443", "admin")


def test_without_a_kubeconfig_nothing_is_guessed() -> None:
    with pytest.raises(ConfigError, match="no kubeconfig was found"):
        resolve(Flags(), {})


def test_a_server_alone_is_enough() -> None:
    config = resolve(Flags(server="https://10.0.0.9", token="t"), {})

    assert str(config.target) == "https://10.0.0.9"
    assert config.user.token == "t"


def test_a_user_that_does_not_exist_is_no_matter_where_a_token_is_given(path: Path) -> None:
    assert resolved(path, context="torn", cluster="eu", token="t").user.token == "t"


def test_tls_server_name_belongs_to_the_server_it_was_written_for(path: Path) -> None:
    assert resolved(path).cluster.tls_server_name == "api.eu"
    assert resolved(path, server="https://10.0.0.2").cluster.tls_server_name == ""
    assert resolved(path, server="https://10.0.0.2", tls_server_name="b").cluster.tls_server_name == "b"


def test_insecure_and_a_ca_from_flags_replace_what_the_kubeconfig_trusts(path: Path) -> None:
    insecure = resolved(path, insecure_skip_tls_verify=True).cluster
    assert (insecure.insecure_skip_tls_verify, insecure.certificate_authority_data) == (True, "")

    ca = resolved(path, context="test", certificate_authority="/ca.crt").cluster
    assert (ca.insecure_skip_tls_verify, ca.certificate_authority) == (False, "/ca.crt")

    with pytest.raises(ConfigError, match="root certificates file with the insecure flag"):
        resolved(path, insecure_skip_tls_verify=True, certificate_authority="/ca.crt")


def test_credentials_are_not_sent_over_plain_http(path: Path) -> None:
    config = resolved(path, cluster="plain", token="t", as_user="jane")

    assert config.user.token == ""
    assert config.impersonation.user == "jane"


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://rancher/k8s/clusters/c-1?x=1#y", "https://rancher/k8s/clusters/c-1"),
        ("https://[::1]:6443", "https://[::1]:6443"),
    ],
)
def test_a_servers_address_is_made_whole_as_kubectl_does(server: str, url: str) -> None:
    assert resolve(Flags(server=server), {}).cluster.server == url


@pytest.mark.parametrize("server", ["https://", "https://host:port", "ftp://host", "https://host:0"])
def test_an_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(ConfigError):
        resolve(Flags(server=server), {})


def test_passwords_in_addresses_are_not_shown() -> None:
    config = resolve(Flags(server="https://me:SECRET@host", proxy_url="http://me:SECRET@proxy"), {})

    assert "SECRET" not in repr(config)
    assert config.target.server == "https://host"


def test_impersonation_comes_from_the_kubeconfig_and_flags_lie_over_it(path: Path) -> None:
    from_file = resolved(path, context="test")
    assert from_file.impersonation == Impersonation("jane", "", ("devs",), {"why": ("test",)})
    assert from_file.target.user == "jane impersonated by dev"

    assert resolved(path, context="test", as_groups=("a", "b"), as_uid="7").impersonation == Impersonation(
        "jane", "7", ("a", "b"), {"why": ("test",)}
    )
    assert resolved(path, as_user="joe").impersonation == Impersonation("joe")


@pytest.mark.parametrize("flags", [{"as_groups": ("g",)}, {"as_uid": "7"}])
def test_groups_and_uid_need_somebody_to_impersonate(path: Path, flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="for admin without impersonating a user"):
        resolved(path, **flags)


@pytest.mark.parametrize(
    ("user", "flags", "message"),
    [
        ({"username": "u", "password": "p"}, {"token": "t"}, "more than one authentication method found for u"),
        ({"client-certificate-data": "Qw=="}, {}, "client-key-data or client-key must be specified for u"),
        (
            {"client-certificate-data": "Qw==", "client-key-data": "Qw=="},
            {"client_certificate": "/c"},
            "client-cert-data and client-cert are both specified for u",
        ),
        (
            {"client-certificate-data": "Qw==", "client-key-data": "Qw=="},
            {"client_key": "/k"},
            "client-key-data and client-key are both specified for u",
        ),
        ({"exec": {"command": "x"}}, {}, "apiVersion must be specified for u"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, {}, "command must be specified for u"),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}},
            {},
            "interactiveMode must be specified for u",
        ),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Yes"}},
            {},
            'invalid interactiveMode for u: "Yes"',
        ),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "x"}, "auth-provider": {}},
            {},
            "authProvider cannot be provided in combination with an exec plugin for u",
        ),
    ],
)
def test_credentials_that_contradict_each_other_are_refused(
    tmp_path: Path, user: dict[str, Any], flags: dict[str, Any], message: str
) -> None:
    file = tmp_path / "config"
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://h"}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )

    with pytest.raises(ConfigError) as caught:
        resolved(file, **flags)

    assert message in caught.value.message


def test_a_proxy_of_an_unknown_kind_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match='unsupported scheme "ftp", must be http, https, or socks5'):
        resolved(path, proxy_url="ftp://me:SECRET@proxy")


# Service account


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "system:serviceaccount:ops:purger"}).encode())
    (folder / "token").write_text(f"e30.{claims.decode().rstrip('=')}.sig")
    (folder / "ca.crt").write_text("CA")
    return folder


POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_pod_uses_its_service_account(mount: Path) -> None:
    config = resolve(Flags(), POD, mount)

    assert str(config.target) == "in-cluster (https://10.0.0.1:443), as system:serviceaccount:ops:purger"
    assert config.user.token_file == str(mount / "token")
    assert config.cluster.certificate_authority == str(mount / "ca.crt")


def test_a_pod_speaks_ipv6_too(mount: Path) -> None:
    assert (
        resolve(Flags(), {**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, mount).cluster.server == "https://[fd00::1]:443"
    )


def test_a_pods_flags_lie_over_its_service_account(mount: Path) -> None:
    config = resolve(Flags(token="t", as_user="jane"), POD, mount)

    assert (config.user.token, config.user.token_file) == ("t", "")
    assert config.impersonation.user == "jane"


def test_a_kubeconfig_goes_before_the_service_account(path: Path, mount: Path) -> None:
    assert resolve(Flags(kubeconfig=str(path)), POD, mount).target.context == "prod"


def test_a_context_asked_for_is_not_replaced_by_the_service_account(mount: Path) -> None:
    with pytest.raises(ConfigError, match='context "prod" does not exist'):
        resolve(Flags(context="prod"), POD, mount)


def test_without_a_token_it_is_no_pod(mount: Path) -> None:
    (mount / "token").unlink()

    with pytest.raises(ConfigError, match="no kubeconfig was found"):
        resolve(Flags(), POD, mount)


# Reading again


def test_only_credentials_are_taken_when_the_kubeconfig_is_read_again(path: Path) -> None:
    flags = Flags(kubeconfig=str(path))
    before = resolve(flags, {})
    document = {**DOCUMENT, "current-context": "test"}
    document["users"] = [{"name": "admin", "user": {"token": "new"}}, {"name": "dev", "user": {}}]
    path.write_text(yaml.safe_dump(document))

    after = reread(flags, before, {})

    assert after == replace(before, user=replace(before.user, token="new"))


def test_a_server_that_was_changed_meanwhile_gets_no_credentials(path: Path) -> None:
    flags = Flags(kubeconfig=str(path))
    before = resolve(flags, {})
    path.write_text(path.read_text().replace("10.0.0.1", "10.6.6.6").replace("admin-token", "new"))

    assert reread(flags, before, {}) is before


def test_a_kubeconfig_that_is_just_being_written_changes_nothing(path: Path) -> None:
    flags = Flags(kubeconfig=str(path))
    before = resolve(flags, {})
    path.write_text("users: [")

    assert reread(flags, before, {}) is before


# --request-timeout


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("30", 30), ("1s", 1), ("2m", 120), ("1h30m", 5400), ("1.5s", 1.5), ("9ms", 0.009)],
)
def test_request_timeouts_are_read_as_kubectl_reads_them(value: str, seconds: float) -> None:
    assert parse_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "soon", "5 s", "-1s", "5d", "1.2.3s"])
def test_other_request_timeouts_are_refused_in_kubectls_words(value: str) -> None:
    with pytest.raises(ConfigError, match="Invalid timeout value"):
        parse_timeout(value)
