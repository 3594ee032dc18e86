"""The report page: complete in itself, readable by everybody, and safe whatever objects are called."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.events import ObjectDone
from kubectl_glasskube_purge.purge.model.outcome import Outcome
from kubectl_glasskube_purge.report import document, human, page
from tests.report.html import Page
from tests.report.plans import cluster, decided, record
from tests.report.test_human import drawn as terminal
from tests.snapshots import assert_as_before

from . import samples

EVERY_SAMPLE = pytest.mark.parametrize("make", samples.ALL, ids=lambda make: make.__name__)

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "</title></style></pre></svg></textarea><h1>x",
    "<!--",
    "]]>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x3c;b&#x3e;",
    "javascript:alert(1)",
    "\u202eevil\u202c\x1b[31m\x00\ud800",
)


def drawn(made: samples.Document) -> Page:
    return Page(page.render(made))


# -- complete in itself


@EVERY_SAMPLE
def test_samples_are_what_the_schema_says(make: Callable[[], samples.Document]) -> None:
    jsonschema.validate(make(), document.schema())


@EVERY_SAMPLE
def test_the_page_loads_and_runs_nothing(make: Callable[[], samples.Document]) -> None:
    html = page.render(make())
    parsed = Page(html)
    assert not parsed.all("script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "video")
    for element in parsed.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name not in ("src", "srcset", "style", "action", "ping", "xlink:href"), (element.tag, name)
            assert name != "href" or value.startswith("#"), value
            assert "url(" not in value or "url(#" in value, value
    (style,) = parsed.all("style")
    assert not re.search(r"url\(|@import|expression|https?:", style.text)


@EVERY_SAMPLE
def test_the_browser_is_told_to_allow_nothing_but_the_pages_own_style(make: Callable[[], samples.Document]) -> None:
    parsed = drawn(make())
    (policy,) = (m.attributes["content"] for m in parsed.all("meta") if "http-equiv" in m.attributes)
    (style,) = parsed.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]


def test_the_same_report_gives_the_same_page() -> None:
    assert page.render(samples.purged()) == page.render(samples.purged())


def test_a_saved_document_gives_the_page_that_the_run_gave() -> None:
    made = samples.purged()
    assert page.render_text(document.as_json(made)) == page.render(made)
    assert page.render_text(document.as_yaml(made)) == page.render(made)


# -- readable by everybody


@EVERY_SAMPLE
def test_the_page_is_well_formed(make: Callable[[], samples.Document]) -> None:
    parsed = drawn(make())
    assert parsed.problems == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.source.startswith("<!DOCTYPE html>")


@EVERY_SAMPLE
def test_links_and_labels_lead_somewhere(make: Callable[[], samples.Document]) -> None:
    parsed = drawn(make())
    targets = set(parsed.ids)
    assert {link.attributes["href"].removeprefix("#") for link in parsed.all("a")} <= targets
    named = [e.attributes[a].split() for e in parsed.elements for a in ("aria-labelledby",) if a in e.attributes]
    assert {identifier for identifiers in named for identifier in identifiers} <= targets


@EVERY_SAMPLE
def test_a_screen_reader_finds_its_way(make: Callable[[], samples.Document]) -> None:
    parsed = drawn(make())
    assert parsed.all("html")[0].attributes["lang"] == "en"
    assert [len(parsed.all(tag)) for tag in ("h1", "main", "header", "footer", "nav")] == [1] * 5
    levels = [int(element.tag[1]) for element in parsed.all("h1", "h2", "h3")]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(e.attributes.get("scope") in ("col", "row") for e in parsed.all("th"))
    for drawing in parsed.all("svg"):
        described = drawing.attributes.get("role") == "img" and "aria-labelledby" in drawing.attributes
        assert described or drawing.attributes.get("aria-hidden") == "true"
    for section in parsed.all("section"):
        assert parsed.by_id(section.attributes["aria-labelledby"]).tag == "h2"


OPENINGS = {
    "light": r":root \{",
    "dark": r"prefers-color-scheme: dark\) \{\s+:root \{",
    "print": r"@media print \{\s+:root \{",
}


def _palette(name: str) -> dict[str, str]:
    (style,) = drawn(samples.empty()).all("style")
    found = re.search(OPENINGS[name] + r"(.*?)\}", style.text, re.DOTALL)
    assert found is not None
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", found[1]))


def _contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", OPENINGS)
def test_text_stands_out_from_what_it_stands_on(name: str) -> None:
    colours = _palette(name)
    assert colours.keys() == _palette("light").keys()
    moods = ("good", "quiet", "doubt", "bad")
    grounds = ("ground", "sheet", "sunken")
    pairs = [(text, ground) for text in ("ink", "soft", "accent", *moods) for ground in grounds]
    pairs += [(mood, f"{mood}-ground") for mood in moods] + [("ink", f"{mood}-ground") for mood in moods]
    faint = {pair: round(_contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}


# -- says what happened


@pytest.mark.parametrize(
    ("make", "heading", "first"),
    [
        (samples.purged, "Glasskube is gone from prod-eu", "ticket"),
        (samples.stuck, "Not finished: 2 objects are left in prod-eu", "error"),
        (samples.previewed, "What a purge would remove from prod-eu", "ticket"),
        (samples.empty, "Nothing to do: there is no Glasskube in prod-eu", "ticket"),
    ],
)
def test_the_result_is_what_one_reads_first(make: Callable[[], samples.Document], heading: str, first: str) -> None:
    parsed = drawn(make())
    assert parsed.all("h1")[0].text == heading
    assert parsed.all("section")[0].attributes["id"] == first


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_has_a_page(outcome: str) -> None:
    for base in (samples.stuck(), samples.empty()):
        parsed = drawn({**base, "outcome": outcome})
        assert outcome in parsed.all("header")[0].text


def test_a_look_at_the_cluster_is_not_told_as_a_purge() -> None:
    looked = {**samples.empty(), "outcome": "clean"}
    assert drawn(looked).all("h1")[0].text == "Nothing of Glasskube is in prod-eu"
    there = {**samples.stuck(), "stages": [], "packages": []}
    del there["error"]
    assert drawn(there).all("h1")[0].text == "Glasskube is in prod-eu"


@EVERY_SAMPLE
def test_everything_in_the_document_is_on_the_page(make: Callable[[], samples.Document]) -> None:
    made = make()
    text = drawn(made).all("body")[0].text
    for stage in made["stages"]:
        for entry in stage["objects"]:
            name = f"{entry['name']} -n {entry['namespace']}" if entry["namespace"] else entry["name"]
            assert name in text
            assert entry["kind"].lower() in text.lower()
    for key, words in (("kept", "why"), ("leftovers", "why"), ("lost", "what")):
        for noted in made.get(key, ()):
            assert noted["name"] in text
            assert " ".join(noted[words].split()) in text
    for warning in made["warnings"]:
        assert warning["code"] in text
        assert warning["message"] in text
    for value in made.get("error", {}).values():
        assert value in text
    for evidence in made["flux"]["evidence"]:
        assert evidence in text


def test_what_went_in_which_second_is_a_table() -> None:
    rows = drawn(samples.purged()).by_id("timeline").text
    assert re.search(r"\n17namespacesnamespace/flux-system, namespace/glasskube-system", rows)


def test_the_page_has_the_command_that_undoes_the_run() -> None:
    made = {**samples.purged(), "backup": {"file": "/b/2 b.yaml", "files": ["/b/1.yaml", "/b/2 b.yaml"]}}
    assert "kubectl glasskube purge restore /b/1.yaml '/b/2 b.yaml'" in drawn(made).by_id("before").text
    for outcome in ("declined", "rolled-back"):
        assert "purge restore" not in drawn({**made, "outcome": outcome}).by_id("before").text


def test_the_page_has_the_numbers_and_seconds_of_the_terminal() -> None:
    plan = decided(cluster("argo-cd", "shop/postgres"))
    made = record(cluster("argo-cd", "shop/postgres"), outcome="clean", seconds=3000.0, stage_seconds={"packages": 9.5})
    for stage in plan.stages:
        for found in stage.going:
            made.take(ObjectDone(stage.name, found.ref, found.uid, "delete", "deleted"))
    late = Ref("", "Pod", "shop", "started-meanwhile")
    made.take(ObjectDone(plan.stages[0].name, late, "uid-late", "delete", "deleted", direct=False))
    said = re.search(r"(\d+) objects, and (\d+) with them, in (\S+),", terminal(human.end(made), 200))
    assert said is not None
    figures = {item.text for item in drawn(document.document(made)).all("li")}
    direct, along, took = said.groups()
    assert {f"{direct}objects deleted", f"{along}went with them", f"{took}for the deletion"} <= figures


def test_every_long_word_wraps_and_every_table_scrolls() -> None:
    parsed = drawn(samples.purged())
    (style,) = parsed.all("style")
    assert re.search(r"^body \{[^}]*overflow-wrap: anywhere", style.text, re.MULTILINE)
    assert not re.search(r"grid-template-columns:[^;]* 1fr", style.text.replace("minmax(0, 1fr)", ""))
    scrolling = [one for one in parsed.all("div") if "scroll" in one.attributes.get("class", "").split()]
    drawings = [one for one in parsed.all("svg") if "aria-labelledby" in one.attributes]
    assert len(scrolling) == len(parsed.all("table")) + len(drawings)


def test_the_page_is_as_it_was() -> None:
    html = page.render(samples.purged()).replace(page._asset("page.css"), "…")
    assert_as_before("page", re.sub(r"sha256-[^']+", "…", html))


def test_a_report_without_times_has_no_timeline() -> None:
    for make in (samples.previewed, samples.of_the_first_version):
        assert "timeline" not in drawn(make()).ids


def test_what_is_still_there_is_said_beside_its_package() -> None:
    assert "4 still there" in drawn(samples.stuck()).by_id("packages").text


def test_a_circle_of_owners_ends() -> None:
    made = samples.purged()
    one, other = made["stages"][0]["objects"][:2]
    one["because"] = {**{key: other[key] for key in ("apiVersion", "kind", "namespace", "name")}, "rule": "owner"}
    other["because"] = {**{key: one[key] for key in ("apiVersion", "kind", "namespace", "name")}, "rule": "owner"}
    text = drawn(made).by_id("stages").text
    assert one["name"] in text
    assert other["name"] in text


def test_long_lists_fold_and_very_long_ones_are_not_printed() -> None:
    made = samples.purged()
    few = drawn(made)
    assert any("open" in details.attributes for details in few.all("details"))
    template = made["stages"][3]["objects"][0]
    made["stages"][3]["objects"] = [{**template, "name": f"crd-{n}", "uid": f"uid-{n}"} for n in range(2000)]
    many = drawn(made)
    (folded,) = (d for d in many.all("details") if "4. definitions" in d.text)
    assert "open" not in folded.attributes
    assert folded.attributes["class"] == "long"
    assert folded.text.count("crd-") == 2000


# -- the ticket


@EVERY_SAMPLE
def test_the_ticket_is_a_dozen_lines_of_plain_text(make: Callable[[], samples.Document]) -> None:
    text = drawn(make()).all("pre")[0].text
    assert "prod-eu (https://10.0.0.1:6443)" in text
    assert "2026-11-23 09:11:42 UTC" in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 24


def test_the_ticket_says_what_was_lost_kept_and_saved() -> None:
    text = drawn(samples.purged()).all("pre")[0].text
    assert re.search(r"^Packages\s+argo-cd, cert-manager, [^:]*postgres -n shop", text, re.MULTILINE)
    assert re.search(r"^Lost\s+persistentvolumeclaim/redis-data -n argo-cd$", text, re.MULTILINE)
    kept = r"^Kept\s+namespace/shop, persistentvolumeclaim/data-postgres-0 -n shop$"
    assert re.search(kept, text, re.MULTILINE)
    assert re.search(r"^Backup\s+/home/ada/.*\.yaml$", text, re.MULTILINE)
    assert not re.search(r"^Lost", drawn(samples.previewed()).all("pre")[0].text, re.MULTILINE)


@pytest.mark.parametrize(
    ("outcome", "flux", "volume"), [("clean", "deleted", "Lost"), ("incomplete", "was to be", "At")]
)
def test_the_ticket_calls_gone_only_what_is_known_to_be(outcome: str, flux: str, volume: str) -> None:
    text = drawn({**samples.purged(), "outcome": outcome}).all("pre")[0].text
    assert re.search(rf"^Flux\s+{flux}", text, re.MULTILINE)
    assert re.search(rf"^{volume}\b.*redis-data", text, re.MULTILINE)


def test_all_backups_are_named() -> None:
    made = samples.purged()
    made["backup"] = {"file": "/b/second.yaml", "files": ["/b/first.yaml", "/b/second.yaml"]}
    parsed = drawn(made)
    for text in (parsed.all("pre")[0].text, parsed.by_id("before").text):
        assert "/b/first.yaml" in text
        assert "/b/second.yaml" in text


@pytest.mark.parametrize("kind", ["RestoreReport", "LabelReport"])
def test_pages_are_drawn_of_purges_only(kind: str) -> None:
    with pytest.raises(page.NotAReport, match=kind):
        page.render({**samples.purged(), "kind": kind})


# -- safe whatever objects are called


def _renamed(value: Any, rename: Callable[[str, str], str], key: str = "") -> Any:
    """A document with all its free text changed: what isn't the schema's to fix."""
    if isinstance(value, dict):
        return {k: _renamed(v, rename, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(item, rename, key) for item in value]
    fixed = ("outcome", "action", "rule", "startedAt", "apiVersion", "decision", "kind")
    return rename(key, value) if isinstance(value, str) and value and key not in fixed else value


def _with_hostile_kinds(made: samples.Document, hostile: str) -> samples.Document:
    made = copy.deepcopy(made)
    for stage in made["stages"]:
        for entry in stage["objects"]:
            entry["kind"] = hostile + entry["kind"]
    return made


@pytest.mark.parametrize("hostile", HOSTILE)
@EVERY_SAMPLE
def test_text_never_becomes_markup(make: Callable[[], samples.Document], hostile: str) -> None:
    plain = drawn(_renamed(make(), lambda key, text: "x" + text))
    attacked = drawn(_renamed(make(), lambda key, text: hostile + text))
    assert attacked.shape == plain.shape
    assert attacked.problems == []
    page.render(make()).encode()
    kinds = drawn(_with_hostile_kinds(make(), hostile))
    assert kinds.problems == []
    assert not kinds.all("script", "img")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(hostile=st.text(alphabet=st.sampled_from("<>&\"'/=!-[]{}%#`;:() \\\n\t\0aZ\u2028\u202e\ud800é"), min_size=1))
def test_no_text_at_all_becomes_markup(hostile: str) -> None:
    plain = drawn(_renamed(samples.stuck(), lambda key, text: "x" + text))
    attacked = drawn(_renamed(samples.stuck(), lambda key, text: hostile + text))
    assert attacked.shape == plain.shape


def test_control_characters_and_text_direction_do_nothing() -> None:
    made = _renamed(samples.purged(), lambda key, text: HOSTILE[-1] + text)
    html = page.render(made)
    assert not set(html) & {"\u202e", "\x1b", "\x00", "\ud800"}
    assert html.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


STUCK_PATHS = sorted(_paths(samples.stuck()), key=str)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(path=st.sampled_from(STUCK_PATHS), value=JSON)
def test_a_spoilt_document_is_refused_or_drawn(path: tuple[Any, ...], value: Any) -> None:
    made = samples.stuck()
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    try:
        html = page.render(made)
    except page.NotAReport:
        return
    assert Page(html).problems == []
    assert html.encode()


@given(value=JSON)
def test_what_is_no_report_is_refused(value: Any) -> None:
    with pytest.raises(page.NotAReport):
        page.render(value)
    with pytest.raises(page.NotAReport):
        page.render_text(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "not an object"),
        ("{", "neither JSON nor YAML"),
        ("a: [", "neither JSON nor YAML"),
        ("<html>", "not an object"),
        ('{"kind": "Status"}', "kind"),
        ('{"kind": "PurgeReport", "apiVersion": "glasskube-purge/v9"}', "glasskube-purge/v9"),
        ('{"kind": "PurgeReport", "apiVersion": "glasskube-purge/v1", "outcome": "splendid"}', "splendid"),
        ('{"kind": "PurgeReport", "apiVersion": "glasskube-purge/v1", "outcome": "clean"}', "startedAt"),
    ],
)
def test_a_refusal_says_where_the_document_is_wrong(text: str, where: str) -> None:
    with pytest.raises(page.NotAReport, match=re.escape(where)):
        page.render_text(text)


def test_a_wrong_field_deep_inside_is_named() -> None:
    made = samples.purged()
    made["stages"][1]["objects"][2]["name"] = 7
    with pytest.raises(page.NotAReport, match=r"^stages\[1\]\.objects\[2\]\.name: .* string, not 7$"):
        page.render(made)


# -- written as a whole or not at all


def test_the_file_has_the_page_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    page.write(target, "first é")
    page.write(target, "second")
    assert target.read_text("utf-8") == "second"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    page.write(target, "first")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(page.PageError, match="No space left"):
        page.write(target, "second")
    assert target.read_text("utf-8") == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "report.html"
    link.symlink_to(tmp_path / "real" / "page.html")
    page.write(link, "page")
    assert link.is_symlink()
    assert (tmp_path / "real" / "page.html").read_text() == "page"


def test_what_cannot_be_replaced_is_written_to(tmp_path: Path) -> None:
    page.write(Path(os.devnull), "page")
    assert not Path(os.devnull).is_file()


def test_a_place_that_takes_no_page_is_known_before_the_purge(tmp_path: Path) -> None:
    page.check_writable(tmp_path / "report.html")
    page.check_writable(Path(os.devnull))
    with pytest.raises(page.PageError, match="is a folder"):
        page.check_writable(tmp_path)
    with pytest.raises(page.PageError, match="no folder"):
        page.check_writable(tmp_path / "absent" / "report.html")
    (tmp_path / "file").touch()
    with pytest.raises(page.PageError, match="no folder"):
        page.check_writable(tmp_path / "file" / "report.html")
