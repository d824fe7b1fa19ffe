"""Titles of charts: in lines that leave room for the tools, which are few, and with room below for further lines."""

import ast
import html
from pathlib import Path

import pandas as pd
import pytest

from pages.shared import dot_plot, theme
from unlearn_core.evaluation import SHARE

PAGES = Path(theme.__file__).parents[1]

SAID = "RUM is closer to retraining than 2 of its 6 rivals and further from it than 1, beyond the spread of seeds"


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(theme, "is_dark", lambda: False)


def test_a_long_title_takes_further_lines_and_makes_room_for_them():
    short, long = (theme.figure(title, "x", "y").layout for title in (SAID, f"{SAID}. {SAID}"))
    assert short.title.text == SAID and theme.figure("", "x", "y").layout.title.text == ""
    lines = long.title.text.split("<br>")
    assert len(lines) == 2 and max(map(len, lines)) <= theme.LONGEST and " ".join(lines) == f"{SAID}. {SAID}"
    assert long.height - short.height == long.margin.t - short.margin.t == theme.LINE


@pytest.mark.parametrize("said", [SAID, f"{SAID}. {SAID}", f"{SAID}. {SAID}. {SAID}"])
def test_a_title_and_what_stands_under_it_end_above_the_chart(said):
    """They go down from the top, whatever number of lines there are."""
    layout = theme.figure(said, "x", "y", about="90 images").layout
    title, lines = layout.title, layout.title.text.count("<br>") + 1
    assert (title.y, title.yanchor, title.yref) == (1, "top", "container")
    assert title.pad.t + 1.3 * (lines * theme.TITLE + theme.TICK) <= layout.margin.t


def test_lines_that_a_title_has_stay():
    assert theme.figure("One<br>two", "x", "y").layout.title.text == "One<br>two"


def test_what_dragging_does_needs_no_tool():
    assert set(theme.figure("A", "x", "y").layout.modebar.remove) == set(theme.TOOLS)


def test_words_are_the_pages_and_the_larger_the_more_they_say():
    """On every axis, those that a chart adds for itself too."""
    fig = theme.figure("A", "x", "y", about="b")
    fig.update_layout(xaxis2={"title": "z"})
    look = fig.layout.template.layout
    assert fig.layout.xaxis.title.text == "x" and look.font.family.startswith('"Source Sans"')
    for axis in (look.xaxis, look.yaxis):
        assert look.title.font.size > axis.title.font.size > axis.tickfont.size >= 12
    given = (fig.layout.title.font.size, fig.layout.font.size, fig.layout.font.family, fig.layout.xaxis.title.font.size)
    assert given == (None,) * 4  # one place says it, and what a chart says for itself goes before
    # Else Plotly draws the whole chart again where what stands at an axis is wider than the margin.
    assert not look.xaxis.automargin and not look.yaxis.automargin


def test_what_goes_to_the_browser_with_every_chart_is_small():
    """Plotly's own template is 7 kB."""
    assert len(theme.figure("A", "x", "y").to_json()) < 2000


def test_what_stands_beside_marks_is_as_large_as_at_axes():
    fig = theme.figure("A", "x", "y").add_annotation(x=0, y=0, text="here").add_vline(0, annotation={"text": "there"})
    look = fig.layout.template.layout
    assert look.annotationdefaults.font.size == look.legend.font.size == look.xaxis.tickfont.size == theme.TICK
    assert [each.font.size for each in fig.layout.annotations] == [None, None]


@pytest.mark.parametrize("path", sorted(PAGES.rglob("*.py")), ids=lambda path: str(path.relative_to(PAGES)))
def test_no_chart_has_sizes_of_its_own(path):
    """What needs one takes it from the theme."""
    for at in ast.walk(ast.parse(path.read_text())):
        if isinstance(at, ast.Dict):
            pairs = [(k.value, v) for k, v in zip(at.keys, at.values, strict=True) if isinstance(k, ast.Constant)]
        else:
            pairs = [(k.arg, k.value) for k in at.keywords] if isinstance(at, ast.Call) else []
        for name, font in pairs:
            if str(name).endswith("font") and isinstance(font, ast.Dict):
                sizes = [v for k, v in zip(font.keys, font.values, strict=True) if ast.unparse(k) == "'size'"]
                assert not any(isinstance(size, ast.Constant) for size in sizes), f"line {at.lineno}"
            assert not (str(name).endswith("font_size") and isinstance(font, ast.Constant)), f"line {at.lineno}"


def test_long_names_of_a_dot_plot_touch_nothing():
    heads = pd.DataFrame({"title": ["Random-label, no parts, 3x epochs = RUM ≈", "B"], "kind": "single"}, ["a", "b"])
    values = pd.DataFrame({"mean": [0.4, 0.6], "half_width": [0.1, None]}, heads.index)
    lines = (dot_plot.Line(0.1, "retrained", "retrained"),)
    said = "Disagreement with retraining on forgotten images (lower is better)"
    panels = [dot_plot.Panel(axis, values, lines) for axis in (said, "ToW")]
    short, long = (dot_plot.draw("T", heads, which, "on what").layout for which in ([panels[1]] * 2, panels))
    wrapped = long.xaxis.title.text.split("<br>")
    assert " ".join(wrapped) == said and len(wrapped) > 1 and long.xaxis2.title.text == "ToW"
    room = (dot_plot.WIDE - long.margin.l) / 2
    assert max(map(len, wrapped)) * dot_plot.LETTER < room
    assert long.height - short.height == long.margin.b - short.margin.b == theme.LINE * (len(wrapped) - 1)
    assert long.yaxis.ticklabelstandoff == dot_plot.CLEAR
    line = next(t for t in dot_plot.draw("T", heads, panels, "").data if t.name == "retrained")
    assert (
        "markers" in line.mode and line.marker.color == "rgba(0, 0, 0, 0)"
    )  # which keeps it off the edge, where the names are


def test_no_interval_is_drawn_beyond_what_can_be_read():
    heads = pd.DataFrame({"title": ["A", "B"], "kind": "single"}, ["a", "b"])
    values = pd.DataFrame({"mean": [0.95, 0.02], "half_width": [0.1, 0.1]}, heads.index)
    drawn = [dot_plot.draw("T", heads, [dot_plot.Panel("x", values, (), ends)], "") for ends in (SHARE, (None, None))]
    cut, whole = ((list(f.data[0].error_x.arrayminus), list(f.data[0].error_x.array)) for f in drawn)
    assert cut == (pytest.approx([0.1, 0.02]), pytest.approx([0.05, 0.1])) and whole == ([0.1, 0.1], [0.1, 0.1])
    assert "A: 0.950 ± 0.100" in drawn[0].data[0].text  # a half width is told as it is


def test_a_name_of_any_length_leaves_room_for_the_plot():
    name = "<b>&" + "w" * 150 + " x" * 100
    heads = pd.DataFrame({"title": [name, "B"], "kind": "plan"}, ["a", "b"])
    values = pd.DataFrame({"mean": [0.4, 0.6], "half_width": [0.1, None]}, heads.index)
    drawn = dot_plot.draw("T", heads, [dot_plot.Panel(axis, values) for axis in "abcd"], "").layout
    assert drawn.margin.l < dot_plot.WIDE / 2
    assert drawn.yaxis.ticktext[0].replace("<br>", "").replace(" ", "") == html.escape(name).replace(" ", "")
