"""The Audit page: what it says of an attack, and what its choices change."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.evidence import before_and_after, retrain_free
from pages.shared import audit_words, numbers, risk_by_part, state
from unlearn_core.attacks import Measured
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import audit, verdicts


@pytest.fixture
def page(open_page):
    """page(store_folder, **address) -> the Audit page, on which nothing is wrong."""

    def start(root, **address) -> AppTest:
        at = open_page("audit", root, **address)
        assert not at.error
        return at

    return start


def charts(at) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def test_without_a_study_there_is_one_button(page, tmp_path):
    assert [b.label for b in page(tmp_path / "empty").button] == ["Open a recorded run", "Run the example"]


def test_the_first_sentence_compares_the_plan_with_the_original_and_the_target(page, filled_store, study):
    first = page(filled_store).markdown[0].value
    verdict = verdicts.judge(study, "rum", audit.default_statistic(study))
    assert first.startswith("After **RUM**")
    for model in (verdict.audited, verdict.original, verdict.retrained):
        assert numbers.interval(model.success) in first


def test_every_choice_changes_what_is_asked(page, filled_store, study):
    at = page(filled_store)
    at.selectbox(key="address.method").select("random-label")
    at.selectbox(key="address.attack").select("confidence")
    at.selectbox(key="address.part").select("high")
    at.selectbox(key="address.seed").select("1").run()
    assert not at.exception
    found = audit.attack(study, "random-label", "confidence", "high", [1])
    assert numbers.interval(found.success) in at.markdown[0].value
    assert "For this one model" in at.markdown[0].value
    assert {name: at.query_params[name] for name in ("method", "attack", "part", "seed")} == {
        "method": "random-label",
        "attack": "confidence",
        "part": "high",
        "seed": "1",
    }


def test_a_link_restores_its_choices(page, filled_store):
    at = page(filled_store, method="fine-tune", attack="entropy", part="low", seed="all")
    assert [s.value for s in at.selectbox if s.key.startswith("address.")] == ["fine-tune", "entropy", "low", "all"]


def test_the_threshold_moves_the_sentence(page, filled_store, study):
    at = page(filled_store, attack="confidence")
    said = []
    for place in (0, -1):
        slider = at.select_slider(key="threshold_confidence")
        cut = float(slider.options[place])
        slider.set_value(cut).run()
        assert not at.exception
        said.append(next(m.value for m in at.markdown if m.value.startswith("At this threshold")))
        read = audit.attack(study, "rum", "confidence")
        for share, of in zip(read.at(cut), (len(read.rows), read.unseen), strict=True):
            counts = audit_words.counted(share, of * len(read.seeds)), audit_words.hundred(share)
            assert f"**{counts[read.can_tell(read.at(cut)[1])]}**" in said[-1]
    assert said[0] != said[1]


def test_of_slider_and_number_the_one_touched_last_counts(page, filled_store):
    at = page(filled_store, attack="confidence")
    slider, field = "threshold_confidence", "typed_confidence"

    def line() -> float:
        return charts(at)[0]["layout"]["shapes"][0]["x0"]

    options = [float(o) for o in at.select_slider(key=slider).options]
    between = (options[5] * 3 + options[6]) / 4
    at.number_input(key=field).set_value(between).run()
    assert line() == between and at.select_slider(key=slider).value == options[5]
    at.select_slider(key=slider).set_value(options[20]).run()
    assert line() == options[20] and at.number_input(key=field).value is None
    at.number_input(key=field).set_value(between).run()
    assert line() == between
    at.number_input(key=field).set_value(None).run()
    assert line() == options[5]  # where the slider went


def test_a_threshold_stays_when_another_method_is_looked_at(page, filled_store):
    at, slider = page(filled_store, attack="confidence"), "threshold_confidence"
    options = [float(o) for o in at.select_slider(key=slider).options]
    at.select_slider(key=slider).set_value(options[len(options) // 3]).run()
    chosen = at.select_slider(key=slider).value
    next(s for s in at.selectbox if s.label == "Method").select("fine-tune").run()
    others = [float(o) for o in at.select_slider(key=slider).options]
    assert others != options
    assert at.select_slider(key=slider).value == min(others, key=lambda place: abs(place - chosen))


@pytest.mark.parametrize("ratio", [False, True])
def test_a_line_that_is_dragged_goes_where_the_hand_ends(monkeypatch, ratio):
    kept, options = {}, [-40.0, -1.0, 0.0, 2.0, 50.0]
    monkeypatch.setattr(st, "session_state", kept)

    def drag(*band):
        place = np.arcsinh if ratio else np.asarray
        boxes = [{"x": [float(place(end)) if isinstance(end, float) else end for end in band]}] if band else []
        kept.update({"chart": SimpleNamespace(selection=SimpleNamespace(box=boxes)), "slider": 0.0, "field": 0.0})
        before_and_after._dragged("chart", "slider", "field", options, ratio)
        return kept["slider"], kept["field"]

    assert drag(0.01, 1.9) == drag(9.0, 1.9) == (2.0, None)
    assert drag(0.0, -1.2) == (-1.0, None)
    assert drag(1.0, 1e9) == (50.0, None) and drag(1.0, -1e9) == (-40.0, None)
    assert drag() == drag("a", 1.0) == drag(float("nan"), 1.0) == drag(1.0) == (0.0, 0.0)  # no wish


def test_unseen_images_can_be_left_out_of_the_chart(page, filled_store):
    at = page(filled_store)
    assert "unseen images" in [trace["name"] for trace in charts(at)[0]["data"]]
    at.toggle(key="unseen").set_value(False).run()
    assert [trace["name"] for trace in charts(at)[0]["data"]] == ["original", "RUM", "retrained"]


@pytest.mark.parametrize("statistic", audit.STATISTICS)
def test_every_attack_can_be_shown(page, filled_store, statistic):
    at = page(filled_store, attack=statistic, log="true")
    layout = charts(at)[1]["layout"]
    assert layout["xaxis"]["type"] == "log"
    # At the end of an axis it would be left out where rounding puts it beyond.
    (note,) = layout["annotations"]
    assert "not measurable" in note["text"] and (note["x"], note["xref"]) == (0, "paper")


def test_a_roc_is_logarithmic_where_rare_false_alarms_can_be_measured_and_says_why(page, filled_store, monkeypatch):
    at = page(filled_store, attack="confidence")
    assert "type" not in charts(at)[1]["layout"]["xaxis"] and any("linear, for" in c.value for c in at.caption)
    monkeypatch.setattr(audit, "RARE", 0.2)  # as if so many were enough
    at = page(filled_store, attack="confidence")
    assert charts(at)[1]["layout"]["xaxis"]["type"] == "log"
    assert any("logarithmic, for" in c.value for c in at.caption)
    at = page(filled_store, attack="confidence", linear="true")
    assert "type" not in charts(at)[1]["layout"]["xaxis"]
    assert any("linear, as you chose" in c.value for c in at.caption)


def test_one_seed_is_the_only_one(page, filled_store, study, monkeypatch):
    study.table = study.table[study.table["seed"] == 0]
    study.spec = study.spec.but(seeds=1)
    monkeypatch.setattr(state, "study", lambda: study)
    at = page(filled_store)
    assert "DeLong" in "".join(c.value for c in at.caption)
    assert at.markdown[0].value.endswith("One seed tells nothing of how another would read.")


def test_the_images_at_risk_are_listed_by_row(page, filled_store, study):
    at = page(filled_store, part="high")
    listed = next(d.value for d in at.dataframe if "row" in d.value)
    assert listed["row"].tolist() == audit.at_risk(study, "rum", "high")["row"].tolist()


def test_over_unlearning_and_want_of_power_are_warned_of(study):
    verdict = verdicts.judge(study, "rum", "confidence")
    verdict = replace(verdict, floor=Estimate(0.01, 0.05, 3))
    below = replace(verdict, apart=Estimate(-0.2, 0.1, 3), power=Estimate(0.0, 0.1, 3))
    assert "failure too" in audit_words.over_unlearned(below, "confidence")
    assert "proves nothing" in audit_words.no_power(below)
    above = replace(verdict, apart=Estimate(0.2, 0.1, 3), power=Estimate(0.3, 0.1, 3))
    assert audit_words.over_unlearned(above, "confidence") is None
    assert audit_words.no_power(above) is None
    # High for what is unusual in either direction: low is no sign of forgetting too well.
    assert audit_words.over_unlearned(below, audit.EITHER_DIRECTION) is None


def test_that_one_seed_finds_nothing_is_not_called_a_success(study):
    verdict = verdicts.judge(study, "rum", "confidence", "all", [0])
    power = {"floor": Estimate(0.01, 0.05, 1), "power": Estimate(0.3, 0.1, 1), "apart": Estimate(0.0, 0.1, 1)}
    within = replace(verdict, **power)
    assert "cannot be told from retraining by one seed, which settles nothing" in audit_words.result(
        "RUM", within, "confidence"
    )
    said = audit_words.parts([within, replace(within, part="low")], "confidence")
    assert said == "No third can be told from retraining by one seed, which settles nothing"


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (Estimate(-0.05, 0.01, 3), "within the noise floor of 0.060"),
        (Estimate(-0.07, 0.01, 3), "is beyond the noise floor of 0.060"),
        (Estimate(-0.07, 0.08, 3), "beyond the noise floor of 0.060, but its 95 % interval holds 0"),
    ],
)
def test_the_noise_floor_stands_beside_the_verdict(study, apart, said):
    verdict = replace(verdicts.judge(study, "rum", "confidence"), apart=apart, floor=Estimate(-0.02, 0.04, 3))
    assert said in audit_words.result("RUM", verdict, "confidence")
    assert "all together 0.060" in audit_words.floors([verdict])


def test_the_thirds_come_first_where_all_together_hide_them(study):
    whole = verdicts.judge(study, "rum", "confidence")
    whole = replace(whole, apart=Estimate(0.0, 0.1, 3), floor=Estimate(0.01, 0.05, 3), power=Estimate(0.3, 0.1, 3))
    low = replace(whole, part="low", apart=Estimate(-0.2, 0.1, 3))
    high = replace(whole, part="high", apart=Estimate(0.2, 0.1, 3))
    said = audit_words.result("RUM", whole, "confidence", [low, high])
    assert said.startswith(
        "After **RUM**: **the low third is over-unlearned and the high third remembers more than retraining**; in "
        "the mean over all images that does not show. The attack"
    )
    assert "together they cancel" in audit_words.parts([whole, low, high], "confidence")
    assert "cancel" not in audit_words.parts([whole, low], "confidence")
    # Where all together say as much, they come first; so does a third that was chosen.
    above = replace(whole, apart=Estimate(0.2, 0.1, 3))
    for verdict, thirds in ((above, [high]), (whole, [whole]), (replace(high, part="high"), [low, high])):
        assert audit_words.result("RUM", verdict, "confidence", thirds).startswith("After **RUM** the attack")
    assert "though the low third is over-unlearned**. The" in audit_words.result(
        "RUM", above, "confidence", [low, high]
    )
    assert (
        audit_words.parts([whole, replace(whole, part="low")], "confidence") == "No third can be told from retraining"
    )


def attacked(unseen: int, accused: int) -> audit.Attacked:
    """Of 40 forgotten images 30 and of the unseen ones so many reach 1."""
    members, others = np.repeat([1.0, 0.0], [30, 10]), np.repeat([1.0, 0.0], [accused, unseen - accused])
    return audit.Attacked((0,), np.arange(40), (members,), (others,))


@pytest.mark.parametrize(("unseen", "accused"), [(27, 3), (99, 9), (100, 9), (1000, 9), (27, 0)])
def test_a_rate_is_said_only_where_the_table_has_it(unseen, accused):
    model = attacked(unseen, accused)
    assert model.found_at(accused / unseen).value is None
    said = audit_words.at_threshold(1.0, model, model, model)
    assert f"**30 of the 40** forgotten images while wrongly accusing **{accused} of the {unseen:,}** unseen" in said
    assert (
        said.endswith("Fewer than 10 false alarms under a model are too few to speak of a rate.")
        and "of 100*" not in said
    )


@pytest.mark.parametrize(("unseen", "accused"), [(100, 10), (27, 10), (1000, 100)])
def test_a_rate_of_enough_false_alarms_is_the_same_in_the_sentence_and_in_the_table(unseen, accused):
    model = attacked(unseen, accused)
    assert model.found_at(accused / unseen).value == 0.75
    assert "finds **75 of 100** forgotten images" in audit_words.at_threshold(1.0, model, model, model)


@pytest.mark.parametrize(("share", "text"), [(0.124, "12 of 100"), (0.0, "0 of 100"), (0.001, "fewer than 1 of 100")])
def test_shares_as_counts(share, text):
    assert audit_words.hundred(share) == text


def test_without_retraining_is_called_weaker_and_is_held_against_retrained_models(page, filled_store, study):
    at = page(filled_store, evidence="free", method="fine-tune")
    assert at.markdown[0].value.startswith("**Fine-tune: ") and "Without asking a retrained" in at.markdown[0].value
    assert at.warning[0].value.startswith("Weaker evidence.") and "70% of the images" in at.warning[0].value
    target = audit.attack(study, "retrained", "confidence").success
    said = next(m.value for m in at.markdown if m.value.startswith("**How far off this is here.**"))
    assert numbers.interval(target) in said
    names = [trace["name"] for trace in charts(at)[0]["data"]]
    assert names == ["original", "Fine-tune", "bank, never saw them (95 of 100)"]


@pytest.mark.parametrize(("original", "audited", "guess"), [(0.4, 0.6, 0.6), (0.6, 0.4, 0.6), (0.6, 0.6, 0.4)])
def test_it_is_said_why_a_model_may_read_below_one_half(original, audited, guess):
    def reading(*values) -> SimpleNamespace:
        first, second = (SimpleNamespace(success=SimpleNamespace(value=value)) for value in values[:2])
        return SimpleNamespace(original=first, audited=second, guess=values[2])

    assert retrain_free.under_half([reading(0.5, None, 0.5)]) == ""
    said = retrain_free.under_half([reading(0.5, 0.5, 0.5), reading(original, audited, guess)])
    assert "Images to forget are often the hard ones" in said


def test_a_line_may_lack_a_model():
    """A third of few images has no models that never saw them to be held against."""
    one, other = Measured(0.4, 0.3, 0.5), Measured(0.6, 0.5, 0.7)
    lines = [
        risk_by_part.Line("all", {"unlearned": one, "retrained": other}),
        risk_by_part.Line("high", {"unlearned": other}),
    ]
    fig = risk_by_part.draw("Title", "AUC", lines, {"unlearned": "RUM", "retrained": "Never saw them"})
    drawn = {trace.name: (list(trace.x), list(trace.y)) for trace in fig.data}
    assert drawn == {"RUM": ([0.4, 0.6], [0, 1]), "Never saw them": ([0.6], [0])}


@pytest.mark.parametrize(
    ("sides", "starts", "ends"),
    [
        ((None, 0, 1, -1), "on the medium third it remembers the images more", "(all together: cannot be judged)"),
        ((None, None, 0, 0), "on the medium and high thirds it cannot be told", "and low third: cannot be judged)"),
        ((None, None, 1, None), "on the medium third it remembers", "and low and high thirds: cannot be judged)"),
        ((0, None, 0, 0), "it cannot be told from", "(low third: cannot be judged)"),
        ((1, None, 1, 1), "it remembers the images more", "(low third: cannot be judged)"),
        (
            (0, 0, 0, 1),
            "on the high third it remembers the images more",
            "all together it cannot be told from models that never saw them",
        ),
        ((None,) * 4, retrain_free.NOTHING, retrain_free.NOTHING),
        ((None, None), retrain_free.NOTHING, retrain_free.NOTHING),
    ],
)
def test_what_can_be_told_comes_first_without_retraining(sides, starts, ends):
    readings = [SimpleNamespace(part=p, side=s) for p, s in zip(("all", "low", "medium", "high"), sides, strict=False)]
    said = retrain_free.finding(readings)
    assert said.startswith(starts) and said.endswith(ends)


def test_without_retraining_and_without_a_bank_nothing_is_judged(page, unbanked_store):
    at = page(unbanked_store, evidence="free")
    assert retrain_free.NOTHING in at.markdown[0].value and "No bank of models was trained" in at.warning[0].value
    assert len(charts(at)[0]["data"]) == 2
