"""Choosing on Explore: the brush, the images of the set, the neighbours of one, and sets worth a look."""

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from pages.choosing import beside_random, brush, image_grid, near_images, set_images
from pages.shared import chosen_set
from pages.shared.text import escape
from unlearn_core.experiment import recommended
from unlearn_core.experiment.beside_random import among_same_classes, margin_agrees
from unlearn_core.experiment.set_numbers import brushed, describe, neighbours, ordered
from unlearn_core.rows import pack
from unlearn_core.words import among_random, hundredths


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def in_hand(at, study) -> np.ndarray:
    return chosen_set.named(at.query_params["forget"], study) if "forget" in at.query_params else study.forget


def heads(at) -> list[dict]:
    """What components were given that are given anything, each without its columns."""
    sent = [c.proto.bytes for c in at.get("bidi_component")]
    return [json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")]) for data in sent if data]


def grid(at) -> dict:
    return next(head for head in heads(at) if "items" in head)


@pytest.fixture
def session(monkeypatch):
    """A session of a page, without a page."""
    kept, address = {}, {}
    monkeypatch.setattr(st, "session_state", kept)
    monkeypatch.setattr(st, "query_params", address)
    return kept


@pytest.mark.parametrize("mode", ["replace", "add", "subtract"])
def test_a_brush_changes_the_set(session, study, mode):
    named = brushed(study, 0.5, 1.0)
    brush.apply(study, [0.5, 1.0], mode)
    expected = {"replace": named, "add": np.union1d(study.forget, named), "subtract": np.setdiff1d(study.forget, named)}
    assert chosen_set.rows(study, settled=False).tolist() == expected[mode].tolist() and not session.get(brush.SAID)
    chosen_set.undo(study)
    assert chosen_set.is_own(study, chosen_set.rows(study, settled=False))


@pytest.mark.parametrize(
    ("ends", "mode"),
    [(None, "replace"), ([], "replace"), (["a", "b"], "replace"), ([float("nan"), 1], "replace"), (7, "add"),
     ([0.2, 0.9], "erase"), ([5, 6], "replace"), ([-9, 9], "replace"), ([float("inf"), 0], "add")],
)  # fmt: skip
def test_a_brush_that_names_nothing_changes_nothing(session, study, ends, mode):
    brush.apply(study, ends, mode)
    assert "Your set stays as it was" in session[brush.SAID]
    assert chosen_set.is_own(study, chosen_set.rows(study, settled=False))


def test_a_chart_that_is_drawn_anew_clears_nothing(session, study):
    session[brush.CHART] = SimpleNamespace(selection=SimpleNamespace(box=[]))
    brush._dragged(study)
    assert chosen_set.version(study) == 0 and brush.SAID not in session


def helps(at) -> str:
    return "\n".join(e.help for e in at.markdown if e.help)


def test_numbers_stand_beside_random_sets(open_page, filled_store, study):
    at, said = open_page("explore", filled_store), describe(study, study.forget)
    assert among_random(said.places.memorization, "more memorized", "**") in words(at)
    assert among_random(said.places.margin, "less sure", "**") in words(at)
    assert among_random(said.places.entanglement, "more entangled", "**") in words(at)
    assert f":small[Margin]  \n**{hundredths(said.margin)}**" in words(at) and ":gray" not in words(at)
    assert helps(at).count(f"200 random sets of {len(study.forget)} images.") == 3
    assert f"(rank correlation over all training images here {hundredths(margin_agrees(study))})" in helps(at)
    assert "among" not in at.query_params


def test_numbers_stand_beside_random_sets_of_the_same_classes(open_page, filled_store, study):
    rows = np.flatnonzero(study.labels < 3)[5:60]
    any_images, same = describe(study, rows).places, among_same_classes(study, rows)
    assert any_images.entanglement != same.entanglement
    at = open_page("explore", filled_store, forget=pack(rows), among="same")
    for harder, name in (
        ("more memorized", "memorization"),
        ("less sure", "margin"),
        ("more entangled", "entanglement"),
    ):
        assert among_random(getattr(same, name), harder, "**") in words(at)
    assert helps(at).count(f"200 random sets of {len(rows)} images with its class mix.") == 3
    by = describe(study, rows).margin - describe(study, study.forget).margin
    assert f":gray[:small[{by:+.2f}]]".replace("-", "−") in words(at)

    at.segmented_control(key="address.among").set_value("any").run()
    assert at.query_params["among"] == "any" and "class mix" not in helps(at)
    assert among_random(any_images.entanglement, "more entangled", "**") in words(at)


def test_a_whole_class_is_compared_with_nothing_of_its_class_mix(open_page, filled_store, study):
    rows = pack(np.flatnonzero(study.labels == 4))
    at = open_page("explore", filled_store, forget=rows, among="same")
    assert beside_random.ONLY_ONE in words(at) and "% of random sets" not in words(at).split(beside_random.ONLY_ONE)[1]
    assert ":small[Margin]" in words(at) and "Measured on" not in helps(at)
    assert beside_random.ONLY_ONE not in words(open_page("explore", filled_store, forget=rows))


@pytest.mark.parametrize("among", ["", "same ", "0", "Of the same classes", "<b>"])
def test_other_random_sets_there_are_not(open_page, filled_store, among):
    at = open_page("explore", filled_store, among=among)
    assert at.segmented_control(key="address.among").value == "any" and not at.error


def test_one_image_among_others_of_its_class(open_page, filled_store, study):
    at = open_page("explore", filled_store, forget="7", among="same")
    same = among_same_classes(study, np.array([7]))
    assert among_random(same.margin, "less sure", "**") in words(at)
    assert "200 random sets of 1 image with its class mix." in helps(at)


def test_the_images_of_the_set_stand_in_order(open_page, filled_store, study):
    at = open_page("explore", filled_store)
    rows, values = ordered(study, study.forget, "memorization")
    assert [item["row"] for item in grid(at)["items"]] == rows[:24].tolist()
    assert grid(at)["items"][0]["line"] == f"class {study.classes[study.labels[rows[0]]]}\n{values[0]:.2f}"
    assert f"1 to 24 of {len(rows)} images" in words(at)
    at = open_page("explore", filled_store, sort="loss")
    assert [item["row"] for item in grid(at)["items"]] == ordered(study, study.forget, "loss")[0][:24].tolist()


def test_an_image_is_taken_out(session, study):
    row = int(study.forget[3])
    set_images.take_out(study, row)
    assert chosen_set.rows(study, settled=False).tolist() == np.setdiff1d(study.forget, [row]).tolist()
    assert session[set_images.CHANGED]
    version = chosen_set.version(study)
    for nothing in (None, "3", 2.0, True, -1, 10**9, [3]):
        set_images.take_out(study, nothing)
    assert chosen_set.version(study) == version


def test_the_last_image_stays(session, study, monkeypatch):
    said = []
    monkeypatch.setattr(st, "warning", said.append)
    chosen_set.change(study, np.array([5]))
    set_images.take_out(study, 5)
    assert chosen_set.rows(study, settled=False).tolist() == [5] and "stays as it was" in said[0]


def test_neighbours_of_the_image_in_the_address(open_page, filled_store, study):
    row = int(study.forget[0])
    near = neighbours(study, row, study.forget)
    at = open_page("explore", filled_store, near=str(row))
    assert f"nearest to **row {row}** (class {study.classes[study.labels[row]]}, in your set)" in words(at)
    assert f"**{near.alike * 8:.0f} are of its class**" in words(at)


@pytest.mark.parametrize("near", ["", "x", "-1", "9" * 30, "1.5"])
def test_an_address_that_names_no_image_asks_nothing(open_page, filled_store, near):
    at = open_page("explore", filled_store, near=near)
    assert "Nearest images you keep" not in words(at) and not at.error


def test_a_held_out_image_has_nothing_to_forget(open_page, filled_store, study):
    at = open_page("explore", filled_store, near=str(len(study.labels)))
    assert "That is a test image" in words(at)
    assert "does not exist" in words(open_page("explore", filled_store, near="99999999"))


def test_an_image_is_found_by_its_row_as_by_a_click(open_page, filled_store, study):
    at = open_page("explore", filled_store)
    at.number_input(key=near_images.TYPED).set_value(17).run()
    assert at.query_params["near"] == "17" and "to **row 17**" in words(at) and not at.error
    count = len(study.labels)
    for row, shown in ((-3, "−3"), (count, f"{count:,}"), (10**12, f"{10**12:,}")):
        at.number_input(key=near_images.TYPED).set_value(row).run()
        said = f"Row {shown} does not exist: the training images are numbered 0 to {count - 1:,}."
        assert words(at).count("does not exist") == 1 and said in words(at)
        assert "near" not in at.query_params and not at.exception
    at.number_input(key=near_images.TYPED).set_value(5).run()
    next(b for b in at.button if b.label == "Close").click().run()
    assert at.number_input(key=near_images.TYPED).value is None and "near" not in at.query_params


def test_what_is_worth_a_look_opens_on_its_evidence_and_is_taken_there(open_page, filled_store, study):
    at = open_page("explore", filled_store)
    found, left_out = recommended.recommended(study)
    assert not any(b.key and b.key.startswith("recommended") for b in at.button)  # nothing is sent before it is opened
    for i in range(len(found)):
        at.session_state[f"recommended.open.{i}"] = True
    at.session_state["recommended.more"] = True
    at.run()
    for one in found:
        assert f"**{one.title}: {len(one.rows)} image" in words(at) and escape(one.evidence) in words(at)
    captions = [c.value for c in at.caption]
    assert all(why in captions for why in left_out)
    at.button(key=f"recommended.{len(found) - 1}").click().run()
    assert in_hand(at, study).tolist() == found[-1].rows.tolist()
    assert not at.session_state[f"recommended.open.{len(found) - 1}"]  # it lies over the map no more


def test_a_picture_of_many_images_holds_each_in_its_place():
    grey = np.random.default_rng(0).integers(0, 256, (11, 1, 8, 8)).astype(np.uint8)
    data, width, height = image_grid.sprite(grey)
    sheet = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert (width, height) == (8, 8) and sheet.shape == (16, 64)
    assert np.array_equal(sheet[8:16, 16:24], grey[10, 0])


def test_two_hundred_images_are_a_small_picture():
    # As smooth as photographs are: noise through a mean over neighbours.
    noise = np.random.default_rng(0).normal(128, 160, (200, 3, 36, 36))
    smooth = np.mean([noise[:, :, i : i + 32, j : j + 32] for i in range(5) for j in range(5)], axis=0)
    data, *_ = image_grid.sprite(np.clip(smooth, 0, 255).astype(np.uint8))
    assert len(data) <= 75_000 and re.match(rb"RIFF", data)
    large, width, height = image_grid.sprite(np.zeros((2, 3, 300, 200), np.uint8))
    assert max(width, height) == image_grid.LARGEST and len(large) < 2000
