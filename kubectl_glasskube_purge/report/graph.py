"""Where each package and each arrow stands in the drawing of what needs what. Pure geometry.

A layered drawing, from left to right: a package that needs others stands left of them,
which is also the order in which the purge deletes. Packages that have nothing to
do with any other fill a grid below. Units are those of the SVG's viewBox.

Written here because a graph of at most a few hundred small boxes needs none of
what layout engines bring along, and those that are good are no Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from kubectl_glasskube_purge.kube.objects import Ref

if TYPE_CHECKING:
    from .reader import Installed


WIDTH = 216.0
HEIGHT = 72.0
BETWEEN_COLUMNS = 64.0
BETWEEN_ROWS = 16.0
GRID_COLUMNS = 4
MARGIN = 8.0

_PASS = 12.0
"""Height that an arrow takes where it passes a column between its ends."""
_PASSES = 2000
"""Above this many, arrows go straight: they couldn't be followed anyway."""


@dataclass(frozen=True)
class Box:
    """A package in the drawing; `x` and `y` are its upper left corner."""

    package: Installed
    x: float
    y: float


@dataclass(frozen=True)
class Arrow:
    """From a package to one that it needs."""

    source: Ref
    target: Ref
    path: str
    """The `d` of an SVG path."""


@dataclass(frozen=True)
class Graph:
    """The drawing."""

    width: float = 0.0
    height: float = 0.0
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()


_Slot = Ref | tuple[Ref, Ref, int]
"""What stands in a column: a package, or an arrow that passes (its ends, and the column)."""


def layout(packages: Iterable[Installed]) -> Graph:
    """Places every package once; the same packages always make the same drawing. Circles are drawn as such."""
    by_ref = {package.ref: package for package in sorted(packages, key=lambda package: package.ref)}
    needs = {ref: sorted({r.ref for r in p.requires} & by_ref.keys() - {ref}) for ref, p in by_ref.items()}
    connected = {ref for ref, required in needs.items() if required} | {
        r for required in needs.values() for r in required
    }
    columns = columns_of({ref: needs[ref] for ref in by_ref if ref in connected})
    layers, routes = _layers(columns, needs)
    _untangle(layers, routes)
    middle, height = _place(layers)
    boxes = [
        Box(by_ref[slot], MARGIN + column * (WIDTH + BETWEEN_COLUMNS), middle[slot] - HEIGHT / 2)
        for column, layer in enumerate(layers)
        for slot in layer
        if isinstance(slot, Ref)
    ]
    arrows = [Arrow(route[0], route[-1], _path(route, columns, middle)) for route in routes]  # type: ignore[arg-type]
    top = height + BETWEEN_ROWS * 2 if boxes else MARGIN
    alone = [ref for ref in by_ref if ref not in connected]
    pitch = WIDTH + BETWEEN_ROWS
    for position, ref in enumerate(alone):
        row, column = divmod(position, GRID_COLUMNS)
        boxes.append(Box(by_ref[ref], MARGIN + column * pitch, top + row * (HEIGHT + BETWEEN_ROWS)))
    return Graph(
        width=max((box.x + WIDTH for box in boxes), default=0.0) + MARGIN,
        height=max((box.y + HEIGHT for box in boxes), default=0.0) + MARGIN,
        boxes=tuple(boxes),
        arrows=tuple(arrows),
    )


def columns_of(needs: Mapping[Ref, Sequence[Ref]]) -> Mapping[Ref, int]:
    """For each package its column: right of all that need it.

    In a circle one has to be first: the first by name, and the arrow that
    leads back to it doesn't count.
    """
    waits_for = dict.fromkeys(needs, 0)
    for targets in needs.values():
        for target in targets:
            waits_for[target] += 1
    columns = dict.fromkeys(needs, 0)
    ready = [ref for ref in needs if waits_for[ref] == 0]
    open_ = dict.fromkeys(sorted(needs))
    while open_:
        ref = ready.pop() if ready else next(iter(open_))
        del open_[ref]
        for required in needs[ref]:
            if required in open_:
                columns[required] = max(columns[required], columns[ref] + 1)
                waits_for[required] -= 1
                if waits_for[required] == 0:
                    ready.append(required)
        ready = [other for other in ready if other in open_]
    return columns


def _layers(
    columns: Mapping[Ref, int], needs: Mapping[Ref, Sequence[Ref]]
) -> tuple[list[list[_Slot]], list[list[_Slot]]]:
    """What stands in each column, and for each arrow the slots that it goes through."""
    layers: list[list[_Slot]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    for ref in sorted(columns):
        layers[columns[ref]].append(ref)
    pairs = [(ref, required) for ref in sorted(columns) for required in needs[ref]]
    passing = sum(max(columns[target] - columns[source] - 1, 0) for source, target in pairs) <= _PASSES
    routes: list[list[_Slot]] = []
    for source, target in pairs:
        between: list[_Slot] = []
        if passing:
            between = [(source, target, column) for column in range(columns[source] + 1, columns[target])]
            for column, slot in enumerate(between, columns[source] + 1):
                layers[column].append(slot)
        routes.append([source, *between, target])
    return layers, routes


def _untangle(layers: list[list[_Slot]], routes: Sequence[Sequence[_Slot]]) -> None:
    """Orders each column by where its neighbours stand, there and back again, so that few arrows cross."""
    neighbours: dict[_Slot, list[_Slot]] = {}
    for route in routes:
        for one, other in pairwise(route):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    for sweep in range(4):
        order = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for column in order:
            fixed = layers[column - 1] if sweep % 2 == 0 else layers[column + 1]
            rank = {slot: position for position, slot in enumerate(fixed)}
            own = {slot: position for position, slot in enumerate(layers[column])}
            weight: dict[_Slot, float] = {}
            for slot in layers[column]:
                ranks = [rank[other] for other in neighbours.get(slot, ()) if other in rank]
                weight[slot] = sum(ranks) / len(ranks) if ranks else float(own[slot])
            layers[column].sort(key=lambda slot: (weight[slot], own[slot]))


def _place(layers: Sequence[Sequence[_Slot]]) -> tuple[Mapping[_Slot, float], float]:
    """The vertical middle of every slot, each column centred, and the height of the whole."""
    heights = [sum(_height(slot) for slot in layer) + BETWEEN_ROWS * (len(layer) - 1) for layer in layers]
    tallest = max(heights, default=0.0)
    middle: dict[_Slot, float] = {}
    for layer, height in zip(layers, heights, strict=True):
        y = MARGIN + (tallest - height) / 2
        for slot in layer:
            middle[slot] = y + _height(slot) / 2
            y += _height(slot) + BETWEEN_ROWS
    return middle, MARGIN + tallest


def _height(slot: _Slot) -> float:
    return HEIGHT if isinstance(slot, Ref) else _PASS


def _path(route: Sequence[_Slot], columns: Mapping[Ref, int], middle: Mapping[_Slot, float]) -> str:
    def column(slot: _Slot) -> int:
        return columns[slot] if isinstance(slot, Ref) else slot[2]

    def left(slot: _Slot) -> float:
        return MARGIN + column(slot) * (WIDTH + BETWEEN_COLUMNS)

    x, y = left(route[0]) + WIDTH, middle[route[0]]
    path = [f"M{x:.1f} {y:.1f}"]
    for slot in route[1:]:
        to, down = left(slot), middle[slot]
        bend = max(abs(to - x) / 2, BETWEEN_COLUMNS / 2)
        path.append(f"C{x + bend:.1f} {y:.1f} {to - bend:.1f} {down:.1f} {to:.1f} {down:.1f}")
        x, y = to, down
        if slot is not route[-1]:
            x += WIDTH
            path.append(f"H{x:.1f}")
    return "".join(path)
