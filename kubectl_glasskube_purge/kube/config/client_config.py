"""What to connect to, and as which user: kubeconfig, flags, or a Pod's service account.

client-go calls the result a client config, and its precedence is followed here
to the letter, oddities included, but for one: where nothing names a cluster,
kubectl tries http://localhost:8080, which is never meant; here it is an error.

Nothing is read here but the kubeconfig. Tokens, keys and certificates are
`credentials`' and `tls`'s.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from kubectl_glasskube_purge.kube.errors import ConfigError

from .kubeconfig import Entry, Kubeconfig, load, text

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a Pod finds its service account's token and the cluster's CA."""

_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_TRUE = frozenset({"true", "True", "TRUE", True})


@dataclass(frozen=True)
class Flags:
    """kubectl's global flags that decide who talks to which API server; None, False or () where not given."""

    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    user: str | None = None
    server: str | None = None
    token: str | None = field(default=None, repr=False)
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    as_uid: str | None = None
    certificate_authority: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None
    request_timeout: float | None = None
    """Seconds for one request, 0 for no limit; None where the flag wasn't given. See `parse_timeout`."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    disable_compression: bool = False


@dataclass(frozen=True)
class Target:
    """Which cluster, and as which user: what people are shown before anything happens."""

    context: str
    """`""` where there is none: a bare `--server`, or a Pod's service account."""
    cluster: str
    server: str
    """Without the password that such a URL may contain."""
    user: str

    def __str__(self) -> str:
        """`prod-eu (https://10.0.0.1:6443), as admin@prod-eu`."""
        name = self.context or self.cluster
        where = f"{name} ({self.server})" if name else self.server
        return f"{where}, as {self.user}" if self.user else where


@dataclass(frozen=True)
class Impersonation:
    """The user that every request impersonates. Empty without `user`."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cluster:
    """The server's side of a connection, as a kubeconfig has it."""

    server: str = field(repr=False)
    name: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = field(default="", repr=False)
    """Base64."""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    disable_compression: bool = False
    exec_config: Any = field(default=None, repr=False)
    """What exec plugins get from the cluster entry."""


@dataclass(frozen=True)
class User:
    """The user's side of a connection: where credentials come from, as a kubeconfig has it."""

    name: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    client_certificate: str = ""
    client_certificate_data: str = field(default="", repr=False)
    client_key: str = ""
    client_key_data: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    exec: Entry | None = field(default=None, repr=False)
    auth_provider: Entry | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ClientConfig:
    """All that a connection is made of."""

    target: Target
    cluster: Cluster
    user: User
    impersonation: Impersonation = Impersonation()


def resolve(
    flags: Flags, environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> ClientConfig:
    """What these flags connect to: the kubeconfig's context with the flags laid over, or the Pod's service account.

    Raises `ConfigError` where a name doesn't exist, nothing names a cluster, or
    flags and fields contradict each other.
    """
    kubeconfig = load(flags.kubeconfig, environ)
    context_name = flags.context or kubeconfig.current_context
    if not context_name and not flags.cluster and not flags.server:
        return _in_cluster(flags, kubeconfig, environ, service_account)
    context = _context(kubeconfig, context_name, flags)
    cluster_name = flags.cluster or text(context.get("cluster"))
    cluster = _cluster(cluster_name, _cluster_entry(kubeconfig, cluster_name, flags), flags)
    user_name = flags.user or text(context.get("user"))
    user, impersonation = _user(user_name, _user_entry(kubeconfig, user_name, flags), flags)
    return _client_config(context_name, cluster_name, cluster, user, impersonation)


def reread(
    flags: Flags, before: ClientConfig, environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> ClientConfig:
    """The same connection with the user's part read again: the user may have logged in again meanwhile.

    The context, the server and who it is stay what they were, whatever the file
    says now, and so does everything while the file can't be read.
    """
    try:
        now = resolve(replace(flags, context=before.target.context or None), environ, service_account)
    except ConfigError:
        return before
    return replace(before, user=now.user) if now.target == before.target else before


def parse_timeout(value: str) -> float:
    """Seconds of a `--request-timeout`: `30`, `1s`, `2m`, `1h30m`, `0`. Raises `ConfigError` for anything else."""
    if value.isdecimal():
        return float(value)
    if not re.fullmatch(r"(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+", value):
        raise ConfigError(
            "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a"
            " corresponding time unit (e.g. 1s | 2m | 3h)",
            hint="Check --request-timeout.",
        )
    seconds = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * seconds[unit] for number, unit in re.findall(r"([\d.]+)([a-zµ]+)", value))


def _client_config(
    context: str, cluster_name: str, cluster: Cluster, user: User, impersonation: Impersonation
) -> ClientConfig:
    shown = " impersonated by ".join(name for name in (impersonation.user, user.name) if name)
    if urlsplit(cluster.server).scheme == "http":
        user = User()  # kubectl, too, sends no credentials over an unprotected connection
    return ClientConfig(
        Target(context, cluster_name, _without_userinfo(cluster.server), shown), cluster, user, impersonation
    )


def _context(kubeconfig: Kubeconfig, name: str, flags: Flags) -> Entry:
    if not name or name in kubeconfig.contexts:
        return kubeconfig.contexts.get(name, {})
    raise ConfigError(
        f'context "{name}" does not exist' if flags.context else f"context was not found for specified context: {name}",
        hint="See which there are: kubectl config get-contexts",
    )


def _cluster_entry(kubeconfig: Kubeconfig, name: str, flags: Flags) -> Entry:
    if name in kubeconfig.clusters:
        return kubeconfig.clusters[name]
    if flags.server and not flags.cluster:
        return {}
    raise ConfigError(f'cluster "{name}" does not exist', hint="See which there are: kubectl config get-clusters")


def _user_entry(kubeconfig: Kubeconfig, name: str, flags: Flags) -> Entry:
    if name in kubeconfig.users:
        return kubeconfig.users[name]
    # A context may name a user that isn't there, as long as the flags say who it is.
    if not flags.user and (not name or flags.token or flags.client_certificate or flags.username):
        return {}
    raise ConfigError(f'auth info "{name}" does not exist', hint="See which there are: kubectl config get-users")


def _texts(record: type[Cluster | User], entry: Entry, flags: Flags) -> dict[str, Any]:
    """What a record has as text, apart from its name: from the flag of that name, otherwise from the kubeconfig."""
    names = [one.name for one in fields(record) if one.type == "str" and one.name != "name"]
    return {name: getattr(flags, name, None) or text(entry.get(name.replace("_", "-"))) for name in names}


def _cluster(name: str, entry: Entry, flags: Flags) -> Cluster:
    if flags.server:
        # A name that was written for the kubeconfig's server says nothing about another one.
        entry = {**entry, "tls-server-name": ""}
    cluster = Cluster(
        **_texts(Cluster, entry, flags),
        name=name,
        insecure_skip_tls_verify=entry.get("insecure-skip-tls-verify") in _TRUE,
        disable_compression=flags.disable_compression or entry.get("disable-compression") in _TRUE,
        exec_config=_exec_extension(entry),
    )
    if flags.insecure_skip_tls_verify or flags.certificate_authority:
        cluster = replace(
            cluster,
            insecure_skip_tls_verify=flags.insecure_skip_tls_verify,
            certificate_authority=flags.certificate_authority or "",
            certificate_authority_data="",
        )
    if not cluster.server:
        raise ConfigError(f"no server found for cluster {json.dumps(name)}")
    cluster = replace(cluster, server=_address(cluster.server))
    _check_cluster(cluster)
    return cluster


def _check_cluster(cluster: Cluster) -> None:
    """Raises `ConfigError` for what client-go's validation refuses, in its words."""
    if cluster.certificate_authority and cluster.certificate_authority_data:
        raise ConfigError(
            f"certificate-authority-data and certificate-authority are both specified for {cluster.name}."
            " certificate-authority-data will override."
        )
    if cluster.insecure_skip_tls_verify and (cluster.certificate_authority or cluster.certificate_authority_data):
        raise ConfigError(
            "specifying a root certificates file with the insecure flag is not allowed",
            hint="Give either --certificate-authority or --insecure-skip-tls-verify.",
        )
    scheme = urlsplit(cluster.proxy_url).scheme
    if cluster.proxy_url and scheme not in ("http", "https", "socks5"):
        raise ConfigError(
            f"invalid 'proxy-url' for cluster {json.dumps(cluster.name)}: unsupported scheme {json.dumps(scheme)},"
            " must be http, https, or socks5"
        )


def _exec_extension(entry: Entry) -> Any:
    for extension in entry.get("extensions") or ():
        if isinstance(extension, Mapping) and extension.get("name") == _EXEC_EXTENSION:
            return extension.get("extension")
    return None


def _address(server: str) -> str:
    """The server's URL, made whole as client-go does: `http` where no scheme is given, no query."""
    try:
        parts = urlsplit(server if "://" in server else f"http://{server}")
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("host must be a URL or a host:port pair", hint="Check the server's address.")
    if parts.scheme not in ("http", "https"):
        raise ConfigError(f'unsupported protocol scheme "{parts.scheme}"', hint="Check the server's address.")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _without_userinfo(server: str) -> str:
    parts = urlsplit(server)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _user(name: str, entry: Entry, flags: Flags) -> tuple[User, Impersonation]:
    # A token file in the kubeconfig outlives --token, and then wins over it: so it is in kubectl.
    entry = {**entry, "token-file": entry.get("tokenFile")}
    texts = _texts(User, entry, flags)
    user = User(**texts, name=name, exec=entry.get("exec"), auth_provider=entry.get("auth-provider"))
    impersonation = Impersonation(
        user=flags.as_user or text(entry.get("as")),
        uid=flags.as_uid or text(entry.get("as-uid")),
        groups=flags.as_groups or tuple(text(group) for group in entry.get("as-groups") or ()),
        extra={
            text(key): tuple(text(value) for value in values or ())
            for key, values in (entry.get("as-user-extra") or {}).items()
        },
    )
    _check_user(user, impersonation)
    return user, impersonation


def _check_user(user: User, impersonation: Impersonation) -> None:
    """Raises `ConfigError` for what client-go's validation refuses, in its words."""
    name = user.name
    if user.token and (user.username or user.password):
        raise ConfigError(
            f"more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        )
    if user.client_certificate or user.client_certificate_data:
        if user.client_certificate and user.client_certificate_data:
            raise ConfigError(
                f"client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
            )
        if user.client_key and user.client_key_data:
            raise ConfigError(
                f"client-key-data and client-key are both specified for {name}; client-key-data will override"
            )
        if not user.client_key and not user.client_key_data:
            raise ConfigError(
                f"client-key-data or client-key must be specified for {name} to use the clientCert"
                " authentication method."
            )
    if user.exec is not None:
        _check_exec(user)
    if (impersonation.uid or impersonation.groups or impersonation.extra) and not impersonation.user:
        raise ConfigError(
            f"requesting uid, groups or user-extra for {name} without impersonating a user", hint="Pass --as as well."
        )


def _check_exec(user: User) -> None:
    name, plugin = user.name, user.exec
    if not isinstance(plugin, Mapping):
        raise ConfigError(f"exec of {name} is not an object")
    if user.auth_provider is not None:
        raise ConfigError(f"authProvider cannot be provided in combination with an exec plugin for {name}")
    for field_name in ("command", "apiVersion"):
        if not plugin.get(field_name):
            raise ConfigError(f"{field_name} must be specified for {name} to use exec authentication plugin")
    if any(not isinstance(pair, Mapping) or not pair.get("name") for pair in plugin.get("env") or ()):
        raise ConfigError(f"env variable name must be specified for {name} to use exec authentication plugin")
    mode = text(plugin.get("interactiveMode"))
    if not mode and not text(plugin["apiVersion"]).endswith("beta1"):
        raise ConfigError(f"interactiveMode must be specified for {name} to use exec authentication plugin")
    if mode not in ("", "Never", "IfAvailable", "Always"):
        raise ConfigError(f"invalid interactiveMode for {name}: {json.dumps(mode)}")


def _in_cluster(flags: Flags, kubeconfig: Kubeconfig, environ: Mapping[str, str], folder: Path) -> ClientConfig:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token_file = folder / "token"
    if not (host and port and token_file.is_file()):
        if kubeconfig.contexts or kubeconfig.clusters:
            raise ConfigError("current-context is not set", hint="Pass --context, or: kubectl config use-context NAME")
        raise ConfigError("no kubeconfig was found", hint="Pass --kubeconfig, set KUBECONFIG, or write ~/.kube/config.")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    cluster = _cluster("", {"server": server, "certificate-authority": str(folder / "ca.crt")}, flags)
    entry = {} if flags.token else {"tokenFile": str(token_file)}
    user, impersonation = _user("", entry, flags)
    user = replace(user, name="" if flags.token else _service_account(token_file))
    return _client_config("", "in-cluster", cluster, user, impersonation)


def claims(token: str) -> Mapping[str, Any]:
    """What a JSON web token says of itself, e.g. when it ends and whose it is; empty if it is none. Not verified."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _service_account(token_file: Path) -> str:
    try:
        token = token_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "service account"  # `credentials` reads it, too, and says what is the matter with it
    return text(claims(token).get("sub")) or "service account"
