"""The charts of the page, by kind: bars, lines, dots, a map of cells. Times are in ms since 1970 UTC."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loader.cli.page.drawing import (
    Figure,
    Frame,
    Spec,
    chart,
    colours,
    described,
    draw,
    number_axis,
    shortened,
    time_axis,
)

FEWEST_CELLS = 12
"""That a chart of time has room for: one commit is a bar then, and not a wall."""

SERIES_COLOURS = ("c0", "c1", "c2", "c3", "c4")
REST_COLOUR = "rest"
MOST_SERIES = len(SERIES_COLOURS)

HEAT_COLOURS = ("h0", "h1", "h2", "h3", "h4", "h5")
ROW_PX = 22
LETTER_PX = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """An amount of a series in one cell of time; `told` where somebody points at it."""

    start_ms: int
    series: str
    amount: float
    told: str


@dataclass(frozen=True, slots=True)
class Dot:
    """An amount at a time."""

    time_ms: int
    series: str
    amount: float
    told: str


@dataclass(frozen=True, slots=True)
class Band:
    """Between which amounts most lay, in one cell of time."""

    start_ms: int
    middle: float
    highest: float
    told: str


@dataclass(frozen=True, slots=True)
class Cell:
    """How much a name had in one cell of time, as a class of HEAT_COLOURS."""

    start_ms: int
    name: str
    heat: int
    told: str


def series_colours(names: Sequence[str], rest: str | None) -> list[str]:
    """A colour for each of at most MOST_SERIES names; grey for the rest."""
    return [*SERIES_COLOURS[: len(names)], *([REST_COLOUR] if rest else [])]


def bars(caption: str, alt: str, items: Sequence[Bar], width_ms: int, series: Mapping[str, str]) -> Figure:
    """Bars over time, those of several series upon one another, the first at the bottom.

    series  the colour of each, in order
    """
    first_ms, end_ms = _span([each.start_ms for each in items], width_ms)
    order = list(series)
    reached: defaultdict[int, float] = defaultdict(float)
    values = []
    for each in sorted(items, key=lambda each: order.index(each.series)):
        low, high = reached[each.start_ms], reached[each.start_ms] + each.amount
        reached[each.start_ms] = high
        values.append(
            {
                "start": each.start_ms,
                "end": each.start_ms + round(width_ms * 0.88),
                "series": each.series,
                "low": low,
                "high": high,
                "told": each.told,
            }
        )

    def spec_in(frame: Frame) -> Spec:
        return chart(
            frame,
            190,
            values,
            mark={"type": "rect"},
            encoding={
                "x": time_axis("start", frame, first_ms, end_ms),
                "x2": {"field": "end"},
                "y": number_axis("high"),
                "y2": {"field": "low"},
                "color": colours("series", list(series), list(series.values())),
                "description": described(),
            },
        )

    return draw(caption, alt, spec_in)


def lines(
    caption: str,
    alt: str,
    items: Sequence[Dot],
    behind: Sequence[Dot],
    width_ms: int,
    series: Mapping[str, str],
) -> Figure:
    """A line for each series, with its dots; `behind` is a grey area."""
    first_ms, end_ms = _span([each.time_ms for each in [*items, *behind]], width_ms)

    def spec_in(frame: Frame) -> Spec:
        x, y = time_axis("time", frame, first_ms, end_ms), number_axis("amount")
        colour = colours("series", list(series), list(series.values()))
        dots = {"type": "point", "filled": True, "size": 22, "opacity": 1}
        return chart(
            frame,
            210,
            [],
            layer=[
                {
                    "data": {"values": _dots(behind)},
                    "mark": {"type": "area", "color": "var(--rest)", "opacity": 0.35, "aria": False},
                    "encoding": {"x": x, "y": y},
                },
                {
                    "data": {"values": _dots(items)},
                    "mark": {"type": "line", "strokeWidth": 2, "aria": False},
                    "encoding": {"x": x, "y": y, "color": colour},
                },
                {
                    "data": {"values": _dots(items)},
                    "mark": dots,
                    "encoding": {"x": x, "y": y, "color": colour, "description": described()},
                },
            ],
        )

    return draw(caption, alt, spec_in)


def dots(caption: str, alt: str, items: Sequence[Dot], width_ms: int, series: Mapping[str, str]) -> Figure:
    """A dot for each amount."""
    first_ms, end_ms = _span([each.time_ms for each in items], width_ms)

    def spec_in(frame: Frame) -> Spec:
        return chart(
            frame,
            190,
            _dots(items),
            mark={"type": "point", "filled": True, "size": 42, "opacity": 0.85},
            encoding={
                "x": time_axis("time", frame, first_ms, end_ms),
                "y": number_axis("amount"),
                "color": colours("series", list(series), list(series.values())),
                "description": described(),
            },
        )

    return draw(caption, alt, spec_in)


def bands(caption: str, alt: str, items: Sequence[Band], width_ms: int) -> Figure:
    """For many amounts: a bar up to the highest of each cell of time, and a mark at the middle one."""
    first_ms, end_ms = _span([each.start_ms for each in items], width_ms)
    values = [
        {
            "start": each.start_ms,
            "end": each.start_ms + round(width_ms * 0.88),
            "zero": 0,
            "middle": each.middle,
            "highest": each.highest,
            "told": each.told,
        }
        for each in items
    ]

    def spec_in(frame: Frame) -> Spec:
        x = {"x": time_axis("start", frame, first_ms, end_ms), "x2": {"field": "end"}}
        return chart(
            frame,
            190,
            values,
            layer=[
                {
                    "mark": {"type": "rect", "color": "var(--c0)", "opacity": 0.35},
                    "encoding": {
                        **x,
                        "y": number_axis("highest"),
                        "y2": {"field": "zero"},
                        "description": described(),
                    },
                },
                {
                    "mark": {"type": "rule", "color": "var(--c0)", "strokeWidth": 2.5, "aria": False},
                    "encoding": {**x, "y": number_axis("middle")},
                },
            ],
        )

    return draw(caption, alt, spec_in)


def heat(caption: str, alt: str, items: Sequence[Cell], width_ms: int, names: Sequence[str]) -> Figure:
    """A map of names and time; the classes are told by a legend of the page."""
    first_ms, end_ms = _span([each.start_ms for each in items], width_ms)
    classes = [str(number) for number in range(len(HEAT_COLOURS))]

    def spec_in(frame: Frame) -> Spec:
        short = shortened(names, frame.name_letters)
        values = [
            {
                "start": each.start_ms,
                "end": each.start_ms + width_ms,
                "name": short[each.name],
                "heat": str(each.heat),
                "told": each.told,
            }
            for each in items
        ]
        return chart(
            frame,
            ROW_PX * len(names) + 24,
            values,
            mark={"type": "rect", "stroke": "var(--card)", "strokeWidth": 1},
            encoding={
                "x": time_axis("start", frame, first_ms, end_ms),
                "x2": {"field": "end"},
                "y": {
                    "field": "name",
                    "type": "nominal",
                    "sort": list(short.values()),
                    "scale": {"domain": list(short.values())},
                    "axis": {
                        "title": None,
                        "labelLimit": 0,
                        "labelColor": "var(--ink)",
                        # Letters of a browser's font may be wider than those that are measured here.
                        "minExtent": LETTER_PX * max(map(len, short.values())) + 6,
                    },
                },
                "color": colours("heat", classes, HEAT_COLOURS),
                "description": described(),
            },
        )

    return draw(caption, alt, spec_in)


def _dots(items: Sequence[Dot]) -> list[dict[str, object]]:
    return [
        {"time": each.time_ms, "series": each.series, "amount": each.amount, "told": each.told}
        for each in items
    ]


def _span(starts_ms: Sequence[int], width_ms: int) -> tuple[int, int]:
    end_ms = max(starts_ms) + width_ms
    return min(*starts_ms, end_ms - FEWEST_CELLS * width_ms), end_ms
