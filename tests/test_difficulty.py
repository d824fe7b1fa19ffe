"""What a landscape teaches, on tables whose truth is planted."""

import numpy as np
import pandas as pd
import pytest

from unlearn_core.experiment.difficulty import ALL, KINDS, Difficulty, rivals
from unlearn_core.experiment.landscape_sets import ATTRIBUTES
from unlearn_core.experiment.law import columns, side, slopes
from unlearn_core.experiment.reach import features
from unlearn_core.params import BadValue


def planted(sets=160, seed=0, noise=0.03, memorization=-0.4, entanglement=0.0, curve=0.0) -> pd.DataFrame:
    """A landscape of two algorithms: "hurt" goes with the factors, "flat" with nothing."""
    rng = np.random.default_rng(seed)
    facts = pd.DataFrame(
        {
            "memorization": rng.uniform(0, 0.8, sets),
            "entanglement": rng.uniform(0.1, 1.2, sets),
            "size": rng.choice([20.0, 60.0, 120.0], sets),
            "classes": rng.uniform(1, 10, sets),
            "class_share": rng.uniform(0, 0.9, sets),
            "confidence": rng.uniform(0.6, 1.0, sets),
        }
    )
    hard = memorization * facts["memorization"] + entanglement * facts["entanglement"]
    tables = []
    for name, effect in (("hurt", hard + curve * facts["memorization"] ** 2), ("flat", 0 * hard)):
        tow = 0.85 + effect + rng.normal(0, noise, sets)
        gap = rng.normal(0.02, noise, sets)
        head = {
            "algorithm": name,
            "title": name.title(),
            "set": np.arange(sets),
            "seed": np.arange(sets) % 8,
            "tow": tow,
            "auc_gap": gap,
        }
        tables.append(facts.assign(**head, seconds=0.1))
    return pd.concat(tables, ignore_index=True)


def test_the_slopes_are_those_that_were_planted():
    law = Difficulty(planted(memorization=-0.4, entanglement=0.15)).law
    for name, share in (("hurt", 1.0), (ALL, 0.5)):
        assert law.loc[name, "memorization"] == pytest.approx(-0.04 * share, abs=0.003)  # for 0.1 more
        assert law.loc[name, "entanglement"] == pytest.approx(0.015 * share, abs=0.003)
    assert list(law.loc[["hurt", ALL], "memorization_says"]) == ["falls", "falls"]
    assert law.loc["hurt", "entanglement_says"] == "rises"
    assert law.loc["hurt", "memorization_low"] < law.loc["hurt", "memorization"] < law.loc["hurt", "memorization_high"]


def test_an_effect_is_claimed_only_where_it_shows():
    claims = [Difficulty(planted(sets=60, seed=s)).law.loc["flat", "memorization_says"] for s in range(10)]
    assert sum(says != "no effect shown" for says in claims) <= 2  # one in twenty is expected
    assert [side(-0.1, 0.1), side(-0.2, -0.1), side(0.1, 0.2), side(0.0, 0.1)] == [
        "no effect shown",
        "falls",
        "rises",
        "no effect shown",
    ]


def mixed(sets=240, seed=0, **changes) -> pd.DataFrame:
    """A landscape in which closeness goes with the class mix and entanglement follows it, as sets of few classes lie
    together; entanglement itself does nothing.
    """
    table, rng = planted(sets, seed, memorization=-0.3), np.random.default_rng([seed, 1])
    classes = table.loc[table["algorithm"] == "hurt", "classes"].to_numpy()
    share = np.clip(1.1 - 0.1 * classes + rng.normal(0, 0.08, sets), 0.02, 0.9)
    entangled = 0.1 + 0.08 * classes - 0.1 * share + rng.normal(0, 0.1, sets)
    for name, values in {"class_share": share, "entanglement": entangled}.items():
        table[name] = np.tile(values, 2)
    table["tow"] += np.tile(-0.2 * (share - share.mean()) + 0.15 * (share - share.mean()) ** 2, 2)
    return table.assign(**changes)


def test_what_the_class_mix_does_is_not_laid_to_entanglement():
    table = mixed()
    taught = Difficulty(table)
    hurt, facts = taught.law.loc["hurt"], taught.facts
    assert abs(hurt["entanglement"]) < 0.004 and hurt["entanglement_says"] == "no effect shown"
    assert hurt["memorization"] == pytest.approx(-0.03, abs=0.003)
    alone = np.polyfit(facts["entanglement"], table.loc[table["algorithm"] == "hurt", "tow"], 1)[0]
    assert 0.1 * alone > 0.01  # what is seen without holding it


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({}, ()),
        ({"classes": 1.0}, ("number of classes",)),
        ({"classes": 3.0, "class_share": 0.2}, ("number of classes", "largest share of a class")),
        ({"size": 60.0}, ("number of images",)),
    ],
)
def test_what_is_the_same_in_all_sets_is_dropped_and_said(changes, dropped):
    taught = Difficulty(planted(entanglement=0.15).assign(**changes))
    law = taught.law.loc["hurt"]
    assert law["memorization"] == pytest.approx(-0.04, abs=0.004)
    assert law["entanglement"] == pytest.approx(0.015, abs=0.004)
    assert taught.held()[1] == dropped and len(taught.held()[0]) == 3 - len(dropped)


def test_a_share_that_follows_from_the_number_of_classes_is_held_once():
    table = planted()
    taught = Difficulty(table.assign(class_share=0.1 * table["classes"]))
    assert taught.held()[1] == ("largest share of a class",)


def test_a_factor_that_has_nothing_of_its_own_is_not_told():
    table = planted()
    constant = Difficulty(table.assign(entanglement=0.5)).law
    follows = Difficulty(table.assign(entanglement=0.1 + 0.1 * table["classes"])).law
    for law in (constant, follows):
        assert (law["entanglement_says"] == "cannot be told").all() and law["entanglement"].isna().all()
        assert law.loc["hurt", "memorization_says"] == "falls"


def test_an_interval_holds_what_varies_between_original_models():
    """Slopes that differ from original to original: nineteen of twenty intervals hold their mean."""
    rng = np.random.default_rng(4)
    given = columns(Difficulty(planted(sets=160)).facts)
    memorization, originals = given.x[:, given.at["memorization"]], np.arange(160) % 8
    values = rng.normal(0, 0.3, (300, 8))[:, originals].T * memorization[:, None] + rng.normal(0, 0.2, (160, 300))
    _, low, high = slopes(given, values, originals)["memorization"]
    held = ((low <= 0) & (high >= 0)).mean()
    assert 0.92 <= held <= 0.98
    _, low, high = slopes(given, values, np.arange(160))["memorization"]  # as if each set had an original of its own
    assert ((low <= 0) & (high >= 0)).mean() < 0.85


def test_sets_of_one_original_model_still_have_an_interval():
    law = Difficulty(planted().assign(seed=7)).law.loc["hurt"]
    assert law["memorization_low"] < -0.04 < law["memorization_high"] < 0


def test_two_algorithms_that_read_the_same_count_once():
    table = planted()
    twin = table[table["algorithm"] == "hurt"].assign(algorithm="twin", title="Twin", seconds=9.0)
    both = Difficulty(pd.concat([table, twin], ignore_index=True))
    alone = Difficulty(table)
    assert both.algorithms == ["hurt", "flat"] and both.twins == {"hurt": ["twin"]} and alone.twins == {}
    pd.testing.assert_frame_equal(both.law, alone.law)
    other = twin.assign(auc_gap=twin["auc_gap"] + 1e-6)  # the same closeness, another attack
    assert Difficulty(pd.concat([table, other], ignore_index=True)).twins == {}
    assert Difficulty(pd.concat([table, twin.iloc[:-1]], ignore_index=True)).twins == {}


@pytest.mark.parametrize("curve", [0.0, 0.6])
def test_nine_of_ten_new_sets_lie_in_the_interval(curve):
    taught, new = Difficulty(planted(curve=curve)), planted(sets=400, seed=9, curve=curve)
    x = new[new["algorithm"] == "hurt"]
    inside, counted = 0, 0
    for line in x.to_dict("records"):
        facts = {name: line[name] for name in ATTRIBUTES}
        if taught.outside(facts):
            continue
        said = taught.forecast(facts).loc["hurt"]
        inside, counted = inside + (said["low"] <= line["tow"] <= said["high"]), counted + 1
        if counted == 120:
            break
    assert counted == 120 and 0.80 <= inside / counted <= 0.98


def test_a_forecast_beats_the_mean_only_where_there_is_something_to_know():
    taught = Difficulty(planted())
    hurt, flat = taught.fitted("hurt"), taught.fitted("flat")
    assert hurt.error < 0.5 * hurt.of_mean and hurt.error == pytest.approx(0.8 * 0.03, rel=0.25)
    assert flat.error >= 0.9 * flat.of_mean and flat.error <= flat.of_mean
    assert Difficulty(planted(curve=1.0)).fitted("hurt").kind != "linear"
    assert set(KINDS) >= {hurt.kind, flat.kind}


def test_a_forecast_of_one_set():
    taught = Difficulty(planted())
    facts = dict(memorization=0.2, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.8)
    table = taught.forecast(facts)
    assert list(table.index) == ["flat", "hurt"]  # the closest first
    assert table.loc["hurt", "tow"] == pytest.approx(0.85 - 0.4 * 0.2, abs=0.03)
    assert (table["low"] <= table["tow"]).all() and (table["tow"] <= table["high"]).all()
    assert table["low"].min() >= 0 and table["high"].max() <= 1
    wide = taught.forecast(facts, level=0.98)
    assert ((wide["high"] - wide["low"]) >= (table["high"] - table["low"])).all()
    assert Difficulty(planted()).forecast(facts).equals(table)  # nothing hangs on when it is fitted


def test_the_order_of_lines_and_of_algorithms_changes_nothing():
    table = planted()
    facts = dict(memorization=0.2, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.8)
    shuffled = table.sample(frac=1, random_state=3)
    first, second = Difficulty(table).forecast(facts), Difficulty(shuffled).forecast(facts)
    pd.testing.assert_frame_equal(first, second.loc[first.index])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"memorization": 1.0}, "mean memorization is 1"),
        ({"size": 600.0}, "number of images is 600, while the measured sets have 20 to 120"),
        ({"entanglement": float("inf")}, "entanglement.* not known"),
        ({"entanglement": 0.004}, "near 0 = its images lie apart from the kept ones.* is 0.004, while the measured"),
        ({"size": 35.0}, ""),
    ],
)
def test_a_set_outside_what_was_measured_is_refused_by_name(change, says):
    facts = dict(memorization=0.4, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.8) | change
    taught = Difficulty(planted())
    if not says:
        assert taught.outside(facts) == "" and len(taught.forecast(facts)) == 2
        return
    with pytest.raises(BadValue, match=says) as refused:
        taught.forecast(facts)
    assert "\n" not in str(refused.value)


def test_a_combination_that_was_never_seen_is_refused():
    table = planted(sets=300)
    table["confidence"] = 1 - 0.5 * table["memorization"]  # the two go together in all known sets
    facts = dict(memorization=0.05, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.61)
    assert "not all together" in Difficulty(table).outside(facts)
    assert Difficulty(planted(sets=300)).outside(facts) == ""


def test_a_line_ends_where_no_set_was_measured():
    taught = Difficulty(planted())
    facts = dict(memorization=0.4, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.8)
    line = taught.along("hurt", "memorization", facts)
    assert line["at"].is_monotonic_increasing and 0.4 in line["at"].to_numpy()
    assert line["said"].iloc[0] - line["said"].iloc[-1] == pytest.approx(0.4 * np.ptp(line["at"]), rel=0.2)
    assert taught.along("hurt", "memorization", facts | {"size": 5000.0}).empty


def test_a_line_of_the_attack_goes_by_the_attack():
    table = planted()
    table["auc_gap"] = np.where(table["algorithm"] == "hurt", 0.05 + 0.3 * table["memorization"], -0.01)
    taught = Difficulty(table)
    facts = dict(memorization=0.4, entanglement=0.6, size=60.0, classes=5.0, class_share=0.4, confidence=0.8)
    line = taught.along("hurt", "memorization", facts, "auc_gap")
    assert line["said"].to_numpy() == pytest.approx(0.05 + 0.3 * line["at"].to_numpy(), abs=0.01)
    assert (line["low"] <= line["said"]).all() and (line["said"] <= line["high"]).all()
    flat = taught.along("flat", "entanglement", facts, "auc_gap")  # may go below 0, where closeness may not
    assert flat["said"].to_numpy() == pytest.approx(-0.01)
    here = line.loc[(line["at"] - 0.4).abs().idxmin(), "said"]
    assert here == pytest.approx(taught.forecast(facts).loc["hurt", "auc_gap"])


def test_what_was_measured_of_each_set_is_given_back():
    table = planted(sets=30)
    table.loc[3, "auc_gap"] = np.nan  # on one set the attack could not be measured
    taught = Difficulty(table)
    own = table[table["algorithm"] == "hurt"]
    np.testing.assert_array_equal(taught.measured("hurt")["value"], own["tow"])
    np.testing.assert_array_equal(taught.measured("hurt")["entanglement"], own["entanglement"])
    np.testing.assert_array_equal(taught.measured("hurt", "auc_gap")["value"], own["auc_gap"].dropna())


def test_those_that_may_be_as_close_as_the_first_are_named():
    table = pd.DataFrame({"title": list("abcd"), "tow": [0.9, 0.85, 0.8, 0.7], "high": [0.95, 0.9, 0.89, 0.99]})
    assert rivals(table) == ["b", "d"] and rivals(table[:1]) == []


def test_what_is_least_sure_does_not_lead_the_forecast_nor_pass_what_two_retrained_models_read():
    table, rng = planted(), np.random.default_rng(3)
    flat, sets = table[table["algorithm"] == "flat"], table["set"].nunique()
    wild = flat.assign(algorithm="wild", title="Wild", tow=np.clip(1.1 + rng.normal(0, 0.4, sets), 0, 1))
    again = flat.assign(algorithm="retrained-again", title="Retrained again", tow=0.9)
    taught = Difficulty(pd.concat([table, wild, again], ignore_index=True))
    facts = taught.facts.iloc[0].to_dict()
    found = taught.forecast(facts)
    assert found["tow"].idxmax() == "wild" and found.index[0] == "flat" and found["low"].is_monotonic_decreasing
    assert taught.retrained_again(facts) == pytest.approx(0.9) and found["tow"].max() <= 0.9 < found["high"].max()
    assert rivals(found)[0] == "Wild" and Difficulty(table).retrained_again(facts) is None
    assert (found["low"] <= found["tow"]).all() and (found["tow"] <= found["high"]).all()
    assert taught.along("wild", "memorization", facts)["said"].max() <= 0.9


@pytest.mark.parametrize("table", [pd.DataFrame(columns=["set"]), planted(sets=19)])
def test_too_few_sets_teach_nothing(table):
    with pytest.raises(BadValue, match="at least 20 forget sets"):
        Difficulty(table)


@pytest.mark.parametrize("own", [0.0, 0.3])
def test_a_line_has_the_slope_of_the_measured_sets(own):
    """Closeness hangs on confidence, and confidence on memorization: with confidence held a line would be flat, or rise
    where sets that are more memorized fare worse.
    """
    table, rng = planted(sets=240), np.random.default_rng(5)
    memorization = table["memorization"].to_numpy()
    confidence = 0.95 - 0.5 * memorization + np.tile(rng.normal(0, 0.04, 240), 2)
    table = table.assign(confidence=confidence)
    table["tow"] = 0.1 + own * memorization + 0.8 * confidence + rng.normal(0, 0.02, len(table))
    taught = Difficulty(table)
    facts = taught.facts.iloc[(taught.facts["memorization"] - 0.4).abs().argmin()].to_dict()
    line = taught.along("hurt", "memorization", facts)
    slope = np.polyfit(line["at"], line["said"], 1)[0]
    assert np.ptp(line["at"]) > 0.4 and slope == pytest.approx(own - 0.4, abs=0.08)
    assert slope == pytest.approx(10 * taught.law.loc["hurt", "memorization"], abs=0.08)
    here = line.loc[(line["at"] - facts["memorization"]).abs().idxmin(), "said"]
    assert here == pytest.approx(taught.forecast(facts).loc["hurt", "tow"])  # the line goes through the forecast
    fixed = pd.DataFrame([facts] * 2).assign(memorization=[0.2, 0.6])
    held = np.diff(taught.fitted("hurt").model.predict(features(fixed)))[0] / 0.4
    assert abs(held - (own - 0.4)) > 0.15
