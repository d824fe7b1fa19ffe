"""What docs/paper.md says beside its tables: each number by hand, and no word of what is not known."""

import importlib
import json
from pathlib import Path
from statistics import mean as average
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unlearn_core.experiment.paper_lines import welch
from unlearn_core.experiment.paper_trends import FINDINGS, VERDICTS, verdict
from unlearn_core.experiment.study import SINGLES
from unlearn_core.experiment.study_table import CEILING
from unlearn_core.params import plain
from unlearn_core.rum import Plan
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGradPlus
from unlearn_core.unlearning.perturb.woodfisher import WoodFisher

DOCS = Path(__file__).parents[1] / "docs"
LEVELS = ("low", "medium", "high")
RELABEL = ("random-label", "salun")


# -- every difference from the values of each seed ---------------------------------------------------------------------


def estimate(values):
    """Mean and half width of Student's 95 % interval, None for none, of one line of values."""
    known = np.array([v for v in values if v is not None], np.float64)
    if not len(known):
        return None, None
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5 if len(known) > 1 else None
    return known.mean(), half


def by_hand(found):
    """The lines of every finding, each a mean and a half width, from the values of each seed in the same numbers. Of
    the search and of cheaper scores these hold no values: means are recomputed, half widths taken.
    """
    sets = found["sets"]

    def at(name, method, metric="tow"):
        return np.array(sets[name]["methods"][method]["each_seed"][metric], np.float64)

    def methods(name, kind):
        return [method for method, line in sets[name]["methods"].items() if line["kind"] == kind]

    def fall(kind, method, first="low", second="high"):
        return at(f"{kind} {first}", method) - at(f"{kind} {second}", method)

    singles = methods("mix", "single")
    falls = {method: fall("entanglement", method) for method in singles}
    others = np.mean([line for method, line in falls.items() if method not in RELABEL], axis=0)
    chosen = [f"{kind} {level}" for kind in ("entanglement", "memorization") for level in LEVELS]

    def apart(name):
        return np.std([at(name, method) for method in singles], axis=0, ddof=1)

    names = {line["title"]: method for method, line in sets["mix"]["methods"].items() if line["kind"] == "single"}
    plans = {method: sets["one algorithm"]["methods"][method]["title"] for method in methods("one algorithm", "plan")}
    alone = {method: names[title.removeprefix("RUM^F ")] for method, title in plans.items()}
    longer = {
        plan: next(
            method
            for method, line in sets["one algorithm"]["methods"].items()
            if line["title"].startswith(f"{title.removeprefix('RUM^F ')}, no parts, ")
        )
        for plan, title in plans.items()
    }
    best = max(plans, key=lambda plan: at("one algorithm", plan).mean())
    gains = {
        single: at("one algorithm", plan, "tow_mia") - at("mix", single, "tow_mia") for plan, single in alone.items()
    }
    flattered = {m: at("mix", m) - at("mix", m, "tow_mia") for m in ("salun", "neggrad-plus")}
    right, *wrong = (at("as released", method) for method in methods("as released", "single"))
    values = {
        "entanglement": falls,
        "entanglement-steps": {
            f"{method} from {a} to {b}": fall("entanglement", method, a, b)
            for a, b in zip(LEVELS, LEVELS[1:], strict=False)
            for method in singles
        },
        "relabelling-entangled": {m: falls[m] - others for m in RELABEL if m in falls},
        "memorization": {m: fall("memorization", m) for m in singles if m not in RELABEL},
        "relabelling": {m: -fall("memorization", m) for m in singles if m in RELABEL},
        "doing-nothing": {"original": fall("memorization", "original")},
        "random": {name: apart(name) - apart("random") for name in chosen},
        "refining": {plans[p]: at("one algorithm", p) - at("mix", alone[p]) for p in plans},
        "alike": {plans[p]: at("one algorithm", p) - at("one algorithm", f"{p}-shuffle") for p in plans},
        "longer": {plans[p]: at("one algorithm", p) - at("one algorithm", longer[p]) for p in plans},
        "own-algorithm": {f"RUM less {plans[best]}": at("mix", "rum") - at("one algorithm", best)},
        "order": {
            f"less {sets['orders']['methods'][m]['title']}": at("mix", "rum") - at("orders", m)
            for m in methods("orders", "plan")
        },
        "attack-counted": {"SalUn against NegGrad+": flattered["salun"] - flattered["neggrad-plus"]},
        "attack-refined": {"neggrad-plus": gains["neggrad-plus"]}
        | {f"more than {m}": gains["neggrad-plus"] - gain for m, gain in gains.items() if m != "neggrad-plus"},
        "released-code": {
            name: right - line
            for name, line in zip(("mask the wrong way round", "true labels, not random"), wrong, strict=True)
        },
        "other-set": {m: np.subtract(on, at("other low set", m)) for m, on in found["other set"]["on_first"].items()},
    }
    lines = {name: {line: estimate(each) for line, each in lines.items()} for name, lines in values.items()}

    def memorized(high, low):
        pair = [sets[f"entanglement {level}"] for level in (high, low)]
        of = [(one["memorization"], one["memorization_sd"], one["images"]) for one in pair]
        (a, da, n), (b, db, k) = of
        found = stats.ttest_ind_from_stats(a, da, n, b, db, k, equal_var=False)
        error = (da**2 / n + db**2 / k) ** 0.5
        freedom = error**4 / ((da**2 / n) ** 2 / (n - 1) + (db**2 / k) ** 2 / (k - 1))
        assert found.statistic == pytest.approx((a - b) / error)
        return a - b, stats.t.ppf(0.975, freedom) * error

    lines["together"] = {f"{a} less {b}": memorized(a, b) for a, b in (("medium", "low"), ("high", "medium"))}
    search, told = found["search"], {t["name"]: t["lines"] for t in found["trends"]}
    lines["searched"] = {
        f"plan {i}": (
            plan["confirmed"]["mean"] - search["single"]["confirmed"]["mean"],
            told["searched"][f"plan {i}"]["half_width"],
        )
        for i, plan in enumerate(search["plans"], 1)
    }
    exact, *cheaper = found["scores"]
    margin = 1 - at("mix", CEILING, "group_tow").mean()
    lines["cheaper-scores"] = {
        line["title"]: (line["group_tow"] - exact["group_tow"] + margin, line["difference_half_width"])
        for line in cheaper
    }
    return lines


def said(mean, half):
    """One of VERDICTS, by the ends of an interval."""
    if mean is None or half is None:
        return VERDICTS[4] if mean is None else VERDICTS[3]
    return VERDICTS[0] if mean - half > 0 else VERDICTS[2] if mean + half < 0 else VERDICTS[1]


def check_findings(found):
    """Every line and verdict of the findings, and every mean, interval and gap of the tables, from the values of each
    seed.
    """
    expected = by_hand(found)
    assert list(expected) and {trend["name"] for trend in found["trends"]} == expected.keys()
    for trend in found["trends"]:
        lines = expected[trend["name"]]
        assert trend["lines"].keys() == lines.keys(), trend["name"]
        for name, (mean, half) in lines.items():
            told = trend["lines"][name]
            assert (told["mean"], told["half_width"]) == (pytest.approx(mean), pytest.approx(half, abs=1e-12)), name
            assert trend["verdicts"][name] == said(mean, half), name
    for one in found["sets"].values():
        retrained = one["methods"]["retrained"]["each_seed"]
        for line in one["methods"].values():
            for column, values in line["each_seed"].items():
                goal = None
                if column.endswith("_accuracy"):
                    pairs = zip(values, retrained[column], strict=True)
                    goal = estimate([None if None in pair else pair[0] - pair[1] for pair in pairs])
                for shown, (mean, half) in (
                    (line.get(column), estimate(values)),
                    (line.get(column.replace("accuracy", "gap")) if goal else None, goal or (None, None)),
                ):
                    if shown is not None:
                        assert shown["mean"] == pytest.approx(mean) and shown["n"] == sum(v is not None for v in values)
                        assert shown["half_width"] == pytest.approx(half, abs=1e-12)


def test_what_the_page_shows_follows_from_the_values_of_each_seed():
    found = json.loads((DOCS / "paper.json").read_text())
    check_findings(found)
    found["trends"][0]["lines"]["salun"]["half_width"] *= 1.01
    with pytest.raises(AssertionError):
        check_findings(found)


def test_two_sets_of_images_are_compared_by_welchs_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 0.3, 40), rng.normal(0.3, 0.1, 25)
    told, known = welch(a, b), stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert told.mean == pytest.approx(a.mean() - b.mean()) and told.n == 25
    assert (told.mean - told.half_width, told.mean + told.half_width) == pytest.approx((known.low, known.high))
    assert welch(np.ones(3), np.zeros(4)).half_width == 0
    assert welch(np.ones(1), b).half_width is None


# -- reading the store -------------------------------------------------------------------------------------------------


@pytest.fixture
def docs(monkeypatch):
    """The scripts in docs/ by name."""
    monkeypatch.syspath_prepend(DOCS)
    return lambda name: importlib.import_module(name)


@pytest.mark.parametrize(
    ("work", "seconds"),
    [
        ([], 0),
        ([(10, 4)], 4),
        ([(10, 4), (20, 4)], 14),  # a pause between them
        ([(10, 4), (12, 4)], 6),  # they overlap
        ([(20, 15), (10, 2), (14, 3)], 15),  # one covers the others
        ([(30, 1), (20, 15), (6, 3)], 27),
    ],
)
def test_a_study_takes_from_its_first_result_to_its_last(docs, work, seconds):
    assert docs("paper_numbers").wall(work) == pytest.approx(seconds)
    assert docs("paper_numbers").wall(work[::-1]) == pytest.approx(seconds)


def test_work_is_that_of_the_nets_that_the_study_trains(docs):
    own = Training(epochs=3)

    def result(spec, ended, seconds):
        made = {"created": f"2026-01-01T00:00:{ended:02}+00:00", "seconds": seconds}
        return SimpleNamespace(spec=lambda: spec, manifest=lambda: made)

    trained = [result(own.but(seed=5, without="1-3"), 20, 4.0), result(Training(epochs=4), 50, 40.0)]
    kinds = {"Training": trained, "Map": [result(SimpleNamespace(training=own), 32, 2.0)], "Study": []}
    kinds["Curvature"] = [result(SimpleNamespace(training=Training(epochs=4)), 58, 1.0)]
    store = SimpleNamespace(kinds=lambda: list(kinds), results=kinds.get)
    counted = {"Training": {"results": 1, "seconds": 4.0}, "Map": {"results": 1, "seconds": 2.0}}
    assert docs("paper_numbers")._work(store, own) == {"kinds": counted, "wall": 16.0}


def test_a_gap_is_below_zero_where_less_is_known_than_after_retraining(docs):
    own, retrained = pd.DataFrame({"accuracy": [0.5, 0.7]}), pd.DataFrame({"accuracy": [0.8, 0.8]})
    gap = docs("paper_numbers")._gap(own, retrained, "accuracy")
    assert gap == {"mean": pytest.approx(-0.2), "half_width": pytest.approx(12.7062 * 0.1, rel=1e-4), "n": 2}


def test_after_all_requests_each_model_counts_once_a_seed(docs):
    lines = [(1, 0, "unlearned", 0.9), (2, 0, "unlearned", 0.5), (2, 0, "unlearned", 0.5), (2, 1, "unlearned", 0.7)]
    table = pd.DataFrame([*lines, (2, 0, "retrained", 0.8)], columns=["request", "seed", "kind", "accuracy"])
    told = docs("paper_numbers")._after_all(table, "accuracy")
    assert (told["unlearned"]["mean"], told["unlearned"]["n"]) == (pytest.approx(0.6), 2)
    assert told["retrained"] == {"mean": 0.8, "half_width": None, "n": 1}


def test_cheaper_scores_are_lines_with_their_names(docs):
    table = pd.DataFrame({"title": ["Exact", "Entropy"], "correlation": [1.0, 0.7]}, index=["memorization", "entropy"])
    told = docs("paper_numbers")._scores(SimpleNamespace(table=lambda: table))
    assert told[1] == {"score": "entropy", "title": "Entropy", "correlation": 0.7}
    assert [line["score"] for line in told] == ["memorization", "entropy"]


def searched(confirmed, tuning=0.9):
    return {"confirmed": {"mean": confirmed, "half_width": 0.1, "n": 3}, "tuning": tuning}


def test_a_search_is_told_by_its_plans_and_their_rival(docs):
    plan = Plan(low=NegGradPlus(lr=0.003), medium=FineTune(lr=0.02))
    summary = {"different": 24, "ceiling": one_gap(0.95, 0.01), "plans": [{"plan": plain(plan)} | searched(0.8)]}
    summary["single"] = {"unlearner": plain(FineTune(lr=0.5)), "confirmed": one_gap(0.7, 0.2), "tuning": 0.75}
    told = docs("paper_numbers")._search(SimpleNamespace(json=lambda name: {"summary": summary}[name]))
    parts = {"low": "NegGrad+, 0.003", "medium": "Fine-tune, 0.02", "high": "Random-label, 0.03"}
    assert told["plans"] == [parts | searched(0.8)] and told["trials"] == 24
    assert told["single"] == {"title": "Fine-tune, 0.5", "confirmed": one_gap(0.7, 0.2)}
    note = docs("paper_notes").search_note({"search": told})
    assert "Of 24 different plans" in note
    assert f"plan 1: {', '.join(f'{p} {what}' for p, what in parts.items())} (0.800 ± 0.100; 0.900 in the" in note
    assert note.endswith("single algorithm: Fine-tune, 0.5 (0.700 ± 0.200). Retrained again: 0.950 ± 0.010.")


@pytest.mark.parametrize(("alpha", "at_edge"), [(0.01, True), (3.0, False), (10.0, True)])
def test_the_length_of_influences_step_at_the_edge_is_told(docs, alpha, at_edge):
    study = SimpleNamespace(spec=SimpleNamespace(unlearners=(FineTune(), WoodFisher(alpha=alpha))))
    told = docs("paper_numbers")._influence(study)
    assert told == {"alpha": alpha, "tried": [0.01, 10.0], "at_edge": at_edge}
    found = json.loads((DOCS / "paper.json").read_text())
    found["setting"]["influence"] = told
    assert ("**That is the edge of what was tried" in docs("paper_scales").setting(found)) == at_edge
    assert f"for every set: {alpha:g}, of 0.01 to 10." in docs("paper_scales").setting(found)


def test_full_scale_costs_what_goes_through_times_how_long_it_takes(docs):
    # Ten times the images, each ten times as slow: a pass takes 100 times as long.
    seconds = {kind: {"seconds": 2.0} for kind in ("Training", "BankPart", "Run", "Holdout", "Map")}
    told = docs("paper_cost").full_cost(seconds, {"train": 4_500}, {"small": 1000.0, "full": 100.0})
    epochs = average(u.epochs for u in SINGLES)
    assert told == {
        "Training": pytest.approx(200 * 30 / 16),
        "BankPart": pytest.approx(200 * 30 / 16 * 100 / 32),
        "Run": pytest.approx(200 * epochs / 4),
        "Holdout": pytest.approx(200),
    }


# -- what is said ------------------------------------------------------------------------------------------------------


def level(memorization, tow, share, classes):
    shares = {"all": {"share_of_random": share}}
    methods = {"original": {"tow": one_gap(tow, 0.1)}}
    return {"memorization": memorization, "methods": methods, "entanglement": shares, "classes": classes}


def test_what_else_is_different_between_levels(docs):
    sets = [level(0.1, 0.9, 0.2, [3, 0, 5, 4]), level(0.2, 0.8, 0.5, [0, 0, 9, 0]), level(0.3, 0.7, 0.9, [1, 1, 1, 1])]
    small = {"setting": {"classes": ["ant", "bee", "cat", "dog"]}}
    small["sets"] = dict(zip([f"entanglement {x}" for x in LEVELS], sets, strict=True))
    note = docs("paper_notes").level_note(small)
    assert "memorization is 0.100, 0.200, 0.300, so" in note
    assert "a ToW of 0.900 ± 0.100, 0.800 ± 0.100, 0.700 ± 0.100 on them" in note
    assert "Their largest classes are: 5 cat, 4 dog, 3 ant; 9 cat; 1 ant, 1 bee, 1 cat." in note
    assert note.endswith("20%, 50%, 90% of the entanglement of random sets as large, so the highest is still less "
                         "entangled than a random set.")  # fmt: skip
    sets[2]["entanglement"]["all"]["share_of_random"] = 1.2
    assert docs("paper_notes").level_note(small).endswith("50%, 120% of the entanglement of random sets as large.")
    del small["sets"]["entanglement medium"]
    assert docs("paper_notes").level_note(small) == ""


def test_most_names_the_largest_classes_first(docs):
    assert docs("paper_notes").most([1, 5, 0, 5], ["a", "b", "c", "d"]) == "5 b, 5 d, 1 a"
    assert docs("paper_notes").most([1, 5, 0, 5], ["a", "b", "c", "d"], named=1) == "5 b"


def test_the_margin_of_cheaper_scores_is_told_and_the_differences_without_it(docs):
    def score(title, correlation, closeness, difference):
        found = {"group_tow": closeness, "group_tow_half_width": 0.01, "difference": difference}
        return {"title": title, "correlation": correlation, "difference_half_width": 0.02} | found

    lines = [score("Exact", 1.0, 0.8, 0.0), score("Entropy", 0.4, 0.7, -0.1), score("Confidence", 0.9, 0.85, 0.05)]
    methods = {"rum-shuffle": {"group_tow": one_gap(0.6, 0.3)}, CEILING: {"group_tow": one_gap(0.9, 0.04)}}
    note = docs("paper_notes").proxy_note({"scores": lines, "sets": {"mix": {"methods": methods}}})
    assert "The margin is 0.100 ± 0.040; its own interval is not counted." in note
    assert "without it: Entropy −0.100 ± 0.020, Confidence +0.050 ± 0.020." in note
    assert (
        "group ToW of 0.800 ± 0.010, by the score that agrees least with it (Entropy, rank correlation 0.40) " in note
    )
    assert note.endswith("0.700 ± 0.010, and with parts drawn at random 0.600 ± 0.300.")


def test_orders_are_told_the_closest_first(docs):
    def line(title, mean, kind="plan"):
        return {"title": title, "kind": kind, "tow": one_gap(mean, 0.1)}

    mix = {"methods": {"rum": line("RUM", 0.5)}}
    orders = {"a": line("RUM high low medium", 0.6), "b": line("Original", 0.9, "reference"), "c": line("RUM x", 0.4)}
    told = docs("paper_notes").order_note({"sets": {"mix": mix, "orders": {"methods": orders}}})
    assert told.endswith("order: RUM high low medium 0.600 ± 0.100, RUM low medium high 0.500 ± 0.100, RUM x 0.400 ± "
                         "0.100.")  # fmt: skip


def test_how_far_the_other_low_set_is_another_is_told(docs):
    small = {"sets": {"other low set": {"images": 150}}, "other set": {"shared": 7}}
    assert docs("paper_notes").other_note(small) == " The two sets share 7 of 150 images."


def test_full_scale_is_told_where_it_was_run(docs):
    small, page = json.loads((DOCS / "paper.json").read_text()), docs("paper_scales")
    cost = {"small": 1000.0, "full": 10.0, "processes": 2}
    assert "Not run: it wants a GPU" in page.full(small, cost) and "in half precision" in page.full(small, cost)
    both = page.full(small | {"full": small}, cost)
    assert "wants a GPU" not in both and both.count("### Full scale, ") == len(small["sets"]) + 1
    assert all(f"**{finding.title}.** Measured: " in both for finding in FINDINGS)


def one_gap(mean, half_width):
    return {"mean": mean, "half_width": half_width, "n": 3}


def mix(title="SalUn", gap=(-0.3, 0.1), again=(0.05, 0.1), half_known=True):
    """A mixed set with one algorithm whose gap is the same on every third, and a second retrained model."""

    def gaps(pair):
        mean, half = pair
        return {f"{part}_gap": one_gap(mean, half if half_known else None) for part in ("low", "medium", "high")}

    single = {"title": title, "kind": "single"} | gaps(gap)
    return {"methods": {"salun": single, CEILING: {"title": "Retrained again", "kind": "reference"} | gaps(again)}}


def test_over_unlearning_is_told_only_beyond_what_two_retrained_models_differ_by(docs):
    over_unlearning = docs("paper_findings").over_unlearning
    said = over_unlearning(mix())
    assert "beyond the 0.150 by which two" in said
    assert "differ: SalUn the low third by −0.300 ± 0.100; " in said and said.endswith("Not forgotten enough: none.")
    far = over_unlearning(mix(again=(-0.3, 0.1)))
    assert "Over-unlearned, beyond the spread of seeds and beyond the 0.400" in far
    assert "differ: none." in far  # as far as retraining itself
    assert "differ: none." in over_unlearning(mix(gap=(-0.3, 0.31)))  # its own interval holds 0
    assert over_unlearning(mix(gap=(0.3, 0.1))).endswith("enough: " + thirds("+0.300 ± 0.100") + ".")


def thirds(by):
    return "; ".join(f"SalUn the {part} third by {by}" for part in ("low", "medium", "high"))


def test_one_seed_has_no_interval_and_nothing_is_said_beyond_it(docs):
    said = docs("paper_findings").over_unlearning(mix(half_known=False))
    assert said.endswith("Over-unlearned, beyond the spread of seeds: none. Not forgotten enough: none.")


def test_what_makes_a_table_less_sure_is_said(docs):
    sure = {"methods": {"salun": {"title": "SalUn", "diverged": 0}}, "retrained_retain": 0.99, "at_edge": []}
    warnings = docs("paper_tables").warnings
    assert warnings(sure) == ""
    assert "only 97.0% of the kept images" in warnings(sure | {"retrained_retain": 0.97})
    assert "no longer finite on some seeds: SalUn in 2;" in warnings(
        sure | {"methods": {"salun": {"title": "SalUn", "diverged": 2}}}
    )
    assert warnings(sure | {"at_edge": ["salun", "another"]}).endswith("may lie beyond: SalUn.")


def test_ties_of_memorization_are_counted(docs):
    scores = np.array([0.0, 0.1 + 0.2, 0.3, 0.0, -0.1, 0.2])
    told = docs("paper_numbers")._memorization(SimpleNamespace(memorization=SimpleNamespace(scores=scores)))
    assert told == {"median": pytest.approx(0.1), "highest": pytest.approx(0.3), "at_highest": 2, "at_zero": 2}


@pytest.mark.parametrize(
    ("difference", "said"), [(-0.05, "reproduced"), (-0.15, "not reproduced"), (0.05, "reproduced")]
)
def test_a_cheaper_score_is_as_good_within_the_noise_of_retraining(difference, said):
    finding = next(f for f in FINDINGS if f.name == "cheaper-scores")
    again = pd.DataFrame({"method": CEILING, "seed": [0, 1], "group_tow": [0.88, 0.92]})
    study = SimpleNamespace(table=again, spec=SimpleNamespace(seeds=2))
    lines = {"title": ["Entropy", "Confidence"], "difference": [difference, np.nan]}
    made = pd.DataFrame(lines | {"difference_half_width": [0.01, np.nan]}, index=["entropy", "confidence"])
    proxies = SimpleNamespace(table=lambda: made, spec=lambda: SimpleNamespace(study=study.spec))
    found = finding.lines(proxies, study)
    assert found["Entropy"].mean == pytest.approx(difference + 0.1) and verdict(found["Entropy"]) == said
    assert verdict(found["Confidence"]) == "not measured"
