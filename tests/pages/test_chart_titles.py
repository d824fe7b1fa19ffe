"""Titles of charts: in lines that leave room for the tools, which are few, and with room below for further lines."""

import pytest

from pages.shared import theme

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
    assert look.xaxis.automargin and look.colorway  # the rest is as Plotly has it
