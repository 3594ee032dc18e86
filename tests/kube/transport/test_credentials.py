"""Which credentials are used, and when they are made anew."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kubectl_glasskube_purge.kube.config.client_config import ClientConfig, Cluster, Target, User
from kubectl_glasskube_purge.kube.errors import ConfigError
from kubectl_glasskube_purge.kube.transport import credentials as module
from kubectl_glasskube_purge.kube.transport import exec_plugin
from kubectl_glasskube_purge.kube.transport.credentials import Credentials, Identity
from kubectl_glasskube_purge.kube.transport.exec_plugin import ExecCredential
from tests.cluster.pki import Authority

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Never"}


def config(user: User) -> ClientConfig:
    return ClientConfig(Target("c", "c", "https://h", "u"), Cluster("https://h"), user)


def credentials(user: User) -> Credentials:
    return Credentials(config(user), lambda: config(user))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


Plugins = list[Callable[[], ExecCredential]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """What the plugin does at each run, in order. Each run takes it out of the list."""
    answers: Plugins = []

    async def run(plugin: object, cluster: Cluster) -> ExecCredential:
        await asyncio.sleep(0)
        return answers.pop(0)()

    monkeypatch.setattr(exec_plugin, "run", run)
    return answers


def jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        (User(token="t"), "Bearer t"),
        (User(username="u", password="p"), "Basic dTpw"),
        (User(username="jürgen", password="p"), "Basic " + base64.b64encode("jürgen:p".encode()).decode()),
        (User(), ""),
        (User(token="t", exec=EXEC), "Bearer t"),
        (User(username="u", password="p", exec=EXEC), "Basic dTpw"),
    ],
)
async def test_what_is_written_down_is_used_and_no_plugin_is_run(user: User, authorization: str, runs: Plugins) -> None:
    assert (await credentials(user).current()).authorization == authorization


async def test_a_client_certificate_goes_before_a_plugin(authority: Authority, tmp_path: Path, runs: Plugins) -> None:
    pair = authority.client("jane")
    (tmp_path / "crt").write_bytes(pair.certificate)
    user = User(
        client_certificate=str(tmp_path / "crt"), client_key_data=base64.b64encode(pair.key).decode(), exec=EXEC
    )

    identity = await credentials(user).current()

    assert identity.authorization == ""
    assert identity.certificate is not None
    assert (identity.certificate.certificate, identity.certificate.key) == (pair.certificate, pair.key)


async def test_a_certificate_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unable to read client-cert /no\.crt .* no such file or directory"):
        await credentials(User(client_certificate="/no.crt", client_key="/no.key")).current()


# Token files


async def test_a_token_file_is_read_again_within_a_minute(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    made = credentials(User(token_file=str(file)))
    assert (await made.current()).authorization == "Bearer one"

    file.write_text("two\n")
    clock.now += 30
    assert (await made.current()).authorization == "Bearer one"
    clock.now += 30
    assert (await made.current()).authorization == "Bearer two"


async def test_a_token_file_is_read_again_when_its_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    made = credentials(User(token_file=str(file)))
    refused = await made.current()

    file.write_text("two")

    assert (await made.after_refusal(refused)).authorization == "Bearer two"


async def test_a_token_file_wins_over_a_token_as_in_kubectl(tmp_path: Path) -> None:
    file = tmp_path / "token"
    user = User(token="flag", token_file=str(file))
    assert (await credentials(user).current()).authorization == "Bearer flag"

    file.write_text("file")
    assert (await credentials(user).current()).authorization == "Bearer file"


async def test_the_last_token_is_kept_while_the_file_is_missing_or_empty(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    made = credentials(User(token_file=str(file)))
    await made.current()

    for prepare in (file.unlink, lambda: file.write_text("")):
        prepare()
        clock.now += 60
        assert (await made.current()).authorization == "Bearer one"


async def test_a_token_file_that_never_was_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or directory"):
        await credentials(User(token_file=str(tmp_path / "token"))).current()
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match="read empty token from file"):
        await credentials(User(token_file=str(tmp_path / "token"))).current()


@pytest.mark.parametrize("token", ["SECRET\n", "SECR\0ET", "SECRÈT"])
async def test_a_token_that_is_no_header_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigError, match='invalid header field value for "Authorization"') as caught:
        await credentials(User(token=token)).current()

    assert "SECR" not in caught.value.message + caught.value.hint


# Plugins


def token(value: str, expires: float | None = None) -> Callable[[], ExecCredential]:
    return lambda: ExecCredential(value, None, expires)


def failure(message: str) -> Callable[[], ExecCredential]:
    def fail() -> ExecCredential:
        raise ConfigError(message)

    return fail


async def test_a_plugin_is_run_once_while_its_credential_lasts(runs: Plugins, clock: Clock) -> None:
    runs += [token("one", clock.now + 600), token("two")]
    made = credentials(User(exec=EXEC))

    for _ in range(3):
        assert (await made.current()).authorization == "Bearer one"
        clock.now += 100
    clock.now += 295  # within the leeway before expiry
    assert (await made.current()).authorization == "Bearer two"
    assert runs == []


async def test_a_plugin_that_keeps_its_credential_to_the_end_is_not_run_for_every_request(
    runs: Plugins, clock: Clock
) -> None:
    runs += [token("one", clock.now + 5), token("two", clock.now + 600)]
    made = credentials(User(exec=EXEC))

    assert (await made.current()).authorization == "Bearer one"
    assert (await made.current()).authorization == "Bearer one"
    clock.now += 6
    assert (await made.current()).authorization == "Bearer two"


async def test_all_who_wait_share_one_run(runs: Plugins) -> None:
    runs += [token("one"), token("two")]
    made = credentials(User(exec=EXEC))

    first = await asyncio.gather(*(made.current() for _ in range(32)))
    assert {identity.authorization for identity in first} == {"Bearer one"}

    second = await asyncio.gather(*(made.after_refusal(first[0]) for _ in range(32)))
    assert {identity.authorization for identity in second} == {"Bearer two"}
    assert runs == []


async def test_who_is_refused_after_a_renewal_gets_the_new_one_without_another(runs: Plugins) -> None:
    runs += [token("one"), token("two")]
    made = credentials(User(exec=EXEC))
    old = await made.current()
    await made.after_refusal(old)

    assert (await made.after_refusal(old)).authorization == "Bearer two"


async def test_all_who_wait_share_one_failure_and_the_next_may_succeed(runs: Plugins) -> None:
    runs += [failure("log in"), token("one")]
    made = credentials(User(exec=EXEC))

    results = await asyncio.gather(*(made.current() for _ in range(32)), return_exceptions=True)

    assert {str(result) for result in results} == {"log in"}
    assert (await made.current()).authorization == "Bearer one"


async def test_one_who_stops_waiting_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = asyncio.Event()

    async def run(plugin: object, cluster: Cluster) -> ExecCredential:
        await may_end.wait()
        return ExecCredential("one")

    monkeypatch.setattr(exec_plugin, "run", run)
    made = credentials(User(exec=EXEC))
    impatient, patient = asyncio.create_task(made.current()), asyncio.create_task(made.current())
    await asyncio.sleep(0)

    impatient.cancel()
    await asyncio.wait([impatient])
    may_end.set()

    assert impatient.cancelled()
    assert (await patient).authorization == "Bearer one"


async def test_closing_ends_a_plugin_that_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def run(plugin: object, cluster: Cluster) -> ExecCredential:
        try:
            await asyncio.Event().wait()
            return ExecCredential("never")
        finally:
            ended.set()

    monkeypatch.setattr(exec_plugin, "run", run)
    made = credentials(User(exec=EXEC))
    waiting = asyncio.create_task(made.current())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.sleep(0)

    await made.close()

    assert ended.is_set()


# Logging in again


async def test_a_token_that_was_changed_in_the_kubeconfig_is_used_after_a_refusal() -> None:
    made = Credentials(config(User(token="old")), lambda: config(User(token="new")))
    refused = await made.current()

    assert (await made.after_refusal(refused)).authorization == "Bearer new"


async def test_where_nothing_changed_the_refused_identity_comes_back() -> None:
    made = credentials(User(token="t"))
    refused = await made.current()

    assert await made.after_refusal(refused) == refused


# Auth providers


def oidc(token: str) -> User:
    return User(auth_provider={"name": "oidc", "config": {"id-token": token, "refresh-token": "r"}})


async def test_an_id_token_that_kubectl_keeps_is_used_while_it_lasts(clock: Clock) -> None:
    users = [oidc(jwt(exp=clock.now + 600)), oidc(jwt(exp=clock.now + 7200))]
    made = Credentials(config(users[0]), lambda: config(users[1]))
    first = (await made.current()).authorization
    clock.now += 599

    assert first == f"Bearer {users[0].auth_provider['config']['id-token']}"  # type: ignore[index]
    assert (await made.current()).authorization != first


async def test_an_id_token_that_has_ended_is_left_to_kubectl_to_renew(clock: Clock) -> None:
    with pytest.raises(ConfigError, match="No valid id-token") as caught:
        await credentials(oidc(jwt(exp=clock.now - 1))).current()

    assert "kubectl" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gcp", "The gcp auth plugin has been removed."),
        ("azure", "The azure auth plugin has been removed."),
        ("other", 'no Auth Provider found for name "other"'),
    ],
)
async def test_auth_providers_that_are_gone_are_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await credentials(User(auth_provider={"name": name})).current()

    assert caught.value.message == message


def test_an_identity_is_not_shown() -> None:
    assert "SECRET" not in repr(Identity("Bearer SECRET"))


async def test_the_clock_that_counts_is_the_one_of_the_day(runs: Plugins) -> None:
    runs += [token("one", time.time() - 1), token("two", time.time() + 600)]
    made = credentials(User(exec=EXEC))
    await made.current()

    assert (await made.current()).authorization == "Bearer two"
