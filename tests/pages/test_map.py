"""The map of Explore: what goes to the browser, and what lines from it do to the set."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pages.shared import chosen_set, embedding_map
from pages.shared.embedding_map import blob, card, strokes, thumbs
from unlearn_core.experiment.map_values import MapValues, map_values
from unlearn_core.experiment.set_numbers import ordered

ALL = [[-40_000, -40_000], [40_000, -40_000], [40_000, 40_000], [-40_000, 40_000]]


def unframed(data: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(data[:4], "little")
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def sent(at, part: str) -> tuple[dict, bytes]:
    """What the page sent on a wire."""
    found = [unframed(c.proto.bytes) for c in at.get("bidi_component") if c.proto.component_name.endswith("_wire")]
    return next((head, body) for head, body in found if head["part"] == part)


@pytest.fixture
def explore(open_page, filled_store, monkeypatch):
    """explore(change, **address) -> the Explore page, as if the map had just sent that."""

    def start(change=None, **address):
        event = SimpleNamespace(change={"n": 1} | change if isinstance(change, dict) else change)
        monkeypatch.setattr(embedding_map, "_map", lambda **about: event)
        at = open_page("explore", filled_store, **address)
        monkeypatch.setattr(embedding_map, "_map", lambda **about: SimpleNamespace(change=None))
        return at

    return start


def around(places: np.ndarray, row: int, half: int = 1500) -> list:
    x, y = places[row].astype(int).tolist()
    return [[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]]


def in_hand(at, study) -> np.ndarray:
    return chosen_set.named(at.query_params["forget"], study) if "forget" in at.query_params else study.forget


def test_every_point_goes_down_by_its_row_in_ten_bytes(study):
    places, data = blob.of_study(study, study.key, "pca")
    head, body = unframed(data)
    n, every = len(study.labels), len(study.labels) + len(study.data.test.y)
    assert (head["train"], head["all"], len(places)) == (n, every, n) and len(body) <= 10 * every + 24
    x, y = np.frombuffer(body, np.int16, every), np.frombuffer(body, np.int16, every, offset=2 * every + -2 * every % 4)
    assert np.array_equal(np.c_[x, y][:n], places)
    train, test = study.map("pca")
    xy = np.concatenate([train, test]).astype(float)
    for axis, column in enumerate((x, y)):
        assert np.corrcoef(xy[:, axis], column)[0, 1] > 0.999999
    step = np.ptp(xy, axis=0).max() / (2 * blob.GRID)
    assert np.allclose(np.ptp(xy, axis=0) / step, [np.ptp(x.astype(int)), np.ptp(y.astype(int))], atol=2)
    at = 2 * (2 * every + -2 * every % 4)
    labels = np.frombuffer(body, np.uint8, every, offset=at)
    assert np.array_equal(labels, np.concatenate([study.labels, study.data.test.y.numpy()]))
    at += every + -every % 4
    values = map_values(study)
    assert np.array_equal(np.frombuffer(body, np.uint8, every, offset=at), values.right)
    assert values.right[:n].mean() == (study.logits("original", 0)["train"].argmax(1) == study.labels).mean()
    at += every + -every % 4
    for name, shown in (
        ("memorization", study.memorization.scores),
        ("loss", values.loss),
        ("margin", values.margin),
    ):
        _, low, high = head["ramps"][name]
        assert (low, high) == tuple(np.percentile(shown, blob.ENDS)) or high == low + 0.1
        column = np.frombuffer(body, np.uint8, len(shown), offset=at)
        at += len(shown) + -len(shown) % 4
        assert np.allclose(low + column / 255 * (high - low), np.clip(shown, low, high), atol=(high - low) / 255)
    assert at == len(body) and not set(head["ramps"]) - set(head["by"])


def test_loss_and_margin_are_those_of_the_original_on_the_map(study):
    values, n = map_values(study), len(study.labels)
    logits, row = study.logits("original", 0)["test"][3].astype(np.float64), n + 3
    p = np.exp(logits - logits.max())
    p = (p / p.sum())[study.data.test.y.numpy()[3]]
    assert values.loss[row] == pytest.approx(-np.log(p)) and values.margin[row] == pytest.approx(np.log(p / (1 - p)))
    rows = np.arange(n)
    order, lost = ordered(study, rows, "loss")
    assert np.allclose(values.loss[order], lost)  # the same number as in the list of images


def test_the_map_is_coloured_by_memorization_where_the_address_says_nothing(study):
    """The browser takes the first; it reads and writes that part of the address by itself."""
    assert next(iter(unframed(blob.of_study(study, study.key, "umap", dark=False)[1])[0]["by"])) == "memorization"


def test_a_thousand_classes_keep_their_numbers():
    xy, labels = np.zeros((1000, 2), np.int16), np.arange(1000)
    names = [str(i) for i in labels]
    values = MapValues(labels, labels > 0, np.zeros(1000), np.zeros(1000))
    data = blob.points(xy, values, np.zeros(800), id="a", classes=names, score="memorization")
    assert len(unframed(data)[1]) <= 10 * len(xy)
    assert np.array_equal(np.frombuffer(unframed(data)[1], np.uint16, 1000, offset=4000), labels)


def test_places_keep_their_shape_on_the_grid():
    grid = blob.on_grid(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]]))
    assert np.ptp(grid[:, 0].astype(int)) == 2 * blob.GRID and np.ptp(grid[:, 1].astype(int)) == blob.GRID
    assert blob.on_grid(np.full((3, 2), 7.0)).tolist() == [[0, 0]] * 3


def test_the_map_is_told_which_images_are_in_the_set(explore, study):
    head, body = sent(explore(), "news")
    mask = np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little")[: len(study.labels)]
    assert np.array_equal(np.flatnonzero(mask), study.forget) and head["forget"] == len(study.forget)
    assert len(body) <= len(study.labels) / 8 + 4
    assert f"of which {len(study.forget)} are to be forgotten" in head["label"]


def test_what_each_image_adds_to_the_entanglement_is_sent_where_it_is_the_colour(explore, study):
    head, body = sent(explore(colour="entanglement"), "news")
    n = len(study.labels)
    bits = -(-n // 8)
    column = np.frombuffer(body, np.uint8)[bits + -bits % 4 :][:n]
    moved = study.sums.moved_by(study.forget)
    low, high = head["moved"]
    assert len(column) == n and low < high and (low, high) == tuple(np.percentile(moved, blob.ENDS))
    inside = (moved > low) & (moved < high)
    assert np.allclose(low + column[inside] / 255 * (high - low), moved[inside], atol=(high - low) / 255)
    assert "moved" not in sent(explore(colour="class"), "news")[0]


def test_a_scale_of_one_value_or_of_none_is_even():
    assert blob.scaled(np.array([np.nan, np.nan]))[1:] == (0.0, 0.0)
    column, low, high = blob.scaled(np.array([2.0, 2.0, np.nan]))
    assert low == high == 2.0 and len(set(column[:2])) == 1


@pytest.mark.parametrize("mode", ["replace", "add", "subtract"])
def test_a_line_changes_the_set_and_all_that_is_said_of_it(explore, study, mode):
    places, _ = blob.of_study(study, study.key, "umap")
    line = around(places, study.forget[0])
    near = (np.abs(places.astype(int) - places[study.forget[0]]) < 1500).all(1)
    named = np.flatnonzero(near)
    combined = {"replace": named, "add": np.union1d(study.forget, named), "subtract": np.setdiff1d(study.forget, named)}
    at, expected = explore({"mode": mode, "line": line}), combined[mode]
    assert 0 < len(expected) < len(study.labels) and not np.array_equal(expected, study.forget)
    # A point on the very edge may fall on either side.
    assert len(np.setxor1d(in_hand(at, study), expected)) <= 1
    rows = in_hand(at, study)
    assert at.subheader[0].value.startswith(f"Your set: {len(rows):,} image")
    assert at.markdown[0].value.startswith(f"Your forget set of {len(rows):,} image")
    assert f"**{study.about(rows).entanglement.share_of_random:.2g} times as entangled**" in at.markdown[0].value
    assert sent(at, "news")[0]["forget"] == len(rows)
    assert sent(at, "rest")[0]["version"] == sent(at, "news")[0]["version"] == 1


def test_an_empty_line_changes_nothing_and_says_so(explore, study):
    at = explore({"mode": "replace", "line": [[31_990, 31_990], [31_999, 31_990], [31_999, 31_999]]})
    assert [w.value for w in at.warning][0] == strokes.NOBODY
    panel = next(c for c in at.columns if any(s.value.startswith("Your set") for s in c.subheader))
    assert panel.children[0].value == strokes.NOBODY  # above its numbers, where the hand is
    assert np.array_equal(in_hand(at, study), study.forget)


def test_what_is_said_of_a_line_stays_while_the_set_and_the_visit_do(explore, study):
    at = explore({"mode": "replace", "line": [[31_990, 31_990], [31_999, 31_990], [31_999, 31_999]]}, forget="2,4,6-9")
    at.session_state["map.points"] = None  # as a map that is on screen leaves it there
    embedding_map._map = lambda **about: SimpleNamespace(change=None)  # put back by `explore`
    at.run()
    assert at.warning[0].value == strokes.NOBODY
    next(b for b in at.button if b.label == "Undo").click().run()
    assert not any(w.value == strokes.NOBODY for w in at.warning)
    next(b for b in at.button if b.label == "Redo").click().run()
    assert not any(w.value == strokes.NOBODY for w in at.warning)


def test_a_set_of_all_or_none_is_refused(explore, study):
    at = explore({"mode": "replace", "line": ALL})
    assert "leave at least one" in at.warning[0].value and np.array_equal(in_hand(at, study), study.forget)
    at = explore({"mode": "subtract", "line": ALL})
    assert "The forget set is empty" in at.warning[0].value and np.array_equal(in_hand(at, study), study.forget)


@pytest.mark.parametrize(
    "stroke",
    [7, "x", [], {"n": "1", "mode": "replace", "line": ALL}, {"mode": "replace"}, {"mode": 3, "line": ALL},
     {"mode": "erase", "line": ALL}, {"mode": "replace", "line": "all"}, {"mode": "replace", "line": [[0, 0]] * 5000}],
)  # fmt: skip
def test_what_a_browser_should_not_send_is_one_sentence(explore, study, stroke):
    at = explore(stroke)
    assert "Your set stays as it was" in at.warning[0].value and not at.error
    assert np.array_equal(in_hand(at, study), study.forget)


def test_keys_undo_and_redo(explore, study):
    at = explore({"step": "undo"}, forget="2,4,6-9")
    assert np.array_equal(in_hand(at, study), study.forget)
    assert not next(b for b in at.button if b.label == "Redo").disabled
    at = explore({"step": {"no": "step"}}, forget="2,4,6-9")
    assert at.warning[0].value == strokes.UNREADABLE and len(in_hand(at, study)) == 6


def test_escape_takes_the_studys_own_set_again_and_can_be_undone(explore, study):
    at = explore({"step": "clear"}, forget="2,4,6-9")
    assert np.array_equal(in_hand(at, study), study.forget)
    next(b for b in at.button if b.label == "Undo").click().run()
    assert in_hand(at, study).tolist() == [2, 4, 6, 7, 8, 9]


def test_what_was_heard_is_not_done_again_when_it_is_said_again(explore, study):
    places, _ = blob.of_study(study, study.key, "umap")
    add = {"mode": "add", "line": around(places, study.forget[0])}
    at = explore(add | {"n": 7}, forget="2,4,6-9")
    chosen, head = in_hand(at, study), sent(at, "news")[0]
    assert head["heard"] == 7 and head["version"] == 1 and len(chosen) > 6
    for n, version in ((7, 1), (3, 1), (8, 2)):
        event = SimpleNamespace(change={"n": n, "step": "undo"})
        embedding_map._map = lambda event=event, **about: event  # put back by `explore`
        at.run()
        assert sent(at, "news")[0]["version"] == version and sent(at, "news")[0]["heard"] == max(7, n)
    assert len(in_hand(at, study)) == 6


def test_a_card_says_what_is_known_of_an_image(study):
    head, picture = card.of_image(study, 5)
    assert head["lines"][:2] == ["row 5", f"class {study.classes[study.labels[5]]}"]
    assert head["lines"][2] == f"memorization {study.memorization.scores[5]:.2f}"
    assert head["bytes"] == len(picture) < 500
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.tobytes()))), study.pixels[5, 0])
    n = len(study.labels)
    assert card.of_image(study, n + 3)[0]["lines"][0] == "test image 3"
    for nothing in (None, -1, n + len(study.data.test.y), 2.0, "5", True, [5]):
        assert card.of_image(study, nothing) is None


def test_a_photograph_goes_down_small():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 224, 224)).astype(np.uint8)
    kind, data, smooth = card._picture(pixels)
    assert kind == "image/webp" and smooth and len(data) < 20_000
    kind, data, smooth = card._picture(pixels[:, :32, :32])
    assert kind == "image/png" and not smooth and len(data) < 3500


def test_few_images_on_screen_come_as_one_small_picture(study):
    n, every = len(study.labels), len(study.labels) + len(study.data.test.y)
    wanted = [5, n, *range(100, 397), every - 1]
    head, data = thumbs.of_images(study, wanted)
    picture = Image.open(io.BytesIO(data.tobytes()))
    assert head["images"] == wanted and head["bytes"] == len(data) < 30_000 and not head["smooth"]
    assert (head["width"], head["height"], head["across"]) == (8, 8, 20) and picture.size == (160, 120)
    pixels = np.asarray(picture.convert("L"))
    for place in (0, 1, 22, 299):
        x, y = 8 * (place % 20), 8 * (place // 20)
        image = wanted[place]
        own = study.pixels[image] if image < n else study.data.test.x[image - n].numpy()
        assert np.array_equal(pixels[y : y + 8, x : x + 8], own[0])


@pytest.mark.parametrize("wanted", [None, [], [True], ["3"], [-1], [10**9], list(range(301)), {"0": 1}, [1.0]])
def test_pictures_of_what_is_no_image_are_refused(study, wanted):
    assert thumbs.of_images(study, wanted) is None


def test_large_images_are_made_small():
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(96), np.arange(96)).astype(np.uint8)
    pixels = np.stack([np.stack([ramp, np.roll(ramp, k, 0), rng.permutation(ramp)]) for k in range(300)])
    fake = SimpleNamespace(labels=np.zeros(300, int), pixels=pixels, data=SimpleNamespace(test=SimpleNamespace(y=[])))
    head, data = thumbs.of_images(fake, list(range(300)))
    assert (head["width"], head["height"], head["smooth"]) == (32, 32, True)
    assert Image.open(io.BytesIO(data.tobytes())).size == (640, 480)


def test_what_the_map_asks_for_is_sent_once(explore, study):
    at = explore()
    assert sent(at, "thumbs") == ({"map": "explore", "part": "thumbs", "id": study.key}, b"")
    at.session_state["map.wanted"] = [3, 4]
    head, body = sent(at.run(), "thumbs")
    assert head["images"] == [3, 4] and len(body) >= head["bytes"] > 0
    assert "images" not in sent(at.run(), "thumbs")[0]
