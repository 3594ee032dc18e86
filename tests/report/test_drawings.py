"""The page's drawings: every package once, none over another, and time from left to right."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.report import graph, reader, timeline
from kubectl_glasskube_purge.report.reader import Entry, Installed, Named, StageRun

from . import samples


def ref(name: str) -> Ref:
    return Ref("packages.glasskube.dev", "ClusterPackage", "", name, "v1alpha1")


def named(name: str) -> dict[str, str]:
    return {"api_version": "packages.glasskube.dev/v1alpha1", "kind": "ClusterPackage", "name": name}


def installed(needs: dict[str, set[str]]) -> list[Installed]:
    return [
        Installed(**named(name), package=name, requires=tuple(Named(**named(r)) for r in sorted(required)))
        for name, required in needs.items()
    ]


NAMES = st.sampled_from([f"p{number:02}" for number in range(14)])
ANY_NEEDS = st.dictionaries(NAMES, st.sets(NAMES, max_size=4), max_size=14)


def without_circles(needs: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: {other for other in required if other > name} for name, required in needs.items()}


# -- the graph


@given(ANY_NEEDS)
def test_every_package_stands_somewhere_and_over_no_other(needs: dict[str, set[str]]) -> None:
    drawing = graph.layout(installed(needs))
    assert sorted(box.package.ref for box in drawing.boxes) == sorted(map(ref, needs))
    for one, other in combinations(drawing.boxes, 2):
        apart = abs(one.x - other.x) >= graph.WIDTH or abs(one.y - other.y) >= graph.HEIGHT
        assert apart, (one, other)
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - graph.WIDTH
        assert 0 <= box.y <= drawing.height - graph.HEIGHT


@given(ANY_NEEDS)
def test_every_need_is_one_arrow(needs: dict[str, set[str]]) -> None:
    drawing = graph.layout(installed(needs))
    expected = {(ref(n), ref(r)) for n, required in needs.items() for r in required if r in needs and r != n}
    assert {(arrow.source, arrow.target) for arrow in drawing.arrows} == expected
    assert len(drawing.arrows) == len(expected)


@given(ANY_NEEDS.map(without_circles))
def test_whoever_needs_others_stands_left_of_them(needs: dict[str, set[str]]) -> None:
    drawing = graph.layout(installed(needs))
    x = {box.package.ref: box.x for box in drawing.boxes}
    for arrow in drawing.arrows:
        assert x[arrow.source] < x[arrow.target]


@given(ANY_NEEDS.map(without_circles))
def test_arrows_start_and_end_at_their_boxes(needs: dict[str, set[str]]) -> None:
    drawing = graph.layout(installed(needs))
    corner = {box.package.ref: (box.x, box.y) for box in drawing.boxes}
    for arrow in drawing.arrows:
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", arrow.path)]
        (from_x, from_y), (to_x, to_y) = corner[arrow.source], corner[arrow.target]
        assert numbers[:2] == pytest.approx([from_x + graph.WIDTH, from_y + graph.HEIGHT / 2], abs=0.1)
        assert numbers[-2:] == pytest.approx([to_x, to_y + graph.HEIGHT / 2], abs=0.1)


@given(ANY_NEEDS.map(without_circles))
def test_arrows_pass_between_boxes(needs: dict[str, set[str]]) -> None:
    drawing = graph.layout(installed(needs))
    for arrow in drawing.arrows:
        for across, until in re.findall(r"([\d.]+) ([\d.]+)H", arrow.path):
            inside = [
                box
                for box in drawing.boxes
                if box.x <= float(across) < box.x + graph.WIDTH and box.y < float(until) < box.y + graph.HEIGHT
            ]
            assert inside == []


@given(ANY_NEEDS, st.randoms())
def test_the_order_of_the_packages_changes_nothing(needs: dict[str, set[str]], random: st.DataObject) -> None:
    packages = installed(needs)
    shuffled = list(packages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert graph.layout(shuffled) == graph.layout(packages)


def test_a_circle_of_packages_is_drawn_as_one() -> None:
    drawing = graph.layout(installed({"a": {"b"}, "b": {"c"}, "c": {"a"}}))
    assert len(drawing.arrows) == 3
    assert [box.package.ref.name for box in sorted(drawing.boxes, key=lambda box: box.x)] == ["a", "b", "c"]


def test_a_long_chain_and_a_dense_heap_are_drawn() -> None:
    chain = {f"p{number:04}": {f"p{number + 1:04}"} for number in range(1500)}
    assert len(graph.layout(installed(chain)).boxes) == 1500
    heap = {f"p{number:02}": {f"p{other:02}" for other in range(number + 1, 60)} for number in range(60)}
    drawing = graph.layout(installed(heap))
    assert len(drawing.arrows) == 60 * 59 / 2


def test_arrows_do_not_cross_where_they_need_not() -> None:
    drawing = graph.layout(installed({"a": {"z"}, "b": {"y"}, "c": {"x"}, "x": set(), "y": set(), "z": set()}))
    y = {box.package.ref.name: box.y for box in drawing.boxes}
    assert sorted("abc", key=y.__getitem__) == ["a", "b", "c"]
    assert sorted("xyz", key=y.__getitem__) == ["z", "y", "x"]


# -- the timeline


def entry(at: float | None, number: int = 0) -> Entry:
    outcome = "deleted" if at is not None else "pending"
    return Entry(kind="ConfigMap", name=f"c{number}", action="delete", outcome=outcome, at=at)


MOMENTS = st.floats(min_value=0, max_value=1e6)
STAGES = st.lists(
    st.builds(
        StageRun,
        name=st.sampled_from(["packages", "records", "controllers"]),
        at=st.none() | MOMENTS,
        seconds=MOMENTS,
        entries=st.lists(st.builds(entry, st.none() | MOMENTS), max_size=20).map(tuple),
    ),
    max_size=5,
)


@given(STAGES)
def test_everything_that_went_is_in_the_timeline_once(stages: list[StageRun]) -> None:
    drawing = timeline.layout(stages)
    went = sum(len(timeline.gone(stage)) for stage in stages)
    assert sum(bar.number for lane in drawing.lanes for bar in lane.bars) == went
    assert sum(lane.number for lane in drawing.lanes) == went
    table = timeline.by_second(stages)
    assert sum(len(entries) for parts in table.values() for _, entries in parts) == went


@given(STAGES)
@example([StageRun(name="packages", at=5e-324, seconds=0.0, entries=())])
def test_nothing_leaves_the_picture(stages: list[StageRun]) -> None:
    drawing = timeline.layout(stages)
    right = timeline.WIDTH - timeline.RIGHT
    for lane in drawing.lanes:
        assert timeline.LEFT <= lane.x <= right + 0.1
        assert lane.x + lane.width <= right + 2.1
        for bar in lane.bars:
            assert timeline.LEFT <= bar.x <= right + 0.1
            assert lane.x - timeline.BAR <= bar.x <= lane.x + lane.width
            assert 0 < bar.height <= timeline.LANE
    assert len(drawing.ticks) <= 10
    for tick in drawing.ticks:
        assert timeline.LEFT <= tick.x <= right + 0.1


@pytest.mark.parametrize(
    ("end", "last", "marks"),
    [(17.2, "15s", 4), (0.4, "0.4s", 3), (59, "50s", 6), (373, "6m00s", 7), (7200, "120m00s", 5)],
)
def test_the_axis_has_round_marks(end: float, last: str, marks: int) -> None:
    drawing = timeline.layout([StageRun(name="packages", at=0.0, seconds=end)])
    assert [drawing.ticks[-1].words, len(drawing.ticks)] == [last, marks]


def test_a_stage_that_never_began_has_no_lane() -> None:
    report = reader.read(samples.stuck())
    assert [lane.name for lane in timeline.layout(report.stages).lanes] == ["packages"]
