"""What the attacker with shadow models reads, where it is known what there is to find."""

import numpy as np
import pandas as pd
import pytest

from unlearn_core.attacks import clopper_pearson
from unlearn_core.experiment.tiers.overview import overview
from unlearn_core.experiment.tiers.per_example import Observed
from unlearn_core.experiment.tiers.shadow_attack import QUESTIONS, beside_mates, judged
from unlearn_core.experiment.tiers.single_images import lines
from unlearn_core.experiment.tiers.thirds import Role, deal_roles


def seen(left: float, forget: int = 60, shadows: int = 48, remembered: float = 4.0, seed: int = 0) -> Observed:
    """Shadows in which a kept image lies `remembered` and an unlearned one `left` above one never seen, in units of the
    spread between models."""
    rng = np.random.default_rng(seed)
    roles = deal_roles(forget, shadows, seed).reshape(shadows, -1)
    easy, noise = 3 * rng.normal(size=3 * forget), rng.normal(size=(2, shadows, 3 * forget))
    before = easy + noise[0] + remembered * (roles != Role.OUT)
    after = easy + noise[1] + np.choose(roles == Role.UNLEARN, [remembered * (roles != Role.OUT), left])
    return Observed(np.arange(3 * forget), roles, before.astype(np.float32), after.astype(np.float32))


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_leaves_nothing_behind_reads_as_a_guess(question):
    verdicts = [judged(seen(0.0, seed=seed), question, np.arange(60)) for seed in range(12)]
    reads, found = [v.audited.success for v in verdicts], [v.audited.found_at(0.1) for v in verdicts]
    assert np.mean([f.value for f in found]) == pytest.approx(0.1, abs=0.015)
    assert np.mean([r.value for r in reads]) == pytest.approx(0.5, abs=0.015)
    # 95 of 100 intervals, of which twelve tell little.
    assert sum(f.low <= 0.1 <= f.high for f in found) >= 9 and sum(r.low <= 0.5 <= r.high for r in reads) >= 10
    assert sum(v.side == 0 for v in verdicts) >= 10 and not any(v.blind for v in verdicts)
    assert verdicts[0].original.success.low > 0.95


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("left", [30.0, -30.0])
def test_what_stands_far_off_is_always_found(question, left):
    verdict = judged(seen(left), question)
    assert verdict.audited.success.value == 1.0 and verdict.side == 1
    for alpha in (0.01, 0.1):
        assert verdict.audited.found_at(alpha).value == 1.0
    assert verdict.audited.at(0.0) == (1.0, 0.0)


def test_where_nothing_was_remembered_nothing_can_be_judged():
    verdict = judged(seen(0.0, remembered=0.0), "efficacy")
    assert verdict.blind and verdict.side == 0


def test_it_is_the_auc_of_the_audit():
    own = seen(1.0)
    table = overview(pd.DataFrame(lines(own))).set_index(["metric", "on", "by"])
    for on, rows in (("forget", own.rows[: own.forget]), ("shadows", None)):
        for question in QUESTIONS:
            line, verdict = table.loc[(f"u_lira_{question}_auc", on, "per example")], judged(own, question, rows)
            for kind, model in (
                ("unlearned", verdict.audited),
                ("original", verdict.original),
                ("retrained", verdict.retrained),
            ):
                read = model.success.value, model.success.low, model.success.high
                assert read == pytest.approx(tuple(line[f"{kind}{end}"] for end in ("", "_low", "_high")))
            assert verdict.apart.mean == pytest.approx(line["gap"]) and verdict.side == line["side"]
    one = table.loc[("u_lira_efficacy_tpr", "shadows", "per example")]
    found = judged(own, "efficacy").audited.found_at(0.01)
    assert (found.value, found.low, found.high) == (one["unlearned"], one["unlearned_low"], one["unlearned_high"])


def test_too_few_shadows_are_told_how_many_there_would_have_to_be():
    few = judged(seen(1.0, forget=10, shadows=18), "efficacy", np.arange(10))
    assert few.audited.readings == 60 and few.retrained.readings == 30
    assert few.audited.found_at(0.1).value is None
    assert few.audited.found_at(0.1).why == "not measurable (needs 30 shadow models)"
    assert few.retrained.found_at(0.1).why == "not measurable (needs 60 shadow models)"
    assert few.audited.found_at(0.001).why == "not measurable (needs 3,000 shadow models)"
    assert few.audited.found_at(0.0).value is None and not few.audited.can_tell(0.0)
    enough = judged(seen(1.0, forget=10, shadows=30), "efficacy", np.arange(10))
    assert enough.audited.found_at(0.1).value is not None
    enough = judged(seen(1.0, forget=10, shadows=60), "efficacy", np.arange(10))
    assert enough.retrained.found_at(0.1).value is not None


def test_blocks_that_differ_make_the_interval_wider_than_readings_would():
    own = seen(0.0)
    off = np.repeat(np.arange(16) % 2, 3)[:, None] * 3.0
    # In every second block the forgetting leaves much behind.
    own = Observed(own.rows, own.roles, own.before, own.after + off * (own.roles == Role.UNLEARN))
    audited = judged(own, "efficacy").audited
    found, independent = audited.found_at(0.1), audited.unseen * 16
    low, high = clopper_pearson(round(found.value * independent), independent)
    assert found.high - found.low > 3 * (high - low)


def test_the_curve_rises_from_none_to_all_and_passes_through_the_table():
    audited = judged(seen(1.0), "efficacy").audited
    curve = audited.curve
    assert (curve.iloc[0] == 0).all() and tuple(curve.iloc[-1][["fpr", "tpr"]]) == (1, 1)
    assert (curve[["fpr", "tpr"]].diff().iloc[1:] >= 0).all().all()
    assert ((curve["low"] <= curve["tpr"]) & (curve["tpr"] <= curve["high"])).all()
    found = audited.found_at(0.1)
    at = curve[curve["fpr"] <= 0.1].iloc[-1]
    assert (at["tpr"], at["low"], at["high"]) == (found.value, found.low, found.high)


def test_a_third_is_the_attack_on_its_images_alone():
    own = seen(1.0)
    third = judged(own, "efficacy", np.arange(20, 40)).audited
    whole = judged(own, "efficacy").audited
    assert third.rows.tolist() == list(range(20, 40))
    for part, every in zip(third.members, whole.members, strict=True):
        np.testing.assert_array_equal(part, every[20:40])


def test_an_interval_ends_where_an_auc_does_and_a_difference_goes_by_all_of_it():
    verdict = judged(seen(2.5, forget=6, shadows=18), "efficacy", np.arange(6))
    model = verdict.original
    assert model.mean.high > 1 == model.success.high and model.success.low == max(0.0, model.mean.low)
    assert model.success.value == model.mean.value
    halves = [m.mean.high - m.mean.value for m in (verdict.audited, verdict.retrained)]
    assert verdict.apart.half_width == pytest.approx(np.hypot(*halves))


def test_how_much_easier_the_others_are_that_shadows_forget():
    own = seen(0.0, forget=4, shadows=18)
    scores = np.r_[[0.9, 0.7, 0.1, 0.3], [0.2, 0.0, 0.1, 0.3], [0.4, 0.0, 0.1, 0.3]]
    found = beside_mates(own, scores, {"low": np.array([2, 3]), "medium": np.array([], int), "high": np.array([0, 1])})
    assert list(found.index) == ["low", "high"]
    np.testing.assert_allclose(found.loc["low"], [0.2, 0.2])
    np.testing.assert_allclose(found.loc["high"], [0.8, 0.15])
