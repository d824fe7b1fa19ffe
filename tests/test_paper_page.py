"""What docs/paper.md says beside its tables: each number by hand, and no word of what is not known."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unlearn_core.experiment.paper_trends import FINDINGS, verdict
from unlearn_core.experiment.study_table import CEILING

DOCS = Path(__file__).parents[1] / "docs"


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
    said = docs("paper").over_unlearning(mix())
    assert "beyond the 0.150 by which two" in said
    assert "differ: SalUn the low third by −0.300 ± 0.100; " in said and said.endswith("Not forgotten enough: none.")
    assert "Over-unlearned, beyond the spread of seeds and beyond the 0.400" in (
        docs("paper").over_unlearning(mix(again=(-0.3, 0.1)))
    )
    assert "differ: none." in docs("paper").over_unlearning(mix(again=(-0.3, 0.1)))  # as far as retraining itself
    assert "differ: none." in docs("paper").over_unlearning(mix(gap=(-0.3, 0.31)))  # its own interval holds 0
    assert docs("paper").over_unlearning(mix(gap=(0.3, 0.1))).endswith("enough: " + thirds("+0.300 ± 0.100") + ".")


def thirds(by):
    return "; ".join(f"SalUn the {part} third by {by}" for part in ("low", "medium", "high"))


def test_one_seed_has_no_interval_and_nothing_is_said_beyond_it(docs):
    said = docs("paper").over_unlearning(mix(half_known=False))
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
