"""Vega-Lite charts as SVG within a page: drawn here, so that the page needs no script and no network.

Colours are the page's own CSS variables, so one drawing serves light and dark. Each chart is drawn twice, for
a wide page and for a phone: text in a drawing grows and shrinks with it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import vl_convert
from markupsafe import Markup

Spec = dict[str, Any]

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {f"{SVG}{name}" for name in ("svg", "g", "path", "line", "rect", "text", "tspan", "title")}
"""What a drawing is made of; anything else does not get into the page."""

KEPT_ATTRIBUTES = {
    *("d", "transform", "fill", "stroke", "opacity", "x", "y", "x1", "x2", "y1", "y2", "width", "height"),
    *("fill-opacity", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linecap", "viewBox"),
    *("stroke-miterlimit", "text-anchor", "font-family", "font-size", "font-weight", "display", "rx", "ry"),
}

CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelPadding": 4,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False},
}


@dataclass(frozen=True, slots=True)
class Frame:
    """How large a drawing is, in px, and how much room names have in it."""

    width: int
    name_letters: int
    time_ticks: int


WIDE = Frame(width=760, name_letters=26, time_ticks=8)
NARROW = Frame(width=320, name_letters=13, time_ticks=4)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart in both widths; `alt` is what a reader of the page hears of it."""

    caption: str
    alt: str
    wide: Markup
    narrow: Markup


def draw(caption: str, alt: str, spec_in: Callable[[Frame], Spec]) -> Figure:
    """Draw a chart."""
    return Figure(caption, alt, _svg(spec_in(WIDE)), _svg(spec_in(NARROW)))


def chart(frame: Frame, height: int, values: Sequence[Mapping[str, Any]], **parts: Any) -> Spec:
    """A whole specification, from its data and its marks and encodings, or layers."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": frame.width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 1,
        "config": CONFIG,
        "data": {"values": list(values)},
        **parts,
    }


def time_axis(field: str, frame: Frame, first_ms: int, end_ms: int) -> Spec:
    """Encodes a time in UTC, ms since 1970, from first to end; both are told by the marks in between."""
    day = "'%Y-%m-%d'" if end_ms - first_ms > 300 * 86_400_000 else "'%d %b'"
    clock = "'%H:%M:%S'" if end_ms - first_ms < 600_000 else "'%H:%M'"
    at_midnight = "utchours(datum.value) == 0 && utcminutes(datum.value) == 0 && utcseconds(datum.value) == 0"
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc", "domain": [first_ms, end_ms], "nice": False},
        "axis": {
            "title": None,
            "tickCount": frame.time_ticks,
            "labelOverlap": "greedy",
            "labelFlush": False,
            "labelSeparation": 10,
            "labelExpr": f"utcFormat(datum.value, {at_midnight} ? {day} : {clock})",
        },
    }


def number_axis(field: str) -> Spec:
    """Encodes an amount, from 0; its unit is in the caption."""
    return {
        "field": field,
        "type": "quantitative",
        "axis": {
            "title": None,
            "tickCount": 4,
            # ~s alone would call a half 500 thousandths.
            "labelExpr": "format(datum.value, datum.value < 1 ? '.3~f' : '~s')",
        },
        "scale": {"domainMin": 0, "zero": True, "nice": True},
    }


def colours(field: str, names: Sequence[str], variables: Sequence[str]) -> Spec:
    """Encodes a name by a colour of the page; its legend is the page's own."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "range": [f"var(--{each})" for each in variables]},
        "legend": None,
    }


def shortened(names: Sequence[str], letters: int) -> dict[str, str]:
    """Names that fit, each different: the end goes, or the middle, or the begin, by what tells them apart."""
    cut = letters - 1
    half = cut // 2
    for begin in (cut, half, 0):
        end = cut - begin
        short = [
            name if len(name) <= letters else f"{name[:begin]}…{name[len(name) - end :]}" for name in names
        ]
        if len({*short}) == len(short):
            return dict(zip(names, short, strict=True))
    return {name: f"{number}. {name}"[:letters] for number, name in enumerate(names, 1)}


def described(field: str = "told") -> Spec:
    """Encodes what is told of a mark where somebody points at it."""
    return {"field": field, "type": "nominal"}


def _svg(spec: Spec) -> Markup:
    """Raises ValueError for a specification that Vega-Lite does not understand: a bug."""
    root = ET.fromstring(vl_convert.vegalite_to_svg(spec))  # noqa: S314  Vega's own
    width, height = (float(root.attrib[each]) for each in ("width", "height"))
    _clean(root)
    root.attrib = {
        "viewBox": f"0 0 {math.ceil(width)} {math.ceil(height)}",
        "aria-hidden": "true",
        "focusable": "false",
    }
    # The page is HTML: there svg needs no namespace, and prefixes mean nothing.
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  made of known elements, text escaped


def _clean(element: ET.Element) -> None:
    """Keep what is drawn; what is told of a mark becomes its title, which browsers show."""
    told = element.get("aria-label") if element.get("role") == "graphics-symbol" else None
    element.attrib = {name: value for name, value in element.attrib.items() if name in KEPT_ATTRIBUTES}
    for child in list(element):
        if child.tag not in DRAWN or child.get("d") == "" or child.get("display") == "none":
            element.remove(child)
        else:
            _clean(child)
            if child.tag == f"{SVG}g" and not len(child):
                element.remove(child)
    if told:
        title = ET.Element(f"{SVG}title")
        title.text = told
        element.insert(0, title)
