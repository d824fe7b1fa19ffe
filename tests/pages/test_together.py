"""All evidence together on the Audit page: each kind says what its view says, and has the verdict of its numbers."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from audit_story import METHOD

from pages.evidence import many_models, together
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, fulfil, stream, studies, telling
from unlearn_core.experiment.tiers import TIERS
from unlearn_core.experiment.tiers.overview import tells
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def audited(audit_story, tmp_path_factory):
    """The folder of a store with an audit of every tier, and its overview."""
    found = audit_story.copied(tmp_path_factory.mktemp("together") / "store")
    return found.store.root, found.store.find(found.wanted)


def verdicts_of(at) -> dict[str, str]:
    """The name of each kind of evidence, and its verdict."""
    assert not at.exception
    labels = [b.label.strip("*") for b in at.button if str(b.key).startswith("together.")]
    return dict(label.split(": ") for label in labels)


def test_all_together_says_what_each_view_says(open_page, audited):
    root, result = audited
    at = open_page("audit", root, method=METHOD, evidence="together")
    assert list(verdicts_of(at)) == [
        "Many models",
        "Single images",
        "Kept images",
        "All numbers",
        "One attack",
        "Without retraining, weaker evidence",
    ]
    said = [m.value for m in at.markdown]
    for view in ("models", "images", "kept", "numbers", "free"):
        shown = open_page("audit", root, method=METHOD, evidence=view).markdown[0].value
        assert any(line.startswith(shown) for line in said), view
    (missing,) = (c.value for c in at.caption if c.value.startswith("Not collected yet"))
    assert "**Requests in a row**" in missing and "Many models" not in missing


def test_verdicts_are_those_of_the_audit(open_page, audited):
    root, result = audited
    table, store = result.table(), Store(root)
    study = OpenStudy.open(store, studies(store)[0].key)
    found = verdicts_of(open_page("audit", root, method=METHOD, evidence="together"))

    def off(metric: str, **where) -> bool:
        line = table[(table["metric"] == metric) & (table[list(where)] == pd.Series(where)).all(axis=1)].iloc[0]
        return None if not line["side"] and line["has_power"] is False else bool(line["side"])

    words = {True: "told from retraining", False: "not told from retraining", None: "no verdict"}
    assert found["Single images"] == words[off("u_lira_efficacy_auc", on="forget", by="per example")]
    assert (found["Many models"] == words[True]) == bool(off("forgetting_quality") or off("told_apart", on="forget"))
    attacked = telling.told(study, METHOD)
    blind = attacked.whole.blind or len(attacked.whole.audited.seeds) == 1
    assert found["One attack"] == words[True if attacked.off else None if blind else False]
    assert found["All numbers"] == "no verdict"


def test_a_verdict_on_thirds_alone_says_so_and_what_stands_under_it_says_no_other(study, monkeypatch):
    """What an attack finds on single thirds may not show in the mean, and no verdict on all may be one on thirds."""
    told = telling.told(study, METHOD)
    whole = replace(told.whole, apart=Estimate(0.0, 0.1, 3), floor=Estimate(0.01, 0.05, 3), power=Estimate(0.3, 0.1, 3))
    thirds = tuple(
        replace(whole, part=part, apart=Estimate(off, 0.1, 3)) for part, off in (("low", -0.2), ("high", 0.2))
    )
    monkeypatch.setattr(telling, "told", lambda *_: telling.Told(told.statistic, whole, thirds))
    line = together._attacked(study, METHOD)
    assert (line.apart, line.on) == (True, " on single thirds")
    assert line.says.endswith("in the mean over all images that does not show.") and "cannot be told" not in line.says
    sides = {"all": None, "low": None, "medium": 0, "high": 0}
    monkeypatch.setattr(together, "read", lambda study, method, part: SimpleNamespace(side=sides[part]))
    monkeypatch.setattr(together.retrain_free, "result", lambda *_: "")
    assert together._alone(study, METHOD, "RUM").on == " on all images at once"
    sides |= dict.fromkeys(sides)
    assert together._alone(study, METHOD, "RUM").on == ""


def test_one_name_is_of_one_thing(open_page, filled_store):
    """All images together are no kind of evidence, and all evidence is no images."""
    at = open_page("audit", filled_store, method="fine-tune", evidence="attack")
    groups = next(s.options for s in at.selectbox if s.label == "Images")
    kinds = next(s.options for s in at.segmented_control if s.label == "Evidence")
    assert not {name.lower() for name in groups} & {name.lower() for name in kinds}


def test_requests_in_a_row_are_there_where_they_were_met(open_page, filled_store, tmp_path):
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    study = OpenStudy.open(store, studies(store)[0].key)
    assert stream.newest(study, METHOD) is None
    asked = stream.asked(study, METHOD, stream.deal_requests(study.forget, 2, 0), 2)
    fulfil(store, asked)
    fulfil(store, asked.but(requests=("0-9", "10-19")))  # images of another set are no evidence on this one
    assert stream.newest(study, METHOD).spec == asked and stream.newest(study, "fine-tune") is None
    at = open_page("audit", store.root, method=METHOD, evidence="together")
    assert "Requests in a row" in verdicts_of(at)
    shown = open_page("audit", store.root, method=METHOD, evidence="requests", requests="2", streams="2").markdown
    (said,) = (m.value for m in at.markdown if m.value.startswith("Under **"))
    assert any(m.value.startswith(said) for m in shown)
    assert not any("**Requests in a row**" in c.value for c in at.caption)


def test_a_kind_is_a_way_to_its_view(open_page, audited):
    at = open_page("audit", audited[0], method=METHOD, evidence="together")
    next(b for b in at.button if b.key == "together.models").click().run()
    assert not at.exception and at.query_params["evidence"] == "models"


def test_what_was_not_collected_is_named_with_what_it_would_answer(open_page, filled_store):
    at = open_page("audit", filled_store, method="fine-tune", evidence="together")
    assert list(verdicts_of(at)) == ["One attack", "Without retraining, weaker evidence"]
    (missing,) = (c.value for c in at.caption if c.value.startswith("Not collected yet"))
    assert all(f"**{tier.name.capitalize()}**: {tier.question}" in missing for tier in TIERS[1:])
    assert "**Kept images**" in missing and "**Requests in a row**" in missing


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ((None, None), "No evidence that is here gives a verdict on **A\\_b**"),
        ((False, None, False), "**None of 2** kinds"),
        ((False, True), "**1 of 2** kinds of evidence that give a verdict tells **A\\_b** from retraining: kind 1. "),
        (
            (True, True, None),
            "**2 of 2** kinds of evidence that give a verdict tell **A\\_b** from retraining: kind 0, ",
        ),
    ],
)
def test_kinds_are_counted(apart, said):
    told = together.in_words("A_b", [together.Line("", f"Kind {i}", one, "") for i, one in enumerate(apart)])
    assert told.startswith(said)
    assert ("chance" in told) == (sum(map(bool, apart)) == 1) and ("too weak" in told) == (apart == (False, True))


@pytest.mark.parametrize(
    ("told", "off"), [([], None), ([None], None), ([None, False], False), ([False, True], True), ([None, True], True)]
)
def test_one_that_tells_is_enough_and_silence_without_power_is_none(told, off):
    assert together._any(told) is off


@pytest.mark.parametrize(
    ("side", "has_power", "told"),
    [
        (1.0, True, True),
        (-1, np.False_, True),
        (0, np.True_, False),
        (0.0, False, None),
        (0, None, False),
        (None, True, None),
        (np.nan, None, None),
    ],
)
def test_a_number_that_would_not_have_found_the_original_tells_nothing(side, has_power, told):
    assert tells(pd.Series({"side": side, "has_power": has_power}, dtype=object)) is told


@pytest.mark.parametrize(
    ("forget", "test", "said"),
    [
        ((0.5, 1), (0.6, 1), "differ from retrained ones on test images no less"),
        ((0.5, 1), (0.1, 1), "remember the forgotten"),
        ((-0.5, -1), (0.6, 1), "over-unlearn the forgotten"),
        ((0.1, 0), (0.6, 1), "treat the forgotten images otherwise"),
        ((0.1, None), (0.6, 1), "treat the forgotten images otherwise"),
    ],
)
def test_models_that_are_surer_of_everything_do_not_remember(forget, test, said):
    lines = pd.DataFrame(
        [
            {"metric": metric, "on": on, "unlearned": value, "side": side}
            for metric, on, (value, side) in (
                ("forgetting_quality", "", (0.1, -1)),
                ("told_apart", "forget", (0.9, 1)),
                ("margin_shift", "forget", forget),
                ("margin_shift", "low", (-0.25, -1)),
                ("margin_shift", "test", test),
            )
        ]
    ).assign(retrained_low=-0.12, retrained_high=0.1, original=0.2)
    told = many_models.in_words("RUM", lines, 64)
    assert f"64 models unlearned by **RUM** **{said}" in told
    assert "\u22120.25 on the low third" in told and f"{test[0]:+.2f} on test images; retrained ones" in told
    assert told.endswith("lie no further apart than 0.12.")
