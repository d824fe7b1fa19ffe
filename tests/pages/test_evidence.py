"""The deeper views of the Audit page on a finished audit of all tiers: what they say is what was measured."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from audit_story import METHOD

from pages.evidence import attack_numbers, offer, shadow_attack, single_images
from pages.shared import audit_words, numbers, roc_chart
from unlearn_core import jobs
from unlearn_core.attacks.blocks import by_chance
from unlearn_core.evaluation.challenge import LARGEST
from unlearn_core.experiment.tiers.cost import Cost
from unlearn_core.experiment.tiers.per_example import Observed
from unlearn_core.experiment.tiers.shadow_attack import judged
from unlearn_core.rows import unpack
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def audited(audit_story, tmp_path_factory):
    """The folder of a store with an audit of every tier, and its overview."""
    found = audit_story.copied(tmp_path_factory.mktemp("evidence") / "store")
    return found.store.root, found.store.find(found.wanted)


@pytest.mark.parametrize("show", ["off", "whole", "parts", "others", "all"])
def test_all_numbers_lists_what_was_measured(open_page, audited, show):
    root, result = audited
    at = open_page("audit", root, method=METHOD, evidence="numbers", show=show)
    assert not at.error and not at.exception
    table, shown = result.table(), at.dataframe[0].value
    judged = table[table["side"].notna()]
    off = judged[judged["side"] != 0]
    assert f"{len(off)} of {len(judged)} numbers tell **Random" in at.markdown[0].value
    expected = {"all": len(table), "off": len(off), "others": table["on"].isin(["retain", "test"]).sum()}
    assert len(shown) == expected.get(show, len(shown)) and len(shown) > 0
    # What matters is on the first screen, narrow enough for it; the rest is a switch away.
    assert list(shown.columns) == ["what", "on", "unlearned", "retrained", "says"]
    assert not shown["says"].str.contains("retraining").any()
    wide = json.loads(at.dataframe[0].proto.columns)
    assert sum(wide[column]["width"] for column in shown.columns) <= 820
    at.toggle(key="more").set_value(True).run()
    assert list(at.dataframe[0].value.columns) == [*shown.columns, "original", "gap", "floor"]
    assert at.dataframe[0].value[list(shown.columns)].equals(shown)


def test_single_images_sets_the_two_attackers_beside_each_other(open_page, audited):
    root, result = audited
    at = open_page("audit", root, method=METHOD, evidence="images")
    assert not at.error and not at.exception
    lines = result.table().set_index(["metric", "on", "by"])
    single, together = (
        lines.loc[("u_lira_efficacy_auc", "forget", by), "unlearned"] for by in ("per example", "population")
    )
    said = at.markdown[0].value
    assert f"AUC {single:.2f} (" in said and f"{together:.2f}" in said
    images = result.table("images")
    # What chance reads stands beside what is counted, and how much easier the others are that shadows forget.
    low, high = by_chance(result.spec().shadows // 3)
    told = f"{(images['auc'] > high).sum()} of {len(images)} forgotten images read above {high:.2f}, which by chance"
    assert any(told in m.value and f"{low:.2f} to {high:.2f} is chance" in m.value for m in at.markdown)
    surer = (images["unlearned"] > images["never_seen"]).sum()
    where = f"models are surer of {surer} of {len(images)} images than those that never saw them; by chance of half"
    assert f"Image by image: {where}" in [e.label for e in at.expander]
    assert at.selectbox(key="address.image").value in set(images["row"].astype(str))
    chosen = str(images["row"].iloc[3])
    at.selectbox(key="address.image").select(chosen).run()
    assert not at.exception and at.query_params["image"] == chosen
    assert {"class, from the last layer", "image, reconstructed by gradient matching (AUC)"} <= {
        text for frame in at.dataframe for text in frame.value.get("what", [])
    }


def verdict_of(result, question="efficacy", rows=None, store=None):
    own = Observed.of(store.find(result.spec().per_example))
    return judged(own, question, own.rows[: own.forget] if rows is None else rows)


def test_single_images_shows_the_attack_of_its_shadow_models_before_and_after(open_page, audited):
    root, result = audited
    at = open_page("audit", root, method=METHOD, evidence="images")
    for question in ("privacy", "efficacy"):
        at.selectbox(key="address.question").select(question).run()
        assert not at.exception and at.query_params["question"] == question
        verdict = verdict_of(result, question, store=Store(root))
        shown = next(d.value for d in at.dataframe if "TPR@10%FPR" in d.value).set_index("Model")
        models = {"Before": verdict.original, "Random": verdict.audited, "Never": verdict.retrained}
        for start, model in models.items():
            line = shown[shown.index.str.startswith(start)].iloc[0]
            assert line["AUC"] == numbers.interval(model.success)
            for head, alpha in attack_numbers.RATES.items():
                found = model.found_at(alpha)
                assert line[head] == (found.why if found.value is None else numbers.interval(found))
        assert (shown["TPR@0.1%FPR"].str.match(r"not measurable \(needs [\d,]+ shadow models\)")).all()
        names = [trace["name"] for trace in json.loads(at.get("plotly_chart")[0].proto.spec)["data"]]
        assert names[0] == "before forgetting" and names[2] == "never saw it"
    at.selectbox(key="address.third").select("high").run()
    assert not at.exception
    (shown,) = (d.value for d in at.dataframe if "TPR@10%FPR" in d.value)
    high = dict(part.split(":") for part in result.spec().subject.parts)["high"]
    verdict = verdict_of(result, "efficacy", unpack(high, 10**6), Store(root))
    assert numbers.interval(verdict.audited.success) in set(shown["AUC"])
    at.selectbox(key="address.third").select("mates").run()
    assert not at.exception and at.query_params["third"] == "mates"


def test_its_threshold_moves_the_sentence(open_page, audited):
    root, result = audited
    at, slider = open_page("audit", root, method=METHOD, evidence="images"), "threshold_u_lira_efficacy"
    model, said = verdict_of(result, store=Store(root)).audited, []
    for place in (0, -8):
        cut = float(at.select_slider(key=slider).options[place])
        at.select_slider(key=slider).set_value(cut).run()
        assert not at.exception
        said.append(next(m.value for m in at.markdown if m.value.startswith("At this threshold")))
        found, accused = model.at(cut)
        assert model.readings == 6 * len(model.rows) and len(model.seeds) == 6  # blocks of 18 shadows
        if model.can_tell(accused):
            assert f"**{audit_words.hundred(found)}** forgotten" in said[-1]
            assert f"**{audit_words.hundred(accused)}** that" in said[-1]
        else:
            assert f"**{audit_words.counted(found, model.readings)}** forgotten" in said[-1]
            assert "too few to speak of a rate" in said[-1]
    assert said[0] != said[1]


def test_the_audit_opens_on_the_strongest_attack_that_was_made(open_page, audited):
    root, _ = audited

    def view(at):
        assert not at.exception
        return next(g.value for g in at.segmented_control if g.label == "Evidence")

    at = open_page("audit", root, method=METHOD)
    assert view(at) == "images" and "evidence" not in at.query_params
    # What was never chosen gives way where the other method has no such evidence, and comes back with it.
    for method, shown in (("fine-tune", "attack"), (METHOD, "images")):
        next(s for s in at.selectbox if s.label == "Method").select(method).run()
        assert view(at) == shown and "evidence" not in at.query_params
    # What was chosen stays, and so does what a link asks for.
    next(g for g in at.segmented_control if g.label == "Evidence").select("attack").run()
    assert view(at) == "attack" and at.query_params["evidence"] == "attack"
    next(s for s in at.selectbox if s.label == "Method").select("fine-tune").run()
    next(s for s in at.selectbox if s.label == "Method").select(METHOD).run()
    assert view(at) == "attack"
    assert view(open_page("audit", root, method=METHOD, evidence="attack")) == "attack"
    assert view(open_page("audit", root, method="fine-tune", evidence="images")) == "images"


@pytest.mark.parametrize("apart", [0.05, 0.3])
def test_it_is_said_where_shadows_forget_what_is_easier(open_page, audited, monkeypatch, apart):
    """Of the thirds in which the others are easier by more than a tenth, by how much."""
    lines = pd.DataFrame({"own": [0.2, 0.4 + apart], "mates": [0.2, 0.4]}, index=["low", "high"])
    monkeypatch.setattr(shadow_attack, "beside_mates", lambda *_: lines)
    said = [c.value for c in open_page("audit", audited[0], method=METHOD, evidence="images").caption]
    told = [text for text in said if "those are easier here" in text]
    assert bool(told) == (apart == 0.3)
    assert all("high third 0.70, others 0.40" in text and "low third" not in text for text in told)


def test_what_shadow_models_said_is_offered_again_where_it_is_gone(open_page, audited, tmp_path, monkeypatch):
    root, result = audited
    store = Store(shutil.copytree(root, tmp_path / "store"))
    lost = result.spec().per_example
    arrays = store.find(lost).folder / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-10])
    asked = []
    monkeypatch.setattr(jobs, "submit", lambda to, spec, *_, **__: asked.append(spec))
    at = open_page("audit", store.root, method=METHOD, evidence="images")
    assert not at.exception
    assert [i.value for i in at.info if "is not in this store any more: it was found damaged" in i.value]
    # What was concluded from it stands.
    folds = [e.label for e in at.expander]
    assert "Beside one rule for all images" in folds
    assert not [label for label in folds if label.startswith("One image")]
    next(b for b in at.button if b.label == "Make it anew").click().run()
    assert asked == [lost]


def verdicts_by(**sides):
    """Stand-ins: 1 found, 0 not found, None nothing to find."""
    return {name: SimpleNamespace(side=side or 0, blind=side is None) for name, side in sides.items()}


@pytest.mark.parametrize(
    ("found", "said"),
    [(verdicts_by(low=0, high=0), "No third can be told from never seen"),
     (verdicts_by(low=0, high=1), "The high third can be told from never seen"),
     (verdicts_by(low=1, medium=1, high=1), "The low, medium and high thirds can be told from never seen"),
     (verdicts_by(low=None, high=1),
      "The high third can be told from never seen; the low third cannot be judged, for there was nothing to find")],
)  # fmt: skip
def test_the_thirds_that_the_shadow_models_tell_are_named(found, said):
    assert shadow_attack.in_thirds(found) == said


def test_many_models_says_what_a_perfect_run_reads(open_page, audited):
    root, result = audited
    at = open_page("audit", root, method=METHOD, evidence="models")
    assert not at.error and not at.exception
    quality = result.table().set_index(["metric", "on", "by"]).loc[("forgetting_quality", "forget", "")]
    said = at.markdown[0].value
    assert f"F {quality['unlearned']:.2f}" in said
    assert f"{quality['retrained_low']:.2f} to {quality['retrained_high']:.2f} (not 1)" in said


def test_an_epsilon_at_its_cap_is_given_as_so_much_or_more(open_page, audited):
    """Of one image, and at the end of the axis of the charts that hold all; each says so once."""
    found = audited[1].table("many_models")
    at_most, below = (found.loc[found["unlearned_epsilon"].fillna(-1).map(fits), "row"] for fits in
                      (LARGEST.__eq__, lambda epsilon: 0 <= epsilon < LARGEST))  # fmt: skip
    for rows, says in ((at_most, "epsilon 50 or more, proved"), (below, "epsilon ")):
        if rows.empty:
            continue
        at = open_page("audit", audited[0], method=METHOD, evidence="models", image=str(rows.iloc[0]))
        specs = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
        title = specs[-1]["layout"]["title"]["text"].replace("<br>", " ")
        assert says in title and ("or more" in title) == (rows is at_most)
        assert [spec["layout"]["xaxis"]["ticktext"][-1] for spec in specs[:2]] == ["8 or more"] * 2
    assert numbers.capped(50.0, LARGEST) == "50 or more" and numbers.capped(49.94, LARGEST) == "49.9"
    assert numbers.capped(float("nan"), LARGEST) == numbers.MISSING


def test_all_columns_of_many_models_are_on_a_small_screen(open_page, audited):
    at = open_page("audit", audited[0], method=METHOD, evidence="models")
    columns = json.loads(at.dataframe[0].proto.columns)
    assert sum(column["width"] for name, column in columns.items() if name != "_index") <= 820


def test_evidence_takes_its_cost_along_where_all_of_it_is_known(open_page, audited, foreseen, monkeypatch):
    for unknown in ((), ("measuring",)):
        monkeypatch.setattr(offer, "cost", lambda store, wanted, of=unknown: Cost(3, 2, 0, 50.0, 7.0, of))
        at = open_page("audit", audited[0], method="fine-tune", evidence="models")
        at.button[0].click().run()
    known, unknown = foreseen
    assert known.megabytes == 7.0 and known.fastest < 50.0 < known.slowest and unknown is None


@pytest.mark.parametrize("view", ["numbers", "images", "models", "kept"])
def test_without_evidence_its_cost_is_said_before_it_is_collected(open_page, filled_store, view):
    at = open_page("audit", filled_store, method="fine-tune", evidence=view)
    assert not at.error and not at.exception
    assert [b.label for b in at.button] == ["Collect this evidence"]
    assert at.info[0].value.startswith("Here ") and "of an audit: " in at.info[0].value
    # Everything that the first tiers ask was made by the study; how long the measuring takes nobody knows yet.
    words = "All models are there already. How long measuring" if view in ("numbers", "kept") else "models to train and"
    assert any(words in m.value for m in at.markdown)
    assert any("so it is guessed: in all about **" in m.value and " to " in m.value for m in at.markdown)


def test_a_roc_of_many_images_is_drawn_by_the_points_that_can_be_told_apart():
    x = np.linspace(0, 1, 40_001)
    curve = pd.DataFrame({"fpr": x, "tpr": np.sqrt(x), "low": x, "high": np.sqrt(x)})
    shown = roc_chart.seen(curve)
    assert len(shown) < 500 and shown.index[0] == 0 and shown.index[-1] == len(x) - 1
    assert (shown["fpr"] < 0.01).sum() == (x < 0.01).sum()
    steep = np.hypot(1, 0.5 / np.sqrt(x[1:]))  # how far a curve is off is seen across it
    assert (np.abs(np.interp(x, shown["fpr"], shown["tpr"]) - curve["tpr"])[1:] / steep).max() < 0.0011
    assert len(roc_chart.seen(curve.assign(low=np.nan, high=np.nan))) == len(shown)
    wavy = roc_chart.seen(curve.assign(high=np.sqrt(x) + 0.01 * (np.arange(len(x)) // 1000 % 2)))
    assert len(wavy) > len(shown)  # its band is kept, too
    few = curve.iloc[::4_000]
    assert roc_chart.seen(few).equals(few)


@pytest.mark.parametrize(
    ("together", "side", "says"),
    [(0.55, 1, "it would hide most of this"), (0.84, 1, "it would hide part of this"), (0.88, 1, "reads 0.88."),
     (0.55, 0, "cannot be told"), (0.55, None, "may or may not be told")],
)  # fmt: skip
def test_how_much_one_rule_would_hide_is_of_what_lies_above_chance(together, side, says):
    reads = {"retrained": 0.5, "original": 0.95}
    ends = {"unlearned_low": 0.87, "unlearned_high": 0.93, "original_low": 0.94, "original_high": 0.96}
    lines = pd.DataFrame(
        [reads | ends | {"unlearned": value, "side": side} for value in (0.9, together)],
        index=pd.MultiIndex.from_tuples([("u_lira_efficacy_auc", by) for by in ("per example", "population")]),
        dtype=object,
    )
    said = single_images.in_words("RUM", lines)
    assert says in said and ("hide" in said) == ("hide" in says)
