"""How memorized the images are: all of them with the forget set over them, and the forget set cut into parts."""

from __future__ import annotations

import textwrap

import numpy as np
import plotly.graph_objects as go

from pages.shared import theme
from pages.shared.text import hundredths
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import BIN, by_part, histogram
from unlearn_core.proxies import PROXIES

PATTERNS = {"low": "", "medium": "/", "high": "x"}
UNFADED = {"marker": {"opacity": 1}}  # what a brush selects is shown otherwise, so no bar fades
LONGEST = 34  # letters in a line below a chart that is as narrow as the panel beside the map
AXES = {
    "entanglement": "minus the squared distance to the middle of all embeddings (right = nearer to the middle)",
    **{name: proxy.axis for name, proxy in PROXIES.items()},
}


def of_all(study: OpenStudy, chosen: np.ndarray, parts: dict[str, np.ndarray]) -> go.Figure:
    """All training images, the forget set over them, and dashed lines between its parts; a brush across it selects."""
    scores, counts = study.memorization.scores, histogram(study, chosen)
    axis = textwrap.wrap(study.score_words.axis, LONGEST)
    below = 15 * (len(axis) - 1)
    own, usual = (hundredths(mean) for mean in counts.means)
    title = f"Your set scores {own}, all images {usual}"
    fig = theme.figure(title, "<br>".join(axis), "images (log scale)", height=240 + below)
    fig.update_layout(
        barmode="overlay", bargap=0.08, legend={"y": 1.02, "yanchor": "bottom"},
        margin={"l": 44, "r": 4, "t": 62, "b": 44 + below}, hovermode="x",
    )  # fmt: skip
    theme.brushed(fig)
    colour, _ = theme.ROLES["forget"]
    stripes = {"shape": "/", "fillmode": "overlay", "fgcolor": "white", "solidity": 0.15}
    for name, heights, marker in (
        (f"all {len(scores):,}", counts.everyone, {"color": "#94a4a2"}),
        (f"to forget {len(chosen):,}", counts.chosen, {"color": colour, "pattern": stripes}),
    ):
        fig.add_bar(
            x=counts.middles, y=heights, width=BIN * 0.92, name=name, marker=marker, hovertemplate="%{y}",
            selected=UNFADED, unselected=UNFADED,
        )  # fmt: skip
    top = float(np.log10(counts.everyone.max()))  # a single image is a bar too
    fig.update_yaxes(type="log", dtick=1, range=[-0.35, top + 0.1], title=None)
    fig.update_xaxes(hoverformat=".2f")
    for cut in _cuts(scores, parts):
        fig.add_vline(x=cut, line={"dash": "dash", "width": 1.5, "color": fig.layout.font.color})
    return fig


def of_set(study: OpenStudy, by: str, parts: dict[str, np.ndarray], lines: tuple[float, float]) -> go.Figure:
    """The forget set alone, by the score that a plan refines by, with dashed lines where it is cut, an infinite one
    beside the bars; dragging across it selects.
    """
    scores = study.scores(by)
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())
    axis = study.score_words.axis if by == "memorization" else AXES[by]
    fig = theme.figure(f"The cuts make parts of {sizes}", axis, "images", height=328)
    fig.update_layout(barmode="stack", bargap=0.08, showlegend=False, margin={"t": 84})
    theme.brushed(fig)
    chosen = scores[np.concatenate(list(parts.values()))]
    width = BIN if by == "memorization" else max(float(np.ptp(chosen)) / 40, 1e-6)
    middles, heights = by_part(scores, parts, width)
    for name, images in heights.items():
        fig.add_bar(
            x=middles, y=images, width=width * 0.92, name=name, selected=UNFADED, unselected=UNFADED,
            marker={
                "color": theme.part_colour(name),
                "pattern": {"shape": PATTERNS[name], "fillmode": "overlay", "solidity": 0.2},
            },
            hovertemplate=f"%{{y}} images of the {name} part<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(range=[middles[0] - width, middles[-1] + width])
    ends = {"neginf": middles[0] - width / 2, "posinf": middles[-1] + width / 2}
    _mark(fig, scores, parts, np.nan_to_num(lines, **ends).tolist())
    return fig


def _cuts(scores: np.ndarray, parts: dict[str, np.ndarray]) -> list[float]:
    """The scores halfway between neighbours of the parts that hold images."""
    names = _rising(scores, parts)
    neighbours = zip(names, names[1:], strict=False)
    return [float(scores[parts[a]].max() + scores[parts[b]].min()) / 2 for a, b in neighbours]


def _rising(scores: np.ndarray, parts: dict[str, np.ndarray]) -> list[str]:
    """The parts that hold images, the lowest scores first; those of equal scores in their own order."""
    return sorted((name for name, rows in parts.items() if len(rows)), key=lambda name: scores[parts[name]].mean())


def _mark(fig: go.Figure, scores: np.ndarray, parts: dict[str, np.ndarray], lines: list[float]) -> None:
    """The dashed lines, and beside them the names of the parts that hold images. By entanglement the part with the
    lowest scores need not be the low one.
    """
    for line in lines:
        fig.add_vline(x=line, line={"dash": "dash", "width": 1.5, "color": fig.layout.font.color})
    places = ((lines[0], "right"), (sum(lines) / 2, "center"), (lines[1], "left"))
    place = 0
    for name in _rising(scores, parts):
        own = scores[parts[name]]
        place = max(place, sum(own.max() > line for line in lines))
        at, anchor = places[min(place, 2)]
        fig.add_annotation(
            x=at, y=1.0, yref="paper", yanchor="bottom", xanchor=anchor, text=f" {name} ({len(own)}) ",
            # The name in the middle stands higher, because the cuts may lie closer than a word is wide.
            yshift=17 if anchor == "center" else 0, showarrow=False,
        )  # fmt: skip
        place += 1
