"""Colours and chart defaults. Never colour alone: a shape, a dash or a label goes with it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps

import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st

# Told apart under the common colour vision deficiencies; on white and on dark grounds.
ROLES = {"forget": ("#D55E00", "x"), "retain": ("#0072B2", "circle"), "held-out": ("#6B7280", "circle-open")}
MODELS = {"original": "#4D4D4D", "unlearned": "#E69F00", "retrained": "#0072B2"}
DASHES = {"original": "dot", "unlearned": "solid", "retrained": "dash"}
PARTS = {"low": "#92dadd", "medium": "#ffa90e", "high": "#832db6"}
# What is too dark on a dark ground is lifted there.
LIFTED = {"original": "#B8B8B8", "retrained": "#56B4E9", "high": "#C58AE8"}
CLASSES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
# Tools that stand over the end of a title and do what dragging and a double click do.
TOOLS = ("zoom", "pan", "zoomIn", "zoomOut", "autoScale")
LONGEST = 108  # letters of a title in one line: what is right of them is for the tools
LINE = 20  # pixels of a further line
# How large words in a chart are: its title, those of its axes and panels, what stands at axes, beside marks and in the
# legend, and numbers in cells. No chart has sizes of its own. By itself Plotly makes the title of an axis larger than
# the rest, and takes whatever letters the browser has; these are the page's. It is the default of all charts, because
# one that names it takes eight times as long to make.
TITLE, AXIS, TICK, CELL = 16, 13, 12, 10
# It has no more than our charts use and leaves the margins alone: Plotly's own goes whole to the browser with every
# chart, and makes room at its axes by drawing the whole chart again.
FONT = '"Source Sans", sans-serif'
LOOK = "workbench"
_axis = {"title": {"font": {"size": AXIS}, "standoff": 15}, "tickfont": {"size": TICK}, "ticks": ""}
_small, _pattern = {"font": {"size": TICK}}, {"fillmode": "overlay", "size": 10, "solidity": 0.2}
pio.templates[LOOK] = go.layout.Template(
    layout={
        "autotypenumbers": "strict",
        "colorway": CLASSES,
        "font": {"family": FONT, "size": AXIS},
        "title": {"font": {"size": TITLE}},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "xaxis": _axis,
        "yaxis": _axis,
        "legend": _small,
        "annotationdefaults": _small | {"arrowhead": 0, "arrowwidth": 1},
    },
    data={
        "bar": [{"marker": {"pattern": _pattern}}],
        "heatmap": [{"colorbar": {"outlinewidth": 0, "ticks": ""}}],
    },
)
pio.templates.default = LOOK


def model_colour(role: str) -> str:
    """The colour of original, unlearned or retrained on the ground of now."""
    return _on_ground(MODELS, role)


def part_colour(part: str) -> str:
    """The colour of the low, medium or high part on the ground of now."""
    return _on_ground(PARTS, part)


def grey() -> str:
    """The colour of what cannot be told from noise, on the ground of now."""
    return "#9CA3AF" if is_dark() else "#6B7280"


def _on_ground(colours: dict[str, str], name: str) -> str:
    return LIFTED.get(name, colours[name]) if is_dark() else colours[name]


def luminance(colour: str) -> float:
    """How light a colour #rrggbb is, 0 black to 1 white. Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(ground: str) -> str:
    """Black or white, whichever stands out more from a ground #rrggbb: by at least 4.5, for there is no ground on which
    both fall below it.
    """
    # The contrasts are (1.05) / (light + 0.05) and (light + 0.05) / 0.05; they are equal where the product is.
    return "#000000" if (luminance(ground) + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"


def is_dark() -> bool:
    return st.context.theme.type == "dark"


def figure(title: str, x: str, y: str, height: int = 360, about: str = "") -> go.Figure:
    """An empty chart titled by its conclusion (in as many lines as it needs), with axis titles; `about` says below the
    title on what data, and on how many, it rests.
    """
    whole = {"break_long_words": False, "break_on_hyphens": False}  # names of methods have hyphens
    lines = [line for part in title.split("<br>") for line in textwrap.wrap(part, LONGEST, **whole)]
    more = LINE * (max(0, len(lines) - 1) + bool(about))
    ink, grid = ("#FAFAFA", "#3A3F4B") if is_dark() else ("#101014", "#E3E5E9")
    # Given at once: the same through update_layout takes five times as long.
    return go.Figure(
        layout={
            "title": {
                "text": "<br>".join(lines),
                "x": 0,
                "xanchor": "left",
                # Lines and subtitle go down from the top; from the middle of the margin they would end in the chart.
                "y": 1,
                "yanchor": "top",
                "yref": "container",
                "pad": {"t": 17},
                "subtitle": {"text": about, "font": {"size": TICK, "color": grey()}},
            },
            "height": height + more,
            "margin": {"l": 56, "r": 16, "t": 48 + more, "b": 48},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": ink},
            "legend": {"orientation": "h", "y": -0.22, "x": 0},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8A8F98", "remove": list(TOOLS)},
            "xaxis": {"title": x, "gridcolor": grid, "zeroline": False},
            "yaxis": {"title": y, "gridcolor": grid, "zeroline": False},
        }
    )


def brushed(fig: go.Figure) -> None:
    """Have a hand draw a band along the horizontal axis where it would zoom, and leave no tool but that."""
    tools = ("select", "lasso", "zoom", "pan", "autoscale", "resetscale", "zoomin", "zoomout", "toimage")
    fig.update_layout(dragmode="select", selectdirection="h", modebar={"remove": tools})
    fig.update_xaxes(fixedrange=True)
    fig.update_yaxes(fixedrange=True)


def room_for(names: Iterable[str]) -> int:
    """Pixels beside a vertical axis that these names at it take, rather more than less: where it is too little the
    axis' automargin makes room, by drawing the whole chart a second time.
    """
    return 36 + round(6.4 * max(map(len, names), default=0))


def kept(make: Callable) -> Callable:
    """`make(study, ...)`, which draws, made once for each ground: a finished study never changes. Whoever gets a chart
    of it shares it with others, so it stays as it is.
    """
    # As many as studies are kept open, for each of these holds on to its own.
    found = lru_cache(maxsize=8)(lambda dark, *args: make(*args))
    return wraps(make)(lambda *args: found(is_dark(), *args))


def show(fig: go.Figure, alt: str, still: bool = False, **options) -> object:
    """Draw a chart; `alt` says in words what it shows, for those who cannot see it. A `still` one says all by itself,
    so it answers to no pointer, and stands sooner.
    """
    config = {"displaylogo": False} | ({"staticPlot": True} if still else {})
    return st.plotly_chart(fig, theme=None, alt=alt, config=config, **options)
