"""Where each bar stands in the drawing of what went when. Pure geometry.

One lane a stage, in the order of the plan; along it, how many objects went in
each short while. Units are those of the SVG's viewBox.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .names import seconds

if TYPE_CHECKING:
    from .reader import Entry, StageRun

WIDTH = 960.0
LEFT = 116.0
RIGHT = 72.0
LANE = 44.0
TOP = 8.0
BELOW = 28.0
BAR = 5.0
"""A bar's width, with the gap beside it."""


@dataclass(frozen=True)
class Bar:
    """Some objects that went within the same short while."""

    x: float
    height: float
    number: int
    words: str
    """When, for people."""


@dataclass(frozen=True)
class Lane:
    """One stage."""

    name: str
    y: float
    """Its lower edge."""
    x: float
    width: float
    """Where its time is."""
    number: int
    """How many objects went."""
    words: str
    bars: tuple[Bar, ...]


_SHORTEST = 0.001
"""Seconds; what is over sooner has nothing to be drawn to scale, and a scale by it would be infinite."""


@dataclass(frozen=True)
class Tick:
    """A mark of the axis."""

    x: float
    words: str


@dataclass(frozen=True)
class Timeline:
    """The drawing. Without lanes there is nothing to draw."""

    height: float = 0.0
    lanes: tuple[Lane, ...] = ()
    ticks: tuple[Tick, ...] = ()


def layout(stages: Sequence[StageRun]) -> Timeline:
    """Draws the stages that began. The same stages always make the same drawing."""
    begun = [(stage, at) for stage in stages if (at := began(stage)) is not None]
    end = max((max(at + stage.seconds, *gone(stage), at) for stage, at in begun), default=0.0)
    if not begun:
        return Timeline()
    scale = (WIDTH - LEFT - RIGHT) / (end if end > _SHORTEST else 1.0)
    counted = [_bins(stage, scale) for stage, _ in begun]
    most = max((number for bins in counted for number in bins.values()), default=1)
    lanes = []
    for position, ((stage, at), bins) in enumerate(zip(begun, counted, strict=True)):
        number = sum(bins.values())
        first = min(at, *gone(stage), at)  # a namespace may be gone before its stage begins
        lanes.append(
            Lane(
                name=stage.name,
                y=TOP + (position + 1) * LANE,
                x=LEFT + first * scale,
                width=max((max(at + stage.seconds, *gone(stage), at) - first) * scale, 2.0),
                number=number,
                words=f"{stage.name}: {number} deleted, the stage from {seconds(at)} on, for {seconds(stage.seconds)}",
                bars=tuple(_bar(key, count, most, scale) for key, count in sorted(bins.items())),
            )
        )
    return Timeline(TOP + len(lanes) * LANE + BELOW, tuple(lanes), tuple(_ticks(end, scale)))


def began(stage: StageRun) -> float | None:
    """Seconds after the start at which a stage began; None where it didn't, or the document doesn't say."""
    return stage.at if stage.at is not None else min(gone(stage), default=None)


def gone(stage: StageRun) -> tuple[float, ...]:
    """The moments at which a stage's objects were gone."""
    return tuple(entry.at for entry in stage.entries if entry.gone and entry.at is not None)


def by_second(stages: Sequence[StageRun]) -> Mapping[int, Sequence[tuple[str, Sequence[Entry]]]]:
    """What went in each second after the start in which anything did: stage and objects."""
    table: dict[int, dict[str, list[Entry]]] = {}
    for stage in stages:
        for entry in stage.entries:
            if entry.gone and entry.at is not None:
                table.setdefault(int(entry.at), {}).setdefault(stage.name, []).append(entry)
    return {second: [(name, table[second][name]) for name in table[second]] for second in sorted(table)}


def _bins(stage: StageRun, scale: float) -> dict[int, int]:
    bins: dict[int, int] = {}
    for moment in gone(stage):
        key = int(moment * scale / BAR)
        bins[key] = bins.get(key, 0) + 1
    return bins


def _bar(key: int, number: int, most: int, scale: float) -> Bar:
    height = 4.0 + (LANE - 18.0) * number / most
    return Bar(LEFT + key * BAR, height, number, f"{number} at {seconds(key * BAR / scale)}")


def _ticks(end: float, scale: float) -> list[Tick]:
    """Round marks, at most nine of them."""
    rough = max(end, 1.0) / 8
    power = 10 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power, 20 * power) if step >= rough)
    step = max(step, 1.0) if end >= 1 else step
    if 60 < end < 36000:
        step = next((s for s in (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0) if s >= rough), step)
    marks = [number * step for number in range(int(end / step) + 1)]
    return [Tick(LEFT + mark * scale, f"{mark:g}s" if end <= 60 else seconds(mark)) for mark in marks]
