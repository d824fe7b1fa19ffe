"""Numbers on coloured cells: black or white, whichever can be read there, in the light and in the dark theme."""

import base64
import json

import numpy as np
import pytest

from pages.comparing import matrix_chart
from pages.shared import theme
from pages.shared.sequential import contrast
from unlearn_core.experiment.predictions import Matrix


def test_contrast_has_its_known_values():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#ffffff") > 4.47
    assert contrast("#E69F00", "#FAFAFA") < 2.3  # what could not be read


def test_there_is_ink_for_every_ground():
    for colour in np.random.default_rng(0).integers(0, 256, (3000, 3)):
        ground = "#" + "".join(f"{part:02x}" for part in colour)
        assert contrast(theme.ink_on(ground), ground) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_every_cell_of_the_scales_can_be_read(monkeypatch, dark):
    monkeypatch.setattr(theme, "is_dark", lambda: dark)
    shares = {"colorscale": matrix_chart._shares(), "zmin": 0, "zmax": 1}
    for style in (shares, *(matrix_chart._diverging(told, 0.4) for told in (False, True))):
        for value in np.linspace(style["zmin"], style["zmax"], 101):
            ground = matrix_chart.colour_of(value, style)
            assert contrast(theme.ink_on(ground), ground) >= 4.5
        ends = (matrix_chart.colour_of(style[end], style) for end in ("zmin", "zmax"))
        assert list(ends) == [style["colorscale"][i][1].lower() for i in (0, -1)]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("cells", ["gap", "shares"])
def test_the_numbers_on_the_page_can_be_read(open_page, filled_store, monkeypatch, dark, cells):
    monkeypatch.setattr(theme, "is_dark", lambda: dark)
    at = open_page("compare", filled_store, compare="predictions", cells=cells)
    traces = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    written, style = 0, None
    for trace in traces:
        if trace["type"] == "heatmap":
            z, style = matrix(trace["z"]), {name: trace[name] for name in ("colorscale", "zmin", "zmax")}
            continue
        for x, y, text, ink in zip(trace["x"], trace["y"], trace["text"], trace["textfont"]["color"], strict=True):
            assert contrast(ink, matrix_chart.colour_of(z[y, x], style)) >= 4.5
            assert int(text.replace("−", "-")) == round(100 * z[y, x])
            written += 1
    assert written > 20


@pytest.mark.parametrize("names", [("0", "1"), ("cat", "automobile"), ("dog", "a name that is far too long")])
def test_names_of_classes_have_room_at_the_axes(names):
    cells = np.zeros((3, 2))
    one = Matrix(np.ones(3), cells, cells, cells, cells > 0)
    fig = matrix_chart.draw("Title", dict.fromkeys("abcd", one), names, "shares", "about")
    longest = max(map(len, fig.layout.yaxis.ticktext))
    assert longest <= 10 and fig.layout.margin.l >= 6 * longest
    # A cell of twelve is thirty pixels wide: two letters lie in it, more stand upright above what comes below.
    assert fig.layout.xaxis.tickangle == (0 if longest <= 3 and "0" in names else -90)
    below = fig.layout.yaxis.domain[0] - fig.layout.yaxis4.domain[1]
    inner = fig.layout.height - fig.layout.margin.t - fig.layout.margin.b
    assert below * inner >= 40 + (0 if "0" in names else 5 * longest)


def matrix(packed) -> np.ndarray:
    """What Plotly wrote of an array: a list, or its bytes."""
    if isinstance(packed, dict):
        shape = tuple(int(n) for n in packed["shape"].split(","))
        return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).reshape(shape)
    return np.array([[np.nan if v is None else v for v in line] for line in packed])
