"""The lines of an audit as one table: verdicts on tables made by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unlearn_core.attacks.blocks import over_blocks
from unlearn_core.evaluation import METRICS, over_seeds, paired_difference
from unlearn_core.experiment.tiers.overview import (
    BLOCKS,
    DIAGNOSTICS,
    SPLITS,
    in_words,
    overview,
    shown,
    tally,
    verdict,
)

# Retrained models that differ by 0.01 or so, and a second one of each seed.
RETRAINED, AGAIN = [0.50, 0.51, 0.49], [0.51, 0.50, 0.50]
NEAR = {"retrained": RETRAINED, "again": AGAIN}


def numbers(metric="forget_accuracy", on="forget", by="", unit="seeds", extra=None, **kinds):
    """Lines of one metric: a list of values for each kind of model; `extra` kind -> further columns."""
    lines = [
        {"kind": kind, "seed": seed, "metric": metric, "on": on, "by": by, "value": value, "why": "", "unit": unit}
        | (extra or {}).get(kind, {})
        for kind, values in kinds.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(lines)


def line(**given):
    table = overview(numbers(**given))
    assert len(table) == 1
    return table.iloc[0]


# -- seeds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unlearned", "side", "says"),
    [
        ([0.90, 0.92, 0.91], 1, "remembers more than retraining"),
        ([0.10, 0.12, 0.09], -1, "over-unlearned"),
        ([0.50, 0.52, 0.49], 0, "not told from retraining"),
        ([0.10, 0.90, 0.55], 0, "not told from retraining"),
    ],
)
def test_a_side_is_one_beyond_interval_and_floor(unlearned, side, says):
    found = line(unlearned=unlearned, original=[1.0, 1.0, 1.0], **NEAR)
    gap = paired_difference(unlearned, RETRAINED)
    assert (found["side"], found["says"], found["count"]) == (side, says, 3)
    assert (found["gap"], found["gap_half_width"]) == (gap.mean, gap.half_width)
    assert found["power"] == pytest.approx(0.5) and found["has_power"] is True
    for kind, values in (("unlearned", unlearned), ("original", [1.0] * 3), ("retrained", RETRAINED)):
        known = over_seeds(values)
        assert found[kind] == known.mean
        assert found[f"{kind}_low"] == known.mean - known.half_width
        assert found[f"{kind}_high"] == known.mean + known.half_width


def test_the_floor_is_the_most_by_which_a_second_retrained_model_may_differ():
    found = line(unlearned=[0.9, 0.9, 0.9], **NEAR)
    apart = paired_difference(AGAIN, RETRAINED)
    assert found["floor"] == abs(apart.mean) + apart.half_width > apart.half_width


def test_a_difference_within_the_floor_is_none_however_sure_it_is():
    unlearned = [value + 0.05 for value in RETRAINED]  # the same on every seed: no interval to speak of
    sure = line(unlearned=unlearned, **NEAR)
    assert sure["gap_half_width"] < 1e-12 and sure["floor"] < 0.05 and sure["side"] == 1
    torn = line(unlearned=unlearned, retrained=RETRAINED, again=[0.6, 0.4, 0.55])
    assert torn["gap_half_width"] < 1e-12 and torn["floor"] > 0.05 and torn["side"] == 0


def test_pairs_are_of_one_seed_whatever_the_order_of_the_lines():
    lines = numbers(unlearned=[0.2, 0.5, 0.8], original=[1.0] * 3, retrained=[0.1, 0.4, 0.7], again=[0.1, 0.4, 0.7])
    shuffled = lines.sample(frac=1, random_state=3)
    one, other = overview(lines).iloc[0], overview(shuffled).iloc[0]
    assert one["gap_half_width"] < 1e-12 and one["side"] == 1
    pd.testing.assert_series_equal(one, other)


def test_two_seeds_that_agree_say_nothing_of_others():
    found = line(unlearned=[0.6, 0.6], original=[1.0, 0.9], retrained=[0.5, 0.5], again=[0.5, 0.5])
    assert found["side"] is None and found["gap_half_width"] < 1e-12
    assert verdict(pd.Series(found)) == "cannot be told: two seeds agree, which says nothing of others"
    like = line(unlearned=[0.6, 0.4], original=[1.0, 0.9], retrained=[0.6, 0.4], again=[0.5, 0.5])
    assert like["side"] == 0  # no difference is none, however often


def test_one_seed_has_a_gap_and_no_verdict():
    found = line(unlearned=[0.9], original=[1.0], retrained=[0.5], again=[0.4])
    assert found["gap"] == pytest.approx(0.4) and found["count"] == 1 and found["power"] == 0.5
    assert found["side"] is None and found["has_power"] is None and found["says"] == "cannot be told"
    assert pd.isna(found["gap_half_width"]) and pd.isna(found["unlearned_low"])


def test_what_is_not_known_is_left_out_and_says_why():
    lines = numbers(unlearned=[0.9, None, 0.8], original=[1.0, 1.0, 1.0], **NEAR)
    lines.loc[lines["value"].isna(), "why"] = "there is no test image of these classes"
    found = overview(lines).iloc[0]
    assert found["count"] == 2 and found["gap"] == pytest.approx(((0.9 - 0.50) + (0.8 - 0.49)) / 2)
    assert found["why"] == "there is no test image of these classes"
    nothing = line(unlearned=[None] * 3, retrained=[None] * 3, original=[None] * 3, again=[None] * 3)
    assert nothing["side"] is None and nothing["says"] == "cannot be told" and nothing["count"] == 0
    assert all(pd.isna(nothing[name]) for name in ("unlearned", "original", "retrained", "gap", "floor"))


def test_why_is_that_of_the_unlearned_models_alone():
    why = {"unlearned": {"why": ""}, "original": {"why": "the original knew none of them"}}
    assert line(unlearned=[0.1] * 3, original=[None] * 3, extra=why, **NEAR)["why"] == ""
    why = {"unlearned": {"why": "infinite"}, "original": {"why": "other"}}
    assert line(unlearned=[None] * 3, original=[None] * 3, extra=why, **NEAR)["why"] == "infinite"


def test_kinds_that_were_not_measured_leave_their_numbers_open():
    found = line(unlearned=[0.9, 0.91, 0.9], retrained=RETRAINED)
    assert found["side"] == 1 and pd.isna(found["floor"]) and pd.isna(found["original"]) and found["has_power"] is None
    found = line(unlearned=[None], extra={"unlearned": {"why": "only whole classes can be forgotten"}})
    assert found["side"] is None and found["why"] == "only whole classes can be forgotten"


def test_too_few_images_are_counted_in_the_verdict_for_a_reader():
    few = {"unlearned": {"why": "not measurable with n = 397 non-members, needs at least 1000"}}
    found = line(unlearned=[None], extra=few)
    assert verdict(found) == "not measurable: 397 unseen images, 1,000 are needed"


def test_an_attack_that_cannot_see_the_original_has_no_power():
    blind = line(unlearned=[0.5, 0.51, 0.5], original=[0.51, 0.5, 0.49], **NEAR)
    assert blind["side"] == 0 and blind["has_power"] is False


seeds = st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(seeds, seeds, seeds, seeds, st.floats(-5, 5))
def test_a_shift_of_all_models_moves_no_verdict_and_a_turn_turns_it(unlearned, original, retrained, again, shift):
    kinds = {"unlearned": unlearned, "original": original, "retrained": retrained, "again": again}
    plain = line(**kinds)
    edge = min(abs(abs(plain["gap"]) - plain[name]) for name in ("gap_half_width", "floor"))
    assume(edge > 1e-6)
    moved = line(**{kind: [v + shift for v in values] for kind, values in kinds.items()})
    turned = line(**{kind: [-v for v in values] for kind, values in kinds.items()})
    for name in ("gap", "gap_half_width", "power", "floor"):
        assert moved[name] == pytest.approx(plain[name], abs=1e-9)
        assert abs(turned[name]) == pytest.approx(abs(plain[name]), abs=1e-9)
    assert moved["side"] == plain["side"] == -turned["side"] and turned["gap"] == pytest.approx(-plain["gap"])


@settings(max_examples=40, deadline=None)
@given(seeds, seeds)
def test_a_method_that_is_the_retrained_model_is_like_retraining(retrained, again):
    for metric in ("forget_accuracy", "js_divergence", "zrf", "group_tow"):
        found = line(metric=metric, unlearned=retrained, original=again, retrained=retrained, again=again)
        assert (found["gap"], found["side"], found["says"]) == (0, 0, "not told from retraining")


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "bound", "higher", "side"),
    [
        ("unlearned", 1, True, 1),  # "at least" this much, and that lies above already
        ("unlearned", 1, False, None),
        ("unlearned", -1, True, None),
        ("unlearned", -1, False, -1),
        ("retrained", 1, True, None),  # retraining may lie as high
        ("retrained", 1, False, -1),
        ("retrained", -1, True, 1),
        ("retrained", -1, False, None),
        ("original", 1, True, 1),  # of no matter for the verdict
        ("again", -1, False, -1),
    ],
)
def test_a_bound_leaves_open_what_it_cannot_rule_out(kind, bound, higher, side):
    unlearned = [0.9, 0.91, 0.92] if higher else [0.1, 0.12, 0.11]
    kinds = {"unlearned": unlearned, "original": [0.2] * 3} | NEAR
    lines = numbers(**kinds, extra={each: {"bound": 0} for each in kinds})
    assert overview(lines).iloc[0]["side"] == (1 if higher else -1)
    lines.loc[(lines["kind"] == kind) & (lines["seed"] == 1), "bound"] = bound
    found = overview(lines).iloc[0]
    assert found["side"] == side and (side is not None or found["says"] == "cannot be told")


def test_bounds_on_both_sides_leave_equality_open():
    both = {kind: {"bound": 1} for kind in ("unlearned", "retrained")}
    kinds = {"unlearned": [100.0] * 3, "retrained": [100.0] * 3, "again": [100.0] * 3}
    assert line(metric="relearn_time", **kinds)["side"] == 0
    assert line(metric="relearn_time", **kinds, extra=both)["side"] is None


# -- splits, blocks and single values ----------------------------------------------------------------------------------


def test_one_value_stands_out_where_it_lies_beyond_all_splits():
    splits = [0.10, 0.20, 0.15, 0.12]
    for value, side in ((0.21, 1), (0.20, 0), (0.15, 0), (0.10, 0), (0.09, -1)):
        found = line(metric="klom", unit=SPLITS, unlearned=[value], original=[0.5], retrained=splits)
        assert found["side"] == side and found["gap"] == pytest.approx(value - np.mean(splits))
        assert found["has_power"] is True and found["floor"] == pytest.approx(0.1) and found["count"] == 4
        assert (found["retrained"], found["retrained_low"], found["retrained_high"]) == (
            pytest.approx(np.mean(splits)),
            0.10,
            0.20,
        )
    blind = line(metric="klom", unit=SPLITS, unlearned=[0.3], original=[0.2], retrained=splits)
    assert blind["has_power"] is False and blind["side"] == 1


def test_splits_that_are_not_known_give_no_verdict():
    found = line(metric="klom", unit=SPLITS, unlearned=[None], original=[0.5], retrained=[0.1, 0.2])
    assert found["side"] is None and found["has_power"] is True and pd.isna(found["gap"])
    found = line(metric="klom", unit=SPLITS, unlearned=[0.3], original=[0.5], retrained=[None, None])
    assert found["side"] is None and found["has_power"] is None and pd.isna(found["floor"])


@pytest.mark.parametrize(
    ("unlearned", "side"),
    [((0.6, 0.51, 0.7), 1), ((0.6, 0.50, 0.7), 0), ((0.45, 0.3, 0.6), 0), ((0.2, 0.1, 0.29), -1), ((0.2, 0.1, 0.3), 0)],
)
def test_single_values_differ_where_their_intervals_do_not_meet(unlearned, side):
    ends = {"unlearned": unlearned, "original": (1.0, 0.9, 1.0), "retrained": (0.4, 0.3, 0.5)}
    extra = {kind: {"low": low, "high": high} for kind, (_, low, high) in ends.items()}
    kinds = {kind: [value] for kind, (value, *_) in ends.items()}
    found = line(metric="inversion_retrieval", on="", unit="deletions", extra=extra, **kinds)
    assert found["side"] == side and found["gap"] == pytest.approx(unlearned[0] - 0.4) and found["has_power"] is True
    assert (found["unlearned_low"], found["unlearned_high"]) == unlearned[1:]
    assert pd.isna(found["floor"]) and found["unit"] == "deletions"


def test_a_single_value_without_an_interval_gives_no_verdict():
    extra = {"original": {"low": 0.9, "high": 1.0}, "retrained": {"low": 0.3, "high": 0.5}}
    kinds = {"unlearned": [0.8], "original": [1.0], "retrained": [0.4]}
    found = line(metric="inversion_retrieval", on="", unit="deletions", extra=extra, **kinds)
    assert found["side"] is None and found["has_power"] is True


def test_blocks_are_compared_by_their_own_intervals():
    rng = np.random.default_rng(0)
    kinds = {"unlearned": 0.7, "original": 0.9, "retrained": 0.5}
    blocks = {kind: list(mean + 0.02 * rng.normal(size=16)) for kind, mean in kinds.items()}
    found = line(metric="u_lira_efficacy_auc", by="per example", unit=BLOCKS, **blocks)
    own, target = over_blocks(blocks["unlearned"]), over_blocks(blocks["retrained"])
    assert found["side"] == 1 and found["has_power"] is True and found["count"] == 16
    assert found["says"] == "above retraining" and pd.isna(found["floor"])
    assert (found["unlearned"], found["unlearned_low"], found["unlearned_high"]) == (own.value, own.low, own.high)
    assert found["gap"] == pytest.approx(own.value - target.value)
    assert found["gap_half_width"] == pytest.approx(math.hypot(own.high - own.value, target.high - target.value))


def test_a_ceiling_of_half_as_many_blocks_is_no_hindrance():
    """Two halves of the models that never saw an image are half as many pairs."""
    found = line(
        metric="u_lira_efficacy_auc",
        unit=BLOCKS,
        unlearned=[0.5, 0.52, 0.48, 0.51, 0.5, 0.49],
        original=[0.9, 0.91, 0.92, 0.9, 0.9, 0.9],
        retrained=[0.5, 0.49, 0.52],
    )
    assert found["side"] == 0 and found["count"] == 6 and found["has_power"] is True


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", DIAGNOSTICS)
def test_a_diagnostic_gives_no_verdict(metric):
    found = line(metric=metric, on="", unlearned=[9.0, 9.1, 9.2], original=[1.0] * 3, **NEAR)
    assert found["side"] is None and found["says"] == "a diagnostic, no verdict" and found["gap"] > 8


EXPECTED = {
    "better": {1: "better than retraining", -1: "worse than retraining"},
    "worse": {1: "worse than retraining", -1: "better than retraining"},
    "closer_to_retrain": {1: "above retraining", -1: "below retraining"},
}


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_words_for_every_side(metric):
    row = METRICS[metric]
    for on in ("", "forget", "low", "shadows", "retain", "test"):
        assert in_words(metric, on, None) == "cannot be told" and in_words(metric, on, 0) == "not told from retraining"
        for side in (1, -1):
            said = in_words(metric, on, side)
            if row.remembers and on not in ("retain", "test"):
                assert said == ("remembers more than retraining" if side == row.remembers else "over-unlearned")
            else:
                assert said == EXPECTED[row.direction][side]


def test_kept_and_test_images_were_never_to_be_forgotten():
    for on in ("retain", "test"):
        for metric in METRICS:
            for unlearned in ([0.9, 0.91, 0.92], [0.1, 0.12, 0.11]):
                said = line(metric=metric, on=on, unlearned=unlearned, original=[0.5] * 3, **NEAR)["says"]
                assert "unlearned" not in said and "remembers" not in said
    assert line(metric="margin_shift", unlearned=[0.1, 0.12, 0.11], **NEAR)["says"] == "over-unlearned"


# -- the table ---------------------------------------------------------------------------------------------------------


def test_one_line_for_each_metric_group_and_attack_in_the_order_they_came():
    lines = pd.concat(
        [
            numbers(metric="zrf", unlearned=[0.9] * 3, **NEAR),
            numbers(metric="auc", by="entropy", unlearned=[0.5] * 3, **NEAR),
            numbers(metric="auc", by="confidence", unlearned=[0.5] * 3, **NEAR),
            numbers(metric="auc", on="low", by="confidence", unlearned=[0.5] * 3, **NEAR),
            numbers(metric="tow", on="", unlearned=[0.5] * 3, **NEAR),
        ],
        ignore_index=True,
    )
    table = overview(lines)
    assert table[["metric", "on", "by"]].to_numpy().tolist() == [
        ["zrf", "forget", ""],
        ["auc", "forget", "entropy"],
        ["auc", "forget", "confidence"],
        ["auc", "low", "confidence"],
        ["tow", "", ""],
    ]
    alone = overview(numbers(metric="tow", on="", unlearned=[0.5] * 3, **NEAR))
    pd.testing.assert_series_equal(table.iloc[4], alone.iloc[0], check_names=False)


def test_kinds_of_sampling_in_one_audit_do_not_touch_each_other():
    ends = {kind: {"low": 0.1, "high": 0.2} for kind in ("unlearned", "original", "retrained")}
    several = [
        numbers(unlearned=[0.9, 0.91, 0.92], original=[1.0] * 3, **NEAR),
        numbers(metric="klom", unit=SPLITS, unlearned=[0.3], original=[0.5], retrained=[0.1, 0.2]),
        numbers(
            metric="inversion_retrieval",
            unit="deletions",
            extra=ends,
            unlearned=[0.15],
            original=[0.15],
            retrained=[0.15],
        ),
        numbers(metric="relearn_time", unlearned=[9.0] * 3, extra={"unlearned": {"bound": 1}}, **NEAR),
    ]
    table = overview(pd.concat(several, ignore_index=True))
    assert table["side"].tolist() == [1, 1, 0, 1]
    for lines, found in zip(several, table.to_dict("records"), strict=True):
        alone = overview(lines).iloc[0]
        for name, value in alone.items():
            assert found[name] == value or (pd.isna(found[name]) and pd.isna(value)), name


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"side": 0, "has_power": True, "says": "not told from retraining", "why": ""}, "not told from retraining"),
        (
            {"side": 0, "has_power": False, "says": "not told from retraining", "why": ""},
            "not told from retraining, nor is the original",
        ),
        ({"side": 0, "has_power": None, "says": "not told from retraining", "why": ""}, "not told from retraining"),
        ({"side": 1, "has_power": False, "says": "over-unlearned", "why": ""}, "over-unlearned"),
        ({"side": None, "has_power": None, "says": "cannot be told", "why": "too few"}, "cannot be told: too few"),
        ({"side": float("nan"), "has_power": None, "says": "a diagnostic", "why": ""}, "a diagnostic"),
    ],
)
def test_a_verdict_says_what_is_missing_and_what_could_not_be_seen(line, words):
    assert verdict(pd.Series(line, dtype=object)) == words


@pytest.mark.parametrize(
    ("metric", "wide", "possible"),
    [
        ("forget_accuracy", (-0.02, 1.01), (0.0, 1.0)),  # a share
        ("forgetting_rate", (-0.02, 1.01), (-0.02, 1.0)),  # below 0 where accuracy rose
        ("memory_retention_rate", (-0.02, 1.01), (0.0, 1.01)),  # above 1 where it rose
        ("margin_shift", (-0.02, 1.01), (-0.02, 1.01)),  # any number
    ],
)
def test_an_interval_is_shown_as_far_as_its_metric_can_read(metric, wide, possible):
    line = {"metric": metric, "unlearned": 0.98, "unlearned_low": wide[0], "unlearned_high": wide[1]}
    assert shown(pd.Series(line, dtype=object), "unlearned") == (0.98, *possible)
    alone = {**line, "unlearned_low": None, "unlearned_high": None}
    assert shown(pd.Series(alone, dtype=object), "unlearned") == (0.98, None, None)


def test_the_tally_counts_what_is_told_and_explains_sides_that_say_nothing():
    sides = [1, -1, -1, 0, None]
    says = ["worse than retraining", "below retraining", "over-unlearned", "not told from retraining", "cannot be told"]
    table = pd.DataFrame({"side": pd.Series(sides, dtype=object), "says": says})
    said = tally("RUM", table)
    assert said.startswith("3 of 4 numbers tell RUM from retraining: ")
    assert "1 is worse" in said and "1 lies below it, where no side means remembering" in said
    assert "no side" not in tally("RUM", table[table["says"] != "below retraining"])
    assert tally("RUM", table[3:]).startswith("None of 1 numbers")
