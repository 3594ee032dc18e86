"""Where a release's manifest comes from, against real servers that misbehave in every way servers do."""

from __future__ import annotations

import gzip
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import inventory, manifest
from kubectl_glasskube_purge.glasskube.download import MAX_REDIRECTS, Patience
from kubectl_glasskube_purge.glasskube.inventory import AIO, AUTOUPDATER, SLIM
from kubectl_glasskube_purge.glasskube.manifest import ForeignObjects, ManifestError, ManifestUnreadable
from kubectl_glasskube_purge.glasskube.release import (
    InvalidSource,
    ManifestUnavailable,
    ReleaseError,
    Resolved,
    Sources,
    UnknownVersion,
    resolve,
)
from kubectl_glasskube_purge.kube.objects import Ref
from tests.glasskube.manifests import needs_real_manifests, of_release, real, written
from tests.glasskube.web import Authority, Web, authority, cut_off, ok, redirect, serving, status

VERSION = "v0.26.1"
SLIM_TARGET = f"/{VERSION}/manifest-slim.yaml"
SLIM_BODY = of_release(VERSION, SLIM)
FOREIGN = Ref("", "Namespace", "", "kube-system", "v1")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def sources(web: Web, tmp_path: Path) -> Sources:
    return from_mirror(web.url, tmp_path)


def from_mirror(url: str | None, cache: Path, *, offline: bool = False, **patience: float) -> Sources:
    patient = Patience(**({"backoff": 0.01} | patience))
    return Sources(releases_url=url, cache_dir=cache / "cache", offline=offline, patience=patient)


def matches_inventory(resolved: Resolved) -> bool:
    return not {"manifest-differs", "manifest-unknown-version"}.intersection(one.code for one in resolved.warnings)


def assert_from_inventory(resolved: Resolved, why: str, version: str = VERSION) -> None:
    assert resolved.source.startswith("inventory (")
    assert why in resolved.source
    assert resolved.refs == inventory.objects(version, SLIM)
    assert matches_inventory(resolved)
    assert [warning.code for warning in resolved.warnings] == ["manifest-from-inventory"]
    assert why in resolved.warnings[0].message


# -- the ordinary way


async def test_a_manifest_is_downloaded_once_and_then_served_from_the_cache(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    first = await resolve(VERSION, [SLIM], sources)
    assert first == Resolved(VERSION, "downloaded", inventory.objects(VERSION, SLIM), ())
    second = await resolve(VERSION, [SLIM], sources)
    assert second == Resolved(VERSION, "cache", inventory.objects(VERSION, SLIM), ())
    offline = await resolve(VERSION, [SLIM], Sources(releases_url=web.url, cache_dir=sources.cache_dir, offline=True))
    assert offline.source == "cache"
    assert web.targets == [SLIM_TARGET]


async def test_the_variants_of_a_release_are_put_together(web: Web, sources: Sources) -> None:
    for variant in (AIO, AUTOUPDATER):
        web.answer(f"/{VERSION}/manifest-{variant}.yaml", ok(of_release(VERSION, variant)))
    resolved = await resolve(VERSION, [AIO, AUTOUPDATER], sources)
    assert resolved.source == "downloaded"
    assert resolved.refs == inventory.objects(VERSION, AIO) + inventory.objects(VERSION, AUTOUPDATER)
    assert matches_inventory(resolved)


async def test_a_variant_that_was_never_published_is_not_asked_for(web: Web, sources: Sources) -> None:
    web.answer("/v0.9.0/manifest-slim.yaml", ok(of_release("v0.9.0", SLIM)))
    resolved = await resolve("v0.9.0", [SLIM, AUTOUPDATER], sources)
    assert matches_inventory(resolved)
    assert web.targets == ["/v0.9.0/manifest-slim.yaml"]


async def test_one_variant_that_cannot_be_had_is_named(web: Web, sources: Sources) -> None:
    web.answer(f"/{VERSION}/manifest-aio.yaml", ok(of_release(VERSION, AIO)))
    resolved = await resolve(VERSION, [AIO, AUTOUPDATER], sources)
    assert resolved.source == "aio: downloaded; autoupdater: inventory (127.0.0.1 doesn't have it (404))"
    assert matches_inventory(resolved)


async def test_a_mirror_may_have_an_address_of_its_own_form(web: Web, tmp_path: Path) -> None:
    web.answer(f"/get?file={VERSION}-slim&raw=1", ok(SLIM_BODY))
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url + "/get?file={version}-{variant}&raw=1", tmp_path))
    assert resolved.source == "downloaded"


async def test_a_version_may_lack_its_v(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    assert (await resolve("0.26.1", [SLIM], sources)).version == VERSION


@needs_real_manifests
async def test_a_real_manifest_is_downloaded(web: Web, sources: Sources) -> None:
    web.answer(f"/{VERSION}/manifest-aio.yaml", ok(real(VERSION, AIO)))
    resolved = await resolve(VERSION, [AIO], sources)
    assert resolved == Resolved(VERSION, "downloaded", inventory.objects(VERSION, AIO), (), True)


# -- the cache


def kept(sources: Sources) -> list[Path]:
    assert sources.cache_dir
    return [path for path in sources.cache_dir.rglob("*") if path.is_file()]


def entry_of(cache: Path) -> Path:
    (entry,) = kept(Sources(cache_dir=cache))
    return entry


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"<html>",
        SLIM_BODY[: len(SLIM_BODY) // 2],
        written([FOREIGN]),
        of_release("v0.1.0", SLIM),
        b"#" * 9_000_000,
    ],
    ids=["empty", "html", "cut off", "foreign", "another release", "huge"],
)
async def test_a_damaged_cache_entry_is_replaced(web: Web, sources: Sources, damaged: bytes) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    await resolve(VERSION, [SLIM], sources)
    assert sources.cache_dir
    entry = entry_of(sources.cache_dir)
    entry.write_bytes(damaged)
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"
    assert entry_of(sources.cache_dir).read_bytes() == SLIM_BODY
    assert (await resolve(VERSION, [SLIM], sources)).source == "cache"


async def test_a_mirror_does_not_speak_for_the_releases(web: Web, sources: Sources, tmp_path: Path) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    await resolve(VERSION, [SLIM], sources)
    other = Sources(cache_dir=sources.cache_dir, offline=True)
    assert_from_inventory(await resolve(VERSION, [SLIM], other), "offline")


async def test_a_cache_that_cannot_be_written_is_a_warning(web: Web, tmp_path: Path) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    (tmp_path / "cache").write_text("a file where the folder should be")
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url, tmp_path))
    assert resolved.source == "downloaded"
    assert [warning.code for warning in resolved.warnings] == ["cache"]


async def test_the_default_cache_is_the_users(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    await resolve(VERSION, [SLIM], Sources(releases_url=web.url))
    assert "kubectl-glasskube-purge" in entry_of(tmp_path).parts


# -- servers that misbehave


async def test_what_is_not_there_is_asked_for_once(web: Web, sources: Sources) -> None:
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "404")
    assert len(web.asked) == 1


@pytest.mark.parametrize("code", [401, 403, 410, 418, 204, 206, 304, 501])
async def test_an_answer_that_will_not_change_is_not_asked_for_again(web: Web, sources: Sources, code: int) -> None:
    web.answer(SLIM_TARGET, status(code))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), f"answers {code}")
    assert len(web.asked) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(web: Web, sources: Sources, code: int) -> None:
    web.answer(SLIM_TARGET, status(code), ok(SLIM_BODY))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"
    assert len(web.asked) == 2


async def test_a_lasting_failure_is_given_up(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, status(503))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "answers 503")
    assert len(web.asked) == 4


async def test_a_server_is_not_asked_sooner_than_it_wants(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, status(503, Retry_After="1"), ok(SLIM_BODY))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"
    first, second = web.asked
    assert second.at - first.at >= 1


@pytest.mark.parametrize("later", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT", "9" * 400])
async def test_a_server_that_wants_more_time_than_there_is_is_not_waited_for(
    web: Web, sources: Sources, later: str
) -> None:
    web.answer(SLIM_TARGET, status(429, Retry_After=later), ok(SLIM_BODY))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "answers 429")
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "nonsense", ["", "soon", "-5", "٣", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59"]
)
async def test_a_retry_after_that_says_nothing_is_ignored(web: Web, sources: Sources, nonsense: str) -> None:
    value = nonsense.encode().decode("latin-1")
    web.answer(SLIM_TARGET, status(503, Retry_After=value), ok(SLIM_BODY))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"


async def test_a_body_that_is_cut_off_is_tried_again(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, cut_off(SLIM_BODY), ok(SLIM_BODY))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"
    assert len(web.asked) == 2


async def test_a_body_that_is_always_cut_off_is_never_believed(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, cut_off(SLIM_BODY))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "broke the connection off")
    assert len(web.asked) == 4


async def test_an_endless_body_is_cut_at_the_limit(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, web.endless)
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "more than 2 MiB")
    assert len(web.asked) == 1
    # Beyond the limit there is only what the two ends of the connection buffer.
    assert web.sent < manifest.MAX_BYTES + 32 * 1024 * 1024


async def test_a_slow_body_is_given_up_when_the_budget_is_used(web: Web, tmp_path: Path) -> None:
    web.answer(SLIM_TARGET, web.dripping)
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url, tmp_path, budget=0.3))
    assert_from_inventory(resolved, "took longer than 0.3 s")


async def test_a_server_that_says_nothing_is_given_up(web: Web, tmp_path: Path) -> None:
    web.answer(SLIM_TARGET, web.silent)
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url, tmp_path, read_timeout=0.05))
    assert_from_inventory(resolved, "stopped answering")
    assert len(web.asked) == 4


async def test_nobody_listening_is_the_inventory(tmp_path: Path) -> None:
    with serving() as gone:
        address = gone.url
    assert_from_inventory(await resolve(VERSION, [SLIM], from_mirror(address, tmp_path)), "127.0.0.1 can't be reached")


async def test_a_login_page_is_the_inventory(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, ok(b"<!DOCTYPE html><title>Sign in</title>", Content_Type="text/html"))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "is a web page")
    assert not kept(sources)


async def test_what_is_compressed_unasked_is_not_unpacked(web: Web, sources: Sources) -> None:
    bomb = gzip.compress(b"#" * 50_000_000)
    web.answer(SLIM_TARGET, ok(bomb, Content_Encoding="gzip"))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "compressed")


# -- redirects


async def test_a_redirect_is_followed(web: Web, sources: Sources) -> None:
    web.answer("/elsewhere?signature=secret", ok(SLIM_BODY))
    web.answer(SLIM_TARGET, redirect("/elsewhere?signature=secret"))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"


async def test_redirects_in_a_circle_come_to_an_end(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, redirect(SLIM_TARGET))
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "redirects more than")
    assert len(web.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/manifest", "data:text/plain,a", "gopher://x/"]
)
async def test_a_redirect_to_another_scheme_is_not_followed(web: Web, sources: Sources, target: str) -> None:
    web.answer(SLIM_TARGET, redirect(target))
    resolved = await resolve(VERSION, [SLIM], sources)
    assert_from_inventory(resolved, "127.0.0.1")
    assert len(web.asked) == 1


async def test_a_redirect_from_https_to_http_is_not_followed(
    web: Web, signed: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(signed.file))
    plain = web.answer("/plain", ok(SLIM_BODY))
    with serving(signed.context) as protected:
        protected.answer(SLIM_TARGET, redirect(plain))
        resolved = await resolve(VERSION, [SLIM], from_mirror(protected.url, tmp_path))
    assert_from_inventory(resolved, "redirects from https to http, which isn't followed")
    assert not web.asked


async def test_a_redirect_from_http_to_https_is_followed(
    web: Web, signed: Authority, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(signed.file))
    with serving(signed.context) as protected:
        web.answer(SLIM_TARGET, redirect(protected.answer("/there", ok(SLIM_BODY))))
        assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"


# -- TLS and proxies


async def test_a_company_authority_is_trusted_when_the_environment_names_it(
    signed: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(signed.file))
    with serving(signed.context) as protected:
        protected.answer(SLIM_TARGET, ok(SLIM_BODY))
        assert (await resolve(VERSION, [SLIM], from_mirror(protected.url, tmp_path))).source == "downloaded"


async def test_an_authority_that_the_system_trusts_is_trusted(
    signed: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_the_system(context: ssl.SSLContext, *_: object) -> None:
        context.load_verify_locations(signed.file)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", of_the_system)
    with serving(signed.context) as protected:
        protected.answer(SLIM_TARGET, ok(SLIM_BODY))
        assert (await resolve(VERSION, [SLIM], from_mirror(protected.url, tmp_path))).source == "downloaded"


async def test_a_certificate_nobody_trusts_is_the_inventory(
    signed: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(signed.context) as protected:
        protected.answer(SLIM_TARGET, ok(SLIM_BODY))
        resolved = await resolve(VERSION, [SLIM], from_mirror(protected.url, tmp_path))
    assert_from_inventory(resolved, "a certificate that isn't trusted (see SSL_CERT_FILE)")
    assert not protected.asked


async def test_the_proxy_of_the_environment_is_used(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", web.url)
    address = f"http://releases.invalid{SLIM_TARGET}"
    web.answer(address, ok(SLIM_BODY))
    resolved = await resolve(VERSION, [SLIM], from_mirror("http://releases.invalid", tmp_path))
    assert resolved.source == "downloaded"
    assert web.targets == [address]


async def test_what_comes_over_http_is_warned_about(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", web.url)
    mirror = from_mirror("http://releases.invalid", tmp_path)
    resolved = await resolve(VERSION, [SLIM], mirror)
    assert [warning.code for warning in resolved.warnings] == ["manifest-from-inventory"]
    web.answer(f"http://releases.invalid{SLIM_TARGET}", ok(SLIM_BODY))
    for source in ("downloaded", "cache"):
        resolved = await resolve(VERSION, [SLIM], mirror)
        assert resolved.source == source
        assert [warning.code for warning in resolved.warnings] == ["manifest-over-http"]
        assert "releases.invalid" in resolved.warnings[0].message
    resolved = await resolve(VERSION, [SLIM], Sources(manifest=f"http://releases.invalid{SLIM_TARGET}"))
    assert [warning.code for warning in resolved.warnings] == ["manifest-over-http"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_what_stays_on_this_machine_is_not_warned_about(web: Web, tmp_path: Path, host: str) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url.replace("127.0.0.1", host), tmp_path))
    assert (resolved.source, resolved.warnings) == ("downloaded", ())


async def test_no_proxy_is_used_where_the_environment_says_so(
    web: Web, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    assert (await resolve(VERSION, [SLIM], sources)).source == "downloaded"


async def test_a_proxy_that_is_none_is_the_inventory(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://127.0.0.1:1")
    assert_from_inventory(await resolve(VERSION, [SLIM], sources), "proxy settings")


async def test_a_password_in_an_address_is_used_but_never_shown(web: Web, tmp_path: Path) -> None:
    address = web.url.replace("http://", "http://reader:hunter2@")
    web.answer(SLIM_TARGET, ok(b"<html>"))
    resolved = await resolve(VERSION, [SLIM], from_mirror(address, tmp_path))
    assert web.asked[0].authorization
    assert "hunter2" not in repr(resolved)
    with pytest.raises(ManifestUnreadable) as raised:
        await resolve(VERSION, [SLIM], Sources(manifest=address + SLIM_TARGET))
    assert "hunter2" not in raised.value.message


# -- offline and unknown versions


async def test_offline_asks_nobody(web: Web, tmp_path: Path) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    resolved = await resolve(VERSION, [SLIM], from_mirror(web.url, tmp_path, offline=True))
    assert resolved.source == "inventory (offline)"
    assert_from_inventory(resolved, "offline")
    assert not web.asked


async def test_offline_forbids_a_manifest_from_the_network(web: Web) -> None:
    with pytest.raises(InvalidSource, match="--offline"):
        await resolve(VERSION, [SLIM], Sources(manifest=web.answer("/m", ok(SLIM_BODY)), offline=True))
    assert not web.asked


@pytest.mark.parametrize("offline", [True, False])
async def test_a_version_nobody_knows_is_an_error_that_says_what_to_do(web: Web, tmp_path: Path, offline: bool) -> None:
    with pytest.raises(UnknownVersion) as raised:
        await resolve("v0.27.0", [SLIM], from_mirror(web.url, tmp_path, offline=offline))
    assert "v0.27.0" in raised.value.message
    assert "--glasskube-version" in raised.value.hint
    assert "--manifest" in raised.value.hint


async def test_no_version_at_all_is_an_error_that_says_what_to_do(sources: Sources) -> None:
    with pytest.raises(UnknownVersion) as raised:
        await resolve(None, [SLIM], sources)
    assert "--glasskube-version" in raised.value.hint


async def test_a_newer_release_is_believed_as_far_as_its_objects_are_known(web: Web, sources: Sources) -> None:
    web.answer("/v0.27.0/manifest-slim.yaml", ok(SLIM_BODY))
    for source in ("downloaded", "cache"):
        resolved = await resolve("v0.27.0", [SLIM], sources)
        assert resolved.source == source
        assert resolved.refs == inventory.objects(VERSION, SLIM)
        assert not matches_inventory(resolved)
        assert [warning.code for warning in resolved.warnings] == ["manifest-unknown-version"]


async def test_a_manifest_that_is_not_its_releases_is_said_to_differ_and_not_kept(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, ok(of_release("v0.9.0", SLIM)))
    resolved = await resolve(VERSION, [SLIM], sources)
    assert not matches_inventory(resolved)
    assert [warning.code for warning in resolved.warnings] == ["manifest-differs"]
    assert all(words in resolved.warnings[0].message for words in ("3 of 27", "0 others"))
    assert not kept(sources)
    web.answer(SLIM_TARGET, ok(SLIM_BODY))
    assert matches_inventory(await resolve(VERSION, [SLIM], sources))


async def test_a_release_that_names_foreign_objects_is_refused_and_not_kept(web: Web, sources: Sources) -> None:
    web.answer(SLIM_TARGET, ok(SLIM_BODY + b"---\n" + written([FOREIGN])))
    for _ in range(2):
        with pytest.raises(ForeignObjects) as raised:
            await resolve(VERSION, [SLIM], sources)
        assert raised.value.foreign == (FOREIGN,)
    assert len(web.asked) == 2
    assert not kept(sources)


# -- what the user gives


async def test_a_manifest_file_is_gone_by(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(SLIM_BODY)
    for version in (VERSION, "v0.10.0", None):
        resolved = await resolve(version, [SLIM], Sources(manifest=str(file), offline=True))
        assert resolved == Resolved(version, f"file {file}", inventory.objects(VERSION, SLIM), ())


async def test_a_manifest_file_may_have_several_variants_in_it(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(of_release(VERSION, AIO, AUTOUPDATER))
    assert matches_inventory(await resolve(VERSION, [AIO, AUTOUPDATER], Sources(manifest=str(file))))


async def test_a_manifest_file_of_another_release_is_said_to_differ(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(of_release("v0.9.0", SLIM))
    resolved = await resolve(VERSION, [SLIM], Sources(manifest=str(file)))
    assert resolved.refs == inventory.objects("v0.9.0", SLIM)
    assert not matches_inventory(resolved)
    assert [warning.code for warning in resolved.warnings] == ["manifest-differs"]


async def test_a_manifest_url_is_gone_by(web: Web) -> None:
    address = web.answer("/some/manifest", ok(SLIM_BODY))
    resolved = await resolve(None, [SLIM], Sources(manifest=address))
    assert resolved.source == address
    assert matches_inventory(resolved)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"<html>", ManifestError),
        (b"a: &a [*a]", ManifestError),
        (SLIM_BODY[:-30] + b"\xff", ManifestError),
        (b"", ManifestError),
        (b"#" * (manifest.MAX_BYTES + 1), ManifestError),
        (written([FOREIGN]), ForeignObjects),
    ],
    ids=["html", "alias", "encoding", "empty", "huge", "foreign"],
)
@pytest.mark.parametrize("by", ["file", "url"])
async def test_a_bad_manifest_is_an_error_and_never_the_inventory(
    web: Web, tmp_path: Path, content: bytes, error: type[ManifestError], by: str
) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(content)
    named = str(file) if by == "file" else web.answer("/manifest", ok(content))
    expected: Any = (error, ManifestUnavailable) if len(content) > manifest.MAX_BYTES else error
    with pytest.raises(expected):
        await resolve(VERSION, [SLIM], Sources(manifest=named))


@pytest.mark.parametrize("named", ["", "missing.yaml", "/dev/null/manifest.yaml", "."])
async def test_a_manifest_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestUnavailable) as raised:
        await resolve(VERSION, [SLIM], Sources(manifest=named))
    assert raised.value.hint


async def test_a_manifest_url_that_cannot_be_had_is_an_error(web: Web) -> None:
    with pytest.raises(ManifestUnavailable, match="404"):
        await resolve(VERSION, [SLIM], Sources(manifest=web.url + "/nothing"))


@pytest.mark.parametrize(
    "sources",
    [
        Sources(manifest="ftp://127.0.0.1/manifest.yaml"),
        Sources(manifest="file:///etc/passwd"),
        Sources(manifest="http://"),
        Sources(manifest="http://[::1/manifest"),
        Sources(releases_url="ftp://mirror"),
        Sources(releases_url="mirror/releases"),
        Sources(releases_url="http://mirror/\r\nX: y"),
        Sources(releases_url="http://mirror/a b"),
        Sources(releases_url="http://mirror/get?token=x"),
        Sources(releases_url="http://mirror/{version}/slim.yaml"),
        Sources(releases_url="http://mirror/{variant}"),
        Sources(releases_url="http://mirror:port/"),
    ],
    ids=lambda sources: sources.manifest or sources.releases_url,
)
async def test_an_address_that_is_none_is_a_usage_error(sources: Sources) -> None:
    with pytest.raises(InvalidSource) as raised:
        await resolve(VERSION, [SLIM], sources)
    assert raised.value.message.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    version=st.text() | st.from_regex(r"v0\.26\.1[/?#%@:.\\\s].*") | st.sampled_from(["../../x", "v0.26.1/..", "%2e"])
)
async def test_nothing_but_a_version_gets_into_an_address_or_a_path(web: Web, sources: Sources, version: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        await resolve(version, [SLIM], sources)
    assert raised.value.message.isprintable()
    assert not web.asked


async def test_a_variant_that_is_none_is_a_mistake_of_the_caller(sources: Sources) -> None:
    with pytest.raises(ValueError, match="no variants"):
        await resolve(VERSION, ["../slim"], sources)


def test_every_error_says_what_to_do_next() -> None:
    def leaves(error: type[Exception]) -> Iterator[Any]:
        for child in error.__subclasses__():
            yield child
            yield from leaves(child)

    errors = [*leaves(ReleaseError), *leaves(ManifestError)]
    assert all(error.hint and error.code for error in errors)
    assert len({error.code for error in errors}) == len(errors)


def test_importing_costs_no_http_library() -> None:
    code = "import kubectl_glasskube_purge.glasskube.release, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "tenacity", "platformdirs", "certifi"} & set(modules)
