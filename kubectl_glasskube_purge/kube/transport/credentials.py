"""Who the requests come from: tokens, passwords, certificates, and their renewal.

`Credentials` hands out the current `Identity`, and makes a new one when it is
about to expire or when the API server refused it: once, for all requests that
wait for it. How a request carries an identity is `session`'s.

The order of precedence is client-go's: token file, token, user name and
password, exec plugin, auth provider; a client certificate goes with any of them,
but where one is given no plugin is run.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube.config.client_config import ClientConfig, User, claims
from kubectl_glasskube_purge.kube.config.kubeconfig import Entry, text
from kubectl_glasskube_purge.kube.errors import ConfigError

from . import exec_plugin, tls
from .tls import ClientCertificate

TOKEN_FILE_SECONDS = 50.0
"""How long a token file's content is believed: client-go's minute less its leeway. Kubelets replace it earlier."""

LEEWAY_SECONDS = 10.0
"""How long before its expiry a credential is renewed: it should outlive the request it is sent with."""


@dataclass(frozen=True)
class Identity:
    """What proves, for now, who we are."""

    authorization: str = field(default="", repr=False)
    """The header's value, `""` for none."""
    certificate: ClientCertificate | None = field(default=None, repr=False)
    renew_at: float | None = field(default=None, compare=False)
    """Seconds since the epoch; None where nothing says when it ends."""

    @property
    def due(self) -> bool:
        """Whether a new one should be made before the next request."""
        return self.renew_at is not None and time.time() >= self.renew_at


class Credentials:
    """The identity of one connection over its life."""

    def __init__(self, config: ClientConfig, reread: Callable[[], ClientConfig]) -> None:
        """`reread` reads the kubeconfig again, for whatever was changed in it by logging in again."""
        self._config = config
        self._reread = reread
        self._current: Identity | None = None
        self._renewal: asyncio.Task[Identity] | None = None

    async def current(self) -> Identity:
        """An identity that isn't known to be out of date. Raises `ConfigError` where none is to be had."""
        if self._current is None or self._current.due:
            return await self._renewed()
        return self._current

    async def after_refusal(self, refused: Identity) -> Identity:
        """The identity to try after a 401; equal to the refused one where there is no other.

        Raises `ConfigError` where the credentials can't be had any more.
        """
        if self._current is None or self._current is refused:
            return await self._renewed()
        return self._current  # renewed meanwhile, for another request

    async def close(self) -> None:
        """Ends a renewal that nothing waits for any more."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConfigError):
                await self._renewal

    async def _renewed(self) -> Identity:
        # Shared, so that all who wait get one answer: a login may ask questions, and a failure is a failure for all.
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> Identity:
        try:
            if self._current is not None:
                self._config = self._reread()
            self._current = await _identify(self._config, self._current)
            return self._current
        finally:
            self._renewal = None


async def _identify(config: ClientConfig, before: Identity | None) -> Identity:
    user = config.user
    certificate = _certificate(user)
    if user.token_file:
        return _from_token_file(user, certificate, before)
    if user.token:
        return Identity(_bearer(user.token), certificate)
    if user.username or user.password:
        basic = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        return Identity(f"Basic {basic}", certificate)
    if user.exec and not certificate:
        credential = await exec_plugin.run(user.exec, config.cluster)
        authorization = _bearer(credential.token) if credential.token else ""
        return Identity(authorization, credential.certificate, _renew_at(credential.expires))
    if user.auth_provider:
        return _from_auth_provider(user.auth_provider, certificate)
    return Identity(certificate=certificate)


def _from_token_file(user: User, certificate: ClientCertificate | None, before: Identity | None) -> Identity:
    try:
        token = tls.read(user.token_file).decode("utf-8", "replace").strip()
        authorization = _bearer(token) if token else ""
    except ConfigError:
        # The file may be missing for a moment while it is replaced.
        if before is None and not user.token:
            raise
        authorization = ""
    if not authorization:
        authorization = before.authorization if before else _bearer(user.token) if user.token else ""
    if not authorization:
        raise ConfigError(f'read empty token from file "{user.token_file}"', hint="Log in again.")
    return Identity(authorization, certificate, time.time() + TOKEN_FILE_SECONDS)


def _from_auth_provider(provider: Entry, certificate: ClientCertificate | None) -> Identity:
    """The ID token that kubectl keeps in the kubeconfig.

    It isn't renewed here: the provider may hand out a new refresh token with it,
    and a client that doesn't write that one into the kubeconfig logs its owner out.
    kubectl does, and the kubeconfig is read again.
    """
    name = text(provider.get("name")) if isinstance(provider, dict) else ""
    if name in ("gcp", "azure"):
        raise ConfigError(
            f"The {name} auth plugin has been removed.",
            hint=f'Use the "{"gke-gcloud-auth-plugin" if name == "gcp" else "kubelogin"}" exec plugin instead.',
        )
    if name != "oidc":
        raise ConfigError(f'no Auth Provider found for name "{name}"', hint="Use an exec plugin instead.")
    token = text((provider.get("config") or {}).get("id-token"))
    ends = claims(token).get("exp")
    expires = float(ends) if isinstance(ends, (int, float)) else None
    if not token or (expires is not None and expires <= time.time()):
        raise ConfigError("No valid id-token", hint="kubectl renews it, with any command: kubectl auth whoami")
    return Identity(_bearer(token), certificate, _renew_at(expires))


def _certificate(user: User) -> ClientCertificate | None:
    if not user.client_certificate and not user.client_certificate_data:
        return None
    return ClientCertificate(
        tls.embedded("client-cert", user.client_certificate_data, user.client_certificate, user.name),
        tls.embedded("client-key", user.client_key_data, user.client_key, user.name),
    )


def _bearer(token: str) -> str:
    # Checked here, because the HTTP library's own message would repeat the token.
    if not token.isprintable() or not token.isascii():
        raise ConfigError('invalid header field value for "Authorization"', hint="The bearer token has line breaks.")
    return f"Bearer {token}"


def _renew_at(expires: float | None) -> float | None:
    if expires is None:
        return None
    # A plugin that keeps its credential until it expires would be run for every request within the leeway.
    early = expires - LEEWAY_SECONDS
    return early if early > time.time() else expires
