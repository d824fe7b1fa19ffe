"""The two maps of Compare: what goes to the browser, once or again, and which images lines on either map select."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from pages.comparing import twin_maps
from pages.comparing.twin_maps import lines, link, packed
from tests.pages.test_map import around, sent, unframed
from tests.twins import made_up
from unlearn_core.experiment import OpenStudy, fulfil, shared_map, studies
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def mapped(filled_store, tmp_path_factory):
    """(folder of a store, the map in it)."""
    root = shutil.copytree(filled_store, tmp_path_factory.mktemp("mapped") / "store")
    store = Store(root)
    study = OpenStudy.open(store, studies(store)[0].key)
    fulfil(store, shared_map.asked(study, "fine-tune", "pca"))
    return root, shared_map.finished(study, "fine-tune", "pca")


@pytest.fixture
def maps(open_page, mapped, monkeypatch):
    """maps(told, **address) -> the view, as if lines on its maps had just said that."""

    def start(told=None, **address):
        component, given = twin_maps._maps, []

        def shown(**about):
            given.append(about["data"])
            component(**about)
            return SimpleNamespace(told=told)

        monkeypatch.setattr(twin_maps, "_maps", shown)
        at = open_page("compare", mapped[0], compare="maps", methods="fine-tune", **address)
        monkeypatch.setattr(twin_maps, "_maps", component)
        at.points = given[-1]
        return at

    return start


def columns(body: bytes, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is on the wire: highlighted and selected (n,) bool, rows with arrows."""
    size = -(-n // 32) * 4
    masks = [np.unpackbits(np.frombuffer(body, np.uint8, size, k * size), bitorder="little")[:n] for k in (0, 1)]
    return masks[0].astype(bool), masks[1].astype(bool), np.frombuffer(body, np.uint32, offset=2 * size)


@pytest.mark.parametrize(("n", "classes"), [(50_000, 10), (1001, 300)])
def test_every_image_goes_down_in_thirteen_bytes_for_three_models(n, classes):
    found = made_up(n, classes)
    places, data = packed.of_map(found, found.study.key)
    head, body = unframed(data)
    wide = 1 + (classes > 256)
    assert head["all"] == n and len(body) <= (12 + wide + 1 / 8) * n + 8 * 4
    assert len(data) <= 14 * n + 32 * classes
    at = 0
    for model in head["models"]:
        for axis in (0, 1):
            assert np.array_equal(np.frombuffer(body, np.int16, n, at), places[model][:, axis])
            at += -(-2 * n // 4) * 4
    assert np.array_equal(np.frombuffer(body, (np.uint8, np.uint16)[wide - 1], n, at), found.study.labels)
    at += -(-wide * n // 4) * 4
    forget = np.unpackbits(np.frombuffer(body, np.uint8, offset=at), bitorder="little")[:n]
    assert np.array_equal(np.flatnonzero(forget), found.study.forget)


def test_all_models_lie_in_one_frame_of_one_scale():
    found = made_up(2000)
    places, _ = packed.of_map(found, "one-frame")
    shift = {name: places[name].astype(float) - places["original"] for name in places}
    told = {name: found.places[name] - found.places["original"] for name in places}
    times = shift["unlearned"][:, 0] @ told["unlearned"][:, 0] / (told["unlearned"][:, 0] ** 2).sum()
    for name in ("unlearned", "retrained"):
        assert np.abs(shift[name] - times * told[name]).max() < 3  # of 64,000 steps


def test_another_highlight_or_model_sends_no_places_again(maps, mapped):
    n, found = len(mapped[1].study.labels), mapped[1]
    first = maps(highlight="forget")
    for shown, right in (("all", "unlearned"), ("damage", "retrained"), ("forgotten", "retrained")):
        at = maps(highlight=shown, right=right)
        assert at.points == first.points
        head, body = sent(at, "shown")
        lit, chosen, arrows = columns(body, n)
        assert np.array_equal(np.flatnonzero(lit), found.shown[shown]) and not chosen.any()
        assert head["id"] == unframed(at.points)[0]["id"] and head["right"] == right
        assert len(body) <= 2 * (n / 8 + 4) + 4 * len(arrows)
    assert maps(highlight="forget", plane="pca").points == first.points


@pytest.mark.parametrize("right", ["unlearned", "retrained"])
def test_arrows_are_of_highlighted_images_beyond_the_floor_alone(maps, mapped, right, monkeypatch):
    found = mapped[1]
    at = maps(highlight="all", right=right)
    arrows = columns(sent(at, "shown")[1], len(found.study.labels))[2]
    assert len(arrows) and np.array_equal(arrows, found.furthest(found.shown["all"], right, twin_maps.ARROWS))
    assert found.beyond(right)[arrows].all()
    monkeypatch.setattr(twin_maps, "ARROWS", 3)
    at = maps(highlight="all", right=right)
    assert np.array_equal(columns(sent(at, "shown")[1], len(found.study.labels))[2], arrows[:3])
    assert any("The 3 longest movements have arrows." in c.value for c in at.caption)


@pytest.mark.parametrize("model", packed.MODELS)
def test_a_line_selects_by_the_places_of_the_map_it_is_on(maps, mapped, model):
    found = mapped[1]
    first = maps()
    key = unframed(first.points)[0]["id"]
    assert next(b for b in first.button if b.label.startswith("Make these")).disabled
    places, _ = packed.of_map(found, key)
    row = int(np.argmax(found.moved["unlearned"][0]))
    line = {"on": model, "mode": "replace", "line": around(places[model], row, 900)}
    inside = np.flatnonzero((np.abs(places[model].astype(int) - places[model][row]) < 900).all(1))
    at = maps({"id": key, "lines": [line]})
    head, body = sent(at, "shown")
    chosen = np.flatnonzero(columns(body, len(found.study.labels))[1])
    assert row in chosen and len(np.setxor1d(chosen, inside)) <= 1 and head["lines"] == [line]
    assert at.points == first.points  # a line sends no places again either
    next(b for b in at.button if b.label == f"Make these {len(chosen)} my forget set").click()
    elsewhere = [line | {"on": on} for on in packed.MODELS if on != model]
    others = [lines.selected(places, key, {"id": key, "lines": [each]})[0] for each in elsewhere]
    assert any(not np.array_equal(chosen, rows) for rows in others)


def test_lines_follow_each_other():
    places = {"original": np.array([[0, 0], [10, 0], [20, 0]], np.int16)}
    places["unlearned"] = places["original"][::-1]
    box = {row: [[x - 4, -4], [x + 4, -4], [x + 4, 4], [x - 4, 4]] for row, x in enumerate((0, 10, 20))}

    def rows(*steps) -> list[int]:
        told = [{"on": on, "mode": mode, "line": box[k]} for on, mode, k in steps]
        return lines.selected(places, "k", {"id": "k", "lines": told})[0].tolist()

    assert rows(("original", "replace", 0)) == [0] and rows(("unlearned", "replace", 0)) == [2]
    assert rows(("original", "replace", 0), ("unlearned", "add", 0)) == [0, 2]
    assert rows(("original", "replace", 0), ("original", "add", 1), ("original", "subtract", 0)) == [1]
    assert rows() == []


@pytest.mark.parametrize(
    ("told", "said"),
    [(None, ""), ({"id": "another", "lines": 7}, ""), (7, lines.UNREADABLE), ({"id": "k"}, lines.UNREADABLE),
     ({"id": "k", "lines": [7]}, lines.UNREADABLE), ({"id": "k", "lines": [{}] * 500}, lines.UNREADABLE),
     ({"id": "k", "lines": [{"on": "again", "mode": "add", "line": []}]}, lines.UNREADABLE),
     ({"id": "k", "lines": [{"on": ["original"], "mode": "add", "line": []}]}, lines.UNREADABLE),
     ({"id": "k", "lines": [{"on": "original", "mode": "erase", "line": []}]}, lines.UNREADABLE),
     ({"id": "k", "lines": [{"on": "original", "mode": "add", "line": [[0, 0]] * 3, "x": 1}]}, lines.UNREADABLE),
     ({"id": "k", "lines": [{"on": "original", "mode": "add", "line": [[90, 90], [99, 90], [99, 99]]}]}, lines.NOBODY),
     ({"id": "k", "lines": [{"on": "original", "mode": "add", "line": "all"}]}, "is damaged"),
     ({"id": "k", "lines": [{"on": "original", "mode": "add", "line": [[0, 0]] * 5000}]}, "at most")],
)  # fmt: skip
def test_what_selects_no_image_says_so(told, said):
    rows, _, sentence = lines.selected({"original": np.zeros((3, 2), np.int16)}, "k", told)
    assert not len(rows) and (said in sentence if said else sentence == "")


def test_a_line_that_cannot_be_read_is_one_sentence(maps):
    at = maps(7)
    assert [w.value for w in at.warning] == [lines.UNREADABLE] and not at.error


# -- in the address ----------------------------------------------------------------------------------------------------


def drawn(at) -> list[dict]:
    return sent(at, "shown")[0]["lines"]


@pytest.fixture
def line(mapped):
    """A line around the first image to forget on the map of the original."""
    found = mapped[1]
    places, _ = packed.of_map(found, f"{found.study.key}.fine-tune.pca")
    return {"on": "original", "mode": "replace", "line": around(places["original"], found.study.forget[0])}


def test_lines_are_in_the_address_and_a_link_brings_them_back(maps, mapped, line):
    key = f"{mapped[1].study.key}.fine-tune.pca"
    lines = [line, line | {"on": "retrained", "mode": "add"}]
    text = maps({"id": key, "lines": lines, "at": 1}).query_params["lasso"]
    assert len(text) < 100
    at = maps(lasso=text)
    assert drawn(at) == lines and not at.warning
    chosen = columns(sent(at, "shown")[1], len(mapped[1].study.labels))[1]
    assert chosen.sum() and any(b.label == f"Make these {chosen.sum()} my forget set" for b in at.button)
    assert "lasso" not in maps({"id": key, "lines": [], "at": 2}, lasso=text).query_params


def test_lines_come_back_with_the_map_in_the_same_visit(maps, mapped, line, monkeypatch):
    """When the page was left and the browser says nothing any more, and when another map was looked at."""
    at = maps({"id": f"{mapped[1].study.key}.fine-tune.pca", "lines": [line], "at": 1})
    text = at.query_params["lasso"]
    monkeypatch.setattr(twin_maps, "_maps", lambda **_: SimpleNamespace(told=None))
    at.query_params["plane"] = "umap"
    at.run()
    at.query_params["plane"] = "pca"
    at.query_params.pop("lasso", None)
    at.run()
    assert drawn(at) == [line] and at.query_params["lasso"] == text


def test_an_address_gone_back_to_says_which_lines_there_are(maps, mapped, line, monkeypatch):
    said = {"id": f"{mapped[1].study.key}.fine-tune.pca", "lines": [line], "at": 1}
    at, told = maps(said), [said]
    monkeypatch.setattr(twin_maps, "_maps", lambda **_: SimpleNamespace(told=told[-1]))
    at.run()
    assert drawn(at) == [line]
    at.query_params.pop("lasso")
    with monkeypatch.context() as patch:
        patch.setattr(link.address, "went_back", lambda: True)
        at.run()
    assert drawn(at) == [] and "lasso" not in at.query_params
    at.run()  # what the browser said before is no news
    assert drawn(at) == []
    told.append(said | {"at": 2})
    at.run()
    assert drawn(at) == [line]


def test_every_line_comes_back_corner_by_corner():
    rng = np.random.default_rng(0)
    lines = [
        {"on": on, "mode": mode, "line": rng.integers(-90_000, 90_000, (k, 2)).tolist()}
        for k, (on, mode) in enumerate((on, mode) for on in packed.MODELS for mode in ("replace", "add", "subtract"))
    ]
    text = link.encode("a map", lines)
    assert link.decode("a map", text) == lines and link.decode("another", text) == []
    assert len(link.encode("a map", [lines[0] | {"line": rng.integers(-32_000, 32_000, (64, 2)).tolist()}])) < 600
    far = lines[0] | {"line": [[0, 0], [9e8, 0], [0, 9e8]]}
    assert link.encode("a map", [far]) == "" == link.encode("a map", lines * 9)


@pytest.mark.parametrize(
    "text", ["x", "", "abcd.", "abcd.onAAAA", "abcd.xnAAAAAAAA", "abcd.on!AAAAAAA", "a.on" + "A" * 4000]
)
def test_a_damaged_selection_of_an_address_is_one_sentence(maps, text):
    with pytest.raises(BadValue):
        link.decode("a map", text)
    if text:
        at = maps(lasso=text)
        assert [w.value for w in at.warning] == [link.UNREADABLE] and not at.error
        assert "lasso" not in at.query_params


def test_lines_too_many_for_an_address_say_so(maps, mapped, line):
    long = line | {"line": line["line"] * 91}
    at = maps({"id": f"{mapped[1].study.key}.fine-tune.pca", "lines": [long], "at": 1})
    assert [w.value for w in at.warning] == [link.TOO_LONG] and "lasso" not in at.query_params
