"""The Compare page: what it says of the methods, and what its choices change."""

import base64
import html
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import streamlit
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.comparing import images as each
from pages.comparing import maps, ranking
from pages.comparing import trade_off as trade_off_view
from pages.shared import (
    chosen_set,
    class_gaps,
    comparison_words,
    cost_words,
    downloads,
    numbers,
    state,
    steps_chart,
    theme,
)
from pages.shared.text import images
from tests.pages.test_map import sent
from tests.views import views
from unlearn_core.evaluation import METRICS, Estimate
from unlearn_core.experiment import LayerCka, OpenStudy, each_image, fulfil, predictions, shared_map, trade_off
from unlearn_core.experiment import comparison as core
from unlearn_core.store import Store


@pytest.fixture
def compare(open_page):
    """compare(store_folder, view, **address) -> a view of the Compare page, on which nothing is wrong."""

    def start(root, view="ranking", **address) -> AppTest:
        at = open_page("compare", root, compare=view, **address)
        assert not at.error
        return at

    return start


def words(at) -> str:
    return "\n".join([e.value for e in (*at.markdown, *at.caption)] + [e.help for e in at.caption])


def titles(at) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]


def subtitles(at) -> list[str]:
    layouts = [json.loads(chart.proto.spec)["layout"] for chart in at.get("plotly_chart")]
    return [layout["title"].get("subtitle", {}).get("text", "") for layout in layouts]


def test_without_a_study_there_is_one_button(compare, tmp_path):
    at = compare(tmp_path / "empty")
    assert [b.label for b in at.button] == ["Open a recorded run", "Run the example"]


def test_the_first_sentence_names_the_closest_method_and_the_ceiling(compare, filled_store, study):
    first = compare(filled_store).markdown[0].value
    best, ceiling = core.ranked(study, "group_tow").iloc[0], study.means("group_tow").loc[core.CEILING]
    assert numbers.spread(best["mean"], best["half_width"]) in first
    assert numbers.spread(ceiling["mean"], ceiling["half_width"]) in first
    assert ("not distinguishable" in first) == (best["distinguishable"] is False)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0.1, 0.01), "is closer on this forget set"),
        ((-0.1, 0.01), "This plan is further away"),
        ((0.01, 0.1), "not distinguishable with 3 seeds"),
        ((0.1, None), "a single seed has no interval, so this decides nothing"),
        ((0.1, 0.0, 2), "two seeds that agree say nothing of others, so this decides nothing"),
    ],
)
def test_the_plan_against_the_best_single_algorithm_in_words(compare, filled_store, study, monkeypatch, values, says):
    line = {"plan": "rum", "best_single": "fine-tune", "mean": values[0], "half_width": values[1], "n": [*values, 3][2]}
    study.summary["plans_against_best_single"] = [line]
    monkeypatch.setattr(state, "study", lambda: study)
    said = compare(filled_store).markdown[1].value
    assert says in said and "No other plan of these images was run on the same models" in said
    ran = study.run_result("rum", 0).spec().unlearner.parts
    assert all(f"{part.name}: {part.unlearner.title}" in said for part in ran)


def test_another_metric_changes_the_first_chart_and_the_address(compare, filled_store, study):
    at = compare(filled_store)
    before = titles(at)
    at.selectbox(key="address.metric").select("retain_accuracy").run()
    assert not at.exception
    best = core.ranked(study, "retain_accuracy").iloc[0]["title"]
    assert titles(at)[0] == f"{best} has the highest {METRICS['retain_accuracy'].label}"
    assert titles(at)[1:] == before[1:]
    assert at.query_params["metric"] == "retain_accuracy"


def test_a_link_restores_its_choices_and_nonsense_in_it_is_ignored(compare, filled_store):
    at = compare(filled_store, metric="tow", steps="rum-shuffle", forgetting="nonsense")
    assert at.selectbox(key="address.metric").value == "tow"
    assert at.selectbox(key="address.steps").value == "rum-shuffle"
    assert "RUM, shuffled ends" in titles(at)[3]


def test_each_step_shows_what_it_did_to_what_stays_and_to_closeness(compare, filled_store, study):
    at = compare(filled_store, steps="rum")
    spec = json.loads(at.get("plotly_chart")[-1].proto.spec)
    steps = core.steps(study, "rum")
    for metric, goal in steps_chart.BELOW.items():
        own = steps[steps["metric"] == metric]
        (line,) = (trace for trace in spec["data"] if trace.get("name") == core.COLUMNS[metric].label)
        assert np.frombuffer(base64.b64decode(line["y"]["bdata"])) == pytest.approx(own["mean"].to_numpy())
        low, high = spec["layout"][line["yaxis"].replace("y", "yaxis")]["range"]
        assert low < own["mean"].min() and own["mean"].max() < high and high - low >= steps_chart.SPAN - 1e-9
        words = [label["text"] for label in spec["layout"]["annotations"] if label.get("yref") == line["yaxis"]]
        assert goal in words
    assert steps_chart.what_hurt(steps, study.spec.seeds) in [m.value for m in at.markdown]


def test_the_step_that_cost_most_accuracy_is_named():
    lines = [("retain_accuracy", 0.1, 1), ("test_accuracy", -0.02, -1), ("test_accuracy", -0.3, -1)]
    steps = pd.DataFrame(
        {"metric": m, "what": f"step*{i}", "change": change, "change_half": 0.01, "side": side}
        for i, (m, change, side) in enumerate(lines)
    )
    said = steps_chart.what_hurt(steps, 3)
    assert "test images fell most with **step\\*2**: −0.300 ± 0.010." in said
    assert said.endswith("No step lowered the accuracy on kept images beyond the spread of seeds.")
    assert steps_chart.what_hurt(steps, 1) == comparison_words.ONE_SEED


def test_a_metric_that_cannot_be_measured_says_what_is_missing(compare, filled_store):
    at = compare(filled_store, metric="tpr_at_1_fpr")
    assert "not measurable" in at.info[0].value
    assert at.info[0].value.endswith("not measurable: 200 unseen images, 1,000 are needed.")


def test_a_table_marks_what_cannot_be_told_from_the_ceiling(compare, filled_store, study):
    shown = compare(filled_store, "numbers").dataframe[0].value.set_index("title")
    means = study.means("group_tow").set_index("title")
    run = means[means["kind"] != "reference"]
    marked = {title for title, text in shown["group_tow"].items() if text.endswith("≈")}
    assert marked == set(run.index[run["distinguishable"].eq(False)])
    assert numbers.spread(*means.loc["RUM", ["mean", "half_width"]]) in shown.loc["RUM", "group_tow"]


def test_diverged_runs_are_named(compare, filled_store, study, monkeypatch):
    study.table.loc[(study.table["method"] == "neggrad-plus") & (study.table["seed"] == 1), "diverged_at"] = 5
    monkeypatch.setattr(state, "study", lambda: study)
    assert compare(filled_store).warning[0].value.startswith("NegGrad+ diverged in 1 of 3 runs")


@pytest.mark.parametrize("kinds", [["reference", "plan"], ["reference", "single"]])
def test_a_study_of_one_kind_of_method_can_be_shown(compare, filled_store, study, monkeypatch, kinds):
    study.table = study.table[study.table["kind"].isin(kinds)]
    study.summary["plans_against_best_single"] = []
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert ("What the plan brings" in [s.value for s in at.subheader]) == ("plan" in kinds)


def test_one_seed_is_shown_without_intervals(compare, filled_store, study, monkeypatch):
    study.table = study.table[study.table["seed"] == 0]
    study.spec = study.spec.but(seeds=1)
    study.summary["plans_against_best_single"][0] |= {"half_width": None, "n": 1}
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert "over 1 seed, beside" in at.markdown[0].value
    assert "decides nothing" in at.markdown[1].value


def test_names_from_data_do_not_become_markup(compare, filled_store, study, monkeypatch):
    study.table.loc[study.table["method"] == "rum", "title"] = "<b>R</b> *x*"
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert "\\*x\\*" in at.markdown[1].value
    assert any("&lt;b&gt;" in title for title in titles(at))
    assert not any("<b>" in title for title in titles(at))


def test_a_download_is_safe_in_a_spreadsheet():
    table = pd.DataFrame({"title": ["=1+1", "@x", "RUM"], "value": [-1.5, 2.0, 3.0]})
    again = pd.read_csv(io.BytesIO(downloads.csv(table)))
    assert again["title"].tolist() == ["'=1+1", "'@x", "RUM"]
    assert again["value"].tolist() == [-1.5, 2.0, 3.0]
    assert pd.read_parquet(io.BytesIO(downloads.parquet(table))).equals(table)


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ((0.90361, 0.0234), "0.904 ± 0.023"),
        ((-0.0586, 0.038, True), "−0.059 ± 0.038"),
        ((0.0586, None, True), "+0.059"),
        ((-0.00001, None), "0.000"),
        ((None, None), "not measurable"),
    ],
)
def test_numbers_carry_their_interval(args, shown):
    assert numbers.spread(*args) == shown


# -- which methods, and which view -------------------------------------------------------------------------------------


def test_every_view_opens_and_only_the_chosen_one_is_drawn(compare, filled_store):
    heads = {
        "trade-off": "",
        "ranking": "Third by third",
        "predictions": "What the models take the images for",
        "classes": "Class by class",
        "images": "Image by image",
        "layers": "Layer by layer",
        "maps": "",
        "numbers": "Numbers by method",
    }
    assert [*heads] == views("compare")
    for view, head in heads.items():
        at = compare(filled_store, view)
        shown = [s.value for s in at.subheader]
        assert (head in shown or not head) and not set(shown) & (set(heads.values()) - {head})
        assert any(b.label == "Make this map" for b in at.button) == (view == "maps")
        assert any(e.label.startswith("At equal retention") for e in at.expander) == (view == "trade-off")


def test_views_of_all_methods_mark_those_picked_and_say_that_all_are_shown(compare, filled_store, study):
    order = core.ranked(study, "group_tow")["title"]
    for picked in ("", "rum,nonsense"):
        at = compare(filled_store, "ranking", methods=picked)
        specs = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
        for names in (specs[0]["layout"]["yaxis"]["ticktext"], specs[2]["layout"]["yaxis"]["ticktext"]):
            assert len(names) == len(order)
            bold = [name.removesuffix("</b>").removesuffix(" ≈") for name in names if "<b>" in name]
            assert bold == ["<b>RUM"] * bool(picked)
        said = next(c.value for c in at.caption if "All methods are shown" in c.value)
        assert ("those you picked are bold" in said) == bool(picked)
        at = compare(filled_store, "numbers", methods=picked)
        shown = [title for title in at.dataframe[0].value["title"] if title in set(order)]
        assert shown == (["RUM", *order[order != "RUM"]] if picked else order.tolist())
        assert any("those you picked above the others" in c.value for c in at.caption) == bool(picked)


def test_the_methods_picked_are_in_the_address_and_nonsense_there_is_ignored(compare, filled_store, study):
    first = compare(filled_store, "predictions").multiselect[0]
    assert first.value == core.default_picks(study) and len(first.value) == 3
    at = compare(filled_store, "predictions", methods="neggrad-plus,nonsense,rum")
    assert at.multiselect[0].value == ["neggrad-plus", "rum"]
    assert "Random" not in at.multiselect[0].value
    at.multiselect[0].set_value(["fine-tune"]).run()
    assert not at.exception and at.query_params["methods"] == "fine-tune"
    at.multiselect[0].set_value([]).run()
    assert not at.exception and "methods" not in at.query_params
    assert at.multiselect[0].value == core.default_picks(study)


def test_more_methods_than_can_be_compared_are_cut_to_the_first(compare, filled_store, study):
    everything = ",".join(core.ranked(study, "group_tow").index)
    at = compare(filled_store, "predictions", methods=everything)
    assert at.multiselect[0].value == everything.split(",")[:4]


# -- predictions -------------------------------------------------------------------------------------------------------


def test_predictions_show_a_matrix_for_each_method_and_the_noise(compare, filled_store, study):
    at = compare(filled_store, "predictions", methods="rum,fine-tune", group="test")
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    heads = [note["text"] for note in spec["layout"]["annotations"]]
    assert set(heads) == {"Original", "RUM", "Fine-tune", "Retrained again: the noise"}
    found = predictions.matrices(study, ["rum", "fine-tune"], "test")
    out, cells = (
        sum(int(f(m).sum()) for m in found.values()) for f in (lambda m: m.stands_out, lambda m: m.gap == m.gap)
    )
    assert titles(at)[0] == f"Test images: {out} of {cells} cells of the methods stand out from the noise of retraining"


def test_shares_stand_beside_the_retrained_model_itself(compare, filled_store):
    at = compare(filled_store, "predictions", methods="rum", cells="shares", rows="original")
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert [note["text"] for note in spec["layout"]["annotations"]] == ["Original", "RUM", "Retrained"]
    assert "A row adds up to 100 %" in words(at)


def test_with_one_seed_no_cell_stands_out(compare, filled_store, study, monkeypatch):
    study.table, study.spec = study.table[study.table["seed"] == 0], study.spec.but(seeds=1)
    study.summary["plans_against_best_single"] = []
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store, "predictions")
    assert ": 0 of " in titles(at)[0] and "One seed has no interval" in words(at)


@pytest.mark.parametrize(
    ("sides", "says"),
    [((0, 0), "RUM cannot be told from its 2 rivals within the spread of seeds"),
     ((0,), "RUM cannot be told from its 1 rival within the spread of seeds"),
     ((1, 0), "RUM is closer to retraining than 1 of its 2 rivals and further from it than 0"),
     ((-1,), "RUM is closer to retraining than 0 of its 1 rival and further from it than 1")],
)  # fmt: skip
def test_the_plan_and_its_rivals_in_one_title(filled_store, study, monkeypatch, sides, says):
    rivals = ["fine-tune", "neggrad-plus"][: len(sides)]
    apart = [core.Versus("rum", name, Estimate(0.1 * side, 0.01, 3)) for name, side in zip(rivals, sides, strict=True)]
    monkeypatch.setattr(core, "plan_against_rivals", lambda *_: apart)
    fig, _ = ranking._rivals_chart.__wrapped__(study, "rum")
    assert fig.layout.title.text.replace("<br>", " ").startswith(says)


# -- the trade-off -----------------------------------------------------------------------------------------------------


def test_a_trade_off_names_those_picked_and_those_ahead_and_draws_all(compare, filled_store, study):
    at = compare(filled_store, "trade-off", methods="rum,fine-tune")
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    named = {label["text"] for label in spec["layout"]["annotations"]}
    found = trade_off.trade_off(study)
    assert named == {"RUM", "Fine-tune", *found.loc[found["verdict"] == "front", "title"]}
    drawn = sum(len(t["x"]) for t in spec["data"] if "markers" in t["mode"] and t["x"] != [None])
    assert drawn == len(found) - int((trade_off.far_out(found["x"]) & (found["kind"] != "reference")).sum())
    said = next(m.value for m in at.markdown if m.value.startswith("- **"))
    assert ("beats it at both" in said) == (found["verdict"][["rum", "fine-tune"]] == "front").any()
    slower = found["seconds"] > found.loc["retrained", "seconds"]
    assert said.count("but longer than retraining took") == slower[["rum", "fine-tune"]].sum()
    # Few marks have their names beside them; the table has them all.
    marks = next(d.value for d in at.dataframe if list(d.value.columns)[:1] == ["Method"])
    assert sorted(marks["Method"]) == sorted(study.means("tow")["title"])


@pytest.mark.parametrize(
    ("verdicts", "seeds", "says"),
    [
        (["front", "inside"], 3, "A is ahead at both in the mean; none of 2 methods is beaten beyond the spread"),
        (["front", "worse"], 3, "A is ahead at both; 1 of 2 methods is beaten beyond the spread of seeds"),
        (["front", "left"], 3, "A is ahead of all usable methods in the mean; none of 2"),
        (["front", "inside"], 1, "A is ahead at both; one seed tells nothing"),
        (["front", "front"], 3, "2 usable methods trade accuracy for forgetting; none of 2"),
        (["left", "lost"], 3, "No method both forgets and keeps enough to be usable; none of 2"),
    ],
)
def test_who_is_ahead_only_in_the_mean_is_not_said_to_beat_anybody(verdicts, seeds, says):
    points = pd.DataFrame({"verdict": verdicts, "kind": "single", "title": list("AB")})
    assert trade_off_view.conclusion(points, seeds).startswith(says)


@pytest.mark.parametrize(("view", "names"), [("trade-off", {"single algorithm", "RUM plan", "control of a plan"}),
                                             ("ranking", {"single algorithm", "RUM plan", "control of a plan"}),
                                             ("classes", {"unlearned"})])  # fmt: skip
def test_shapes_have_no_colour_in_the_legend(compare, filled_store, view, names):
    """What stands there beside a shape whose marks have several colours would look like one of them."""
    spec = json.loads(compare(filled_store, view).get("plotly_chart")[0].proto.spec)
    told = {t["name"]: t for t in spec["data"] if t.get("showlegend", True) and t["name"] in names}
    assert set(told) == names
    for trace in told.values():
        assert trace["x"] == [None] and trace["marker"]["color"] == spec["layout"]["font"]["color"]
        assert trace["marker"]["symbol"].endswith("-open")
        assert any(
            t["legendgroup"] == trace["legendgroup"] for t in spec["data"] if t["x"] != [None] and "text" in str(t)
        )


def test_the_trade_off_is_the_first_view_and_its_accuracy_is_in_the_address(compare, open_page, filled_store, study):
    assert "trade accuracy" in titles(open_page("compare", filled_store))[0]
    at = compare(filled_store, "trade-off", kept="retain", methods="rum")
    axis = json.loads(at.get("plotly_chart")[0].proto.spec)["layout"]["xaxis"]["title"]["text"]
    gap = trade_off.trade_off(study, "parts", "retain").loc["rum", "x"]
    assert axis.startswith("Accuracy on kept images") and numbers.spread(gap, None, signed=True) in words(at)
    at.segmented_control(key="address.kept").set_value("test").run()
    assert not at.exception and at.query_params["kept"] == "test"


def test_rare_false_alarms_stand_on_an_axis_of_powers_with_the_aim(compare, filled_store, study, monkeypatch):
    share = {"original": 0.4, "retrained": 0.01, "retrained-again": 0.02}
    study.table["tpr_at_1_fpr"] = [share.get(name, 0.0) for name in study.table["method"]]
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store, "trade-off", methods="rum")
    assert at.selectbox(key="address.forgetting").value == "tpr_at_1_fpr"
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert spec["layout"]["yaxis"]["type"] == "log" and spec["layout"]["shapes"][0]["y0"] == 0.01
    low, high = spec["layout"]["yaxis"]["range"]
    assert low < np.log10(trade_off.rarest(study)) and high > np.log10(0.4)
    assert "half an image" in words(at) and "; attacked beside " in spec["layout"]["title"]["subtitle"]["text"]


def test_one_seed_names_no_winner_of_the_trade_off(compare, filled_store, study, monkeypatch):
    study.table, study.spec = study.table[study.table["seed"] == 0], study.spec.but(seeds=1)
    study.summary["plans_against_best_single"][0] |= {"half_width": None, "n": 1}
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store, "trade-off", methods="rum,fine-tune")
    assert "One seed tells nothing" in at.markdown[0].value
    assert "One seed tells nothing of RUM against" in titles(compare(filled_store, "ranking"))[1]
    assert "One seed tells nothing" in words(compare(filled_store, "images", methods="rum"))
    assert "one seed tells no class" in titles(compare(filled_store, "classes", methods="rum"))[0]
    assert "one seed tells nothing" in titles(at)[0] and "spread of seeds" not in words(at) + titles(at)[0]


def test_a_trade_off_that_cannot_be_measured_says_what_is_missing(compare, filled_store):
    at = compare(filled_store, "trade-off", forgetting="tpr_at_1_fpr")
    assert at.info[0].value.endswith("not measurable: 200 unseen images, 1,000 are needed.")


# -- image by image ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", each_image.GROUPS)
def test_images_within_the_noise_are_grey_and_marked_and_there_is_no_box_to_tick(
    compare, filled_store, study, monkeypatch, group
):
    """A box that cannot be ticked looks like those that select lines."""
    styles, real = [], streamlit.dataframe
    monkeypatch.setattr(
        streamlit, "dataframe", lambda shown, **about: styles.append((shown, about)) or real(shown, **about)
    )
    at = compare(filled_store, "images", methods="fine-tune", images=group)
    styled, about = next(each for each in styles if "on_select" in each[1])
    shown, inside = at.dataframe[0].value, ~each_image.images(study, "fine-tune", group).set_index("row")["stands_out"]
    near = inside[shown["row"]].to_numpy()
    assert near.sum() > 0 and (shown["gap"].str.endswith(" ≈").to_numpy() == near).all()
    styled._compute()
    grey = {line for (line, _), css in styled.ctx.items() if ("color", theme.grey()) in css}
    assert grey == set(np.flatnonzero(near))
    assert not shown[about["column_order"]].dtypes.eq(bool).any()
    assert any("Grey and ≈: not to be told from the noise" in caption.value for caption in at.caption)


def test_with_one_seed_no_image_is_called_noise(compare, filled_store, study, monkeypatch):
    study.table, study.spec = study.table[study.table["seed"] == 0], study.spec.but(seeds=1)
    study.summary["plans_against_best_single"][0] |= {"half_width": None, "n": 1}
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store, "images", methods="fine-tune")
    assert not at.dataframe[0].value["gap"].str.contains("≈").any()
    assert not any("≈" in caption.value for caption in at.caption)


def test_images_are_listed_the_furthest_from_retraining_first(compare, filled_store, study):
    at = compare(filled_store, "images", methods="rum,fine-tune", of="fine-tune")
    shown, table = at.dataframe[0].value, each_image.images(study, "fine-tune")
    assert shown["row"].tolist() == table["row"].tolist() and sorted(shown["row"]) == study.forget.tolist()
    assert shown["picture"].str.startswith("data:image/webp;base64,").all()
    assert "**Fine-tune**" in words(at)
    assert all(b.disabled for b in at.button if "my forget set" in b.label)


def test_kept_images_stand_beside_the_nearest_forgotten_one(compare, filled_store, study):
    shown = compare(filled_store, "images", images="retain").dataframe[0].value
    assert len(shown) == 200 and set(shown["near"]) <= set(study.forget) and not set(shown["row"]) & set(study.forget)


@pytest.mark.parametrize("side", each_image.SIDES)
def test_of_kept_images_those_worse_off_are_listed_unless_others_are_asked_for(compare, filled_store, study, side):
    at = compare(filled_store, "images", methods="fine-tune", images="retain", side="" if side == "worse" else side)
    table = each_image.images(study, "fine-tune", "retain")
    listed = {"worse": table["gap"] < 0, "better": table["gap"] > 0, "all": table["gap"] < np.inf}[side]
    assert at.dataframe[0].value["row"].tolist() == table["row"][listed].tolist()[: each.MOST]
    counts = f" of {listed.sum():,} of {len(table):,} kept images than retrained models, "
    assert (counts in words(at)) == (side != "all") and f"of {images(int(listed.sum()))}" in words(at)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 24), (3, 1024, 1024), (3, 300, 1024)])
def test_a_picture_is_as_large_as_it_is_shown(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)  # noise is the largest a file can get
    head, data = each.picture(pixels).split(",")
    sheet = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == "data:image/webp;base64" and len(data) < 6000 and max(sheet.size) == each.SIDE
    assert sheet.width / sheet.height == pytest.approx(shape[2] / shape[1], rel=0.05)
    if shape[1] == 8:
        np.testing.assert_array_equal(np.asarray(sheet)[3::6, 3::6, 0], pixels[0])


def test_pictures_are_made_once(compare, filled_store, monkeypatch):
    made = []
    real = each.picture
    monkeypatch.setattr(each, "picture", lambda pixels: made.append(0) or real(pixels))
    each._pictures.cache_clear()
    at = compare(filled_store, "images")
    count = len(made)
    at.run()
    assert count == len(made) == 30


@pytest.mark.parametrize(("label", "count"), [("Make these 2 my forget set", 2), ("Add them to my forget set", 32)])
def test_selected_images_become_the_forget_set(compare, filled_store, study, monkeypatch, label, count):
    real = streamlit.dataframe

    def dataframe(*args, **about):
        found = real(*args, **about)
        return SimpleNamespace(selection=SimpleNamespace(rows=[0, 2])) if "on_select" in about else found

    monkeypatch.setattr(streamlit, "dataframe", dataframe)
    at = compare(filled_store, "images", images="retain")
    rows = at.dataframe[0].value["row"].iloc[[0, 2]]
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception
    assert at.main.get("page_link")[-2].proto.label == f"Your set: {count} images"
    at.switch_page("pages/explore.py").run()
    assert set(rows) <= set(chosen_set.named(at.query_params["forget"], study))


# -- layer by layer ----------------------------------------------------------------------------------------------------


def test_layers_are_offered_and_then_shown(compare, filled_store, study, submitted, tmp_path):
    at = compare(filled_store, "layers")
    next(b for b in at.button if b.label == "Compare the layers").click().run()
    assert submitted == [LayerCka(study=study.spec)]
    root = shutil.copytree(filled_store, tmp_path / "filled")
    fulfil(Store(root), LayerCka(study=study.spec))
    for to in ("retrained", "original"):
        at = compare(root, "layers", methods="rum,fine-tune", to=to)
        names = {trace["name"] for trace in json.loads(at.get("plotly_chart")[0].proto.spec)["data"]}
        assert {"RUM", "Fine-tune"} <= names and any("retrained" in name for name in names)
        assert "**Fine-tune**: less alike in" in words(at)


@pytest.mark.parametrize(("view", "group"), [("trade-off", "forget"), ("ranking", "forget"), ("predictions", "retain")])
def test_below_each_title_stands_on_how_many_images_and_seeds_it_rests(compare, filled_store, study, view, group):
    count = {"forget": f"{images(len(study.forget))} to forget", "retain": f"{len(study.target.retain):,} kept images"}
    shown = subtitles(compare(filled_store, view, group=group))
    assert shown and all(
        text.startswith(count[group]) and f"means of {study.spec.seeds} seeds" in text for text in shown
    )
    if view == "ranking":
        assert "(" + ", ".join(f"{len(rows)} {part}" for part, rows in study.parts.items()) + ")" in shown[-1]


@pytest.mark.parametrize(
    ("view", "label"),
    [("layers", "Compare the layers"), ("maps", "Make this map"), ("trade-off", "Compare at equal retention")],
)
def test_what_is_measured_on_demand_says_what_it_takes_and_its_job_knows(compare, filled_store, view, label, foreseen):
    at = compare(filled_store, view, methods="fine-tune")
    assert "This takes about **" in words(at)
    next(b for b in at.button if b.label == label).click().run()
    assert foreseen[0].fastest < foreseen[0].seconds < foreseen[0].slowest


def test_how_long_a_first_umap_takes_goes_by_that_of_the_original(compare, filled_store, monkeypatch):
    assert "This takes about **" in words(compare(filled_store, "maps", methods="fine-tune", plane="umap"))
    monkeypatch.setattr(cost_words, "asking_cost", lambda *_: None)
    cost_words._asking.clear()
    said = words(compare(filled_store, "maps", methods="fine-tune", plane="umap"))
    cost_words._asking.clear()
    assert "It takes longer than a PCA map; how long is known once one was made here." in said


# -- two maps ----------------------------------------------------------------------------------------------------------


def test_maps_are_offered_and_then_shown(compare, filled_store, study, submitted, tmp_path):
    at = compare(filled_store, "maps", methods="fine-tune")
    next(b for b in at.button if b.label == "Make this map").click().run()
    assert submitted == [shared_map.asked(study, "fine-tune", "pca")]
    root = shutil.copytree(filled_store, tmp_path / "filled")
    fulfil(Store(root), submitted[0])
    moved = shared_map.finished(OpenStudy.open(Store(root), study.key), "fine-tune", "pca")
    for shown, right in (("forget", "unlearned"), ("damage", "unlearned"), ("all", "retrained")):
        at = compare(root, "maps", methods="fine-tune", highlight=shown, right=right)
        rows = moved.shown[shown]
        beyond = int(moved.beyond(right)[rows].sum())
        head, _ = sent(at, "shown")
        assert head["title"] == (
            f"{images(len(rows))} highlighted, {beyond} moved further than retraining moves kept ones"
        )
        assert head["right"] == right and head["name"] == ("Fine-tune" if right == "unlearned" else "Retrained")
        assert head["about"] in head["label"] and "Fine-tune: median movement of the images" in head["label"]
        groups = study.forget, moved.study.target.retain
        share = [[moved.beyond(model)[rows].mean() for rows in groups] for model in ("unlearned", "retrained")]
        first, second = (f"{forgot:.0%} and {kept:.0%} under" for forgot, kept in share)
        (below,) = (c for c in at.caption if c.value.startswith("Highlighted: "))
        assert f"{first} Fine-tune and {second} retraining" in below.help
        assert share[1][1] == pytest.approx(0.05, abs=0.002)
        apart = f"{moved.times_kept('floor', 'retain').mean:.1f} ±"
        (line,) = (m.value for m in at.markdown if "median movement" in m.value)
        assert apart in below.help and f"two retrained models with other first weights lie {apart}" in line
        assert "Explore's map shows the original alone" in below.value and len(below.value) < 330


@pytest.mark.parametrize("share", [maps.NEARLY_ALL, 0.96])
def test_where_nearly_all_kept_images_moved_the_map_says_that_arrows_tell_little(study, share):
    usual = SimpleNamespace(mean=1.3, half_width=0.1)
    found = SimpleNamespace(method="rum", times_kept=lambda *_: usual, share_beyond=lambda *_: share)
    said = maps.in_words(study, found)
    assert ("nearly everything moved" in said) == (share > maps.NEARLY_ALL) == ("96% of the kept images" in said)


# -- below the charts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["trade-off", "ranking", "classes", "maps"])
def test_below_a_chart_stand_three_short_lines_at_most_and_the_rules_are_in_the_help(
    compare, filled_store, study, view
):
    at = compare(filled_store, view, methods="rum,fine-tune")
    for caption in at.caption:
        assert len(caption.value) <= 330, caption.value
    if view != "maps":  # none is made
        assert any(caption.help for caption in at.caption)


# -- class by class ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", class_gaps.GROUPS)
def test_the_sentences_about_classes_speak_of_the_images_that_are_drawn(compare, filled_store, study, group):
    at = compare(filled_store, "classes", methods="rum,random-label", of="rum", group=group)
    said = next(m.value for m in at.markdown if m.value.startswith("- **")).replace("\\", "").splitlines()
    assert len(said) == 2 and all(f"**: {class_gaps.GROUPS[group]}: " in line for line in said)
    rum = next(line for line in said if "**RUM**" in line)
    assert titles(at)[0].startswith(class_gaps.GROUPS[group]) and f"{titles(at)[0]};" in rum


def test_classes_are_drawn_by_the_size_of_their_gap_and_grey_inside_the_noise(compare, filled_store, study):
    at = compare(filled_store, "classes", methods="rum,random-label", of="random-label", group="forget")
    table = core.class_gaps(study, "random-label")
    ours, again = (class_gaps.of(table, "forget", kind) for kind in ("unlearned", "retrained"))
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    names = spec["layout"]["yaxis"]["ticktext"]
    assert set(names) == set(ours.index) and ours["gap"].abs()[names].is_monotonic_decreasing
    told = class_gaps.standing_out(ours, again).index
    amber = [colour == "#E69F00" for colour in spec["data"][0]["marker"]["color"]]
    assert amber == [name in told for name in names]
    assert "**RUM**" in at.markdown[2].value and "**Random-label" in at.markdown[2].value


def test_the_original_stands_beside_every_class(compare, filled_store, study):
    at = compare(filled_store, "classes", methods="random-label", group="forget", **{"open.classes": "true"})
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    was = class_gaps.of(core.class_gaps(study, "random-label"), "forget", "original")
    (marks,) = (trace for trace in spec["data"] if trace.get("name") == "original: where it began")
    names = [html.unescape(name) for name in spec["layout"]["yaxis"]["ticktext"]]
    assert [text.rpartition(": ")[2] for text in marks["text"]] == [class_gaps.gap(was, name) for name in names]
    table = at.dataframe[0].value.set_index("Class")["Original"]
    assert table.to_dict() == {name: numbers.spread(was.at[name, "unlearned"], None) for name in was.index}


def test_what_cannot_be_told_from_retraining_is_grey_in_the_ranking(compare, filled_store, study):
    spec = json.loads(compare(filled_store).get("plotly_chart")[0].proto.spec)
    means = study.means("group_tow").set_index("title")["distinguishable"]
    dots = [trace for trace in spec["data"] if "text" in trace and trace.get("xaxis", "x") == "x"]
    grey = {
        text.rpartition(": ")[0].removesuffix(" ≈")
        for trace in dots
        for text, colour in zip(trace["text"], trace["marker"]["color"], strict=True)
        if colour == "#6B7280"
    }
    assert grey == {title for title, told in means.items() if told is False} - {
        "Retrained", "Retrained again", "Original"
    }  # fmt: skip


@pytest.mark.parametrize("filled", [("low", "high"), ("low", "medium", "high"), ("medium",)])
def test_a_caption_names_the_thirds_that_there_are(study, monkeypatch, filled):
    few = OpenStudy.open(study.store, study.key)
    few.__dict__["parts"] = {name: rows if name in filled else rows[:0] for name, rows in study.parts.items()}
    gaps = {name: Estimate(0.1, 0.02, 3) for name in filled}
    monkeypatch.setattr(core, "part_gaps", lambda *asked: gaps)
    comparison_words.relabelling.cache_clear()
    outer = [name for name in filled if name != "medium"] or ["medium"]
    for said in (comparison_words.known_anyway(few), comparison_words.relabelling(few)):
        assert [name for name in ("low", "medium", "high") if f"the {name} third" in said] == outer
    comparison_words.relabelling.cache_clear()
