"""What was suggested before a plan ran stands beside what it came to, and the run itself has no say in it."""

import shutil
from dataclasses import replace

import pytest

from pages.shared import comparison_words
from unlearn_core.evaluation import Estimate, over_seeds
from unlearn_core.experiment import OpenStudy, fulfil, studies
from unlearn_core.experiment.advice import advice, foretold
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import FineTune, RandomLabel

SO = "Against earlier runs"


@pytest.fixture(scope="module")
def planned(tmp_path_factory, filled_store, filled_study) -> OpenStudy:
    """Another plan on the same set, run after the small study was finished."""
    store = Store(shutil.copytree(filled_store, tmp_path_factory.mktemp("planned") / "store"))
    plan = Plan(low=FineTune(epochs=2), medium=FineTune(epochs=2), high=RandomLabel(epochs=2))
    asked = filled_study.but(name="Planned", plans=(plan,), unlearners=(FineTune(epochs=2),), controls=False)
    return OpenStudy.open(store, fulfil(store, asked).key)


def test_what_was_suggested_is_what_the_earlier_study_says(planned):
    earlier = next(s.key for s in studies(planned.store) if s.key != planned.key)
    first = OpenStudy.open(planned.store, earlier)
    found = foretold(planned, "rum")
    assert [each.part for each in found] == ["low", "medium", "high"]
    alone = Store(planned.store.root)
    for each in found:
        score = float(planned.memorization.scores[planned.parts[each.part]].mean())
        # The study that is asked about would be heard among the others, as it has runs of its own.
        assert each.before.studies == 1 and each.before.runs <= first.spec.seeds
        assert each.before.unlearner in {*(u for u in first.settings.values()), *first.spec.unlearners} or (
            each.before.unlearner.title == "Leave as it is"
        )
        assert advice(OpenStudy.open(alone, planned.key), score).studies >= each.before.studies
        assert each.achieved == over_seeds(planned.part_tow("rum", each.part))
    assert [type(each.ran) for each in found] == [FineTune, FineTune, RandomLabel]


def test_nothing_was_foretold_of_the_first_study(planned, study, open_page, filled_store):
    assert all(each.before is None for each in foretold(study, "rum"))
    at = open_page("compare", filled_store, compare="ranking")
    assert not any("What was suggested before" in m.value for m in at.markdown)
    at = open_page("compare", planned.store.root, study=planned.key, compare="ranking")
    assert any("What was suggested before" in m.value for m in at.markdown)
    table = next(d.value for d in at.dataframe if "Came to" in d.value)
    assert table.to_dict("records") == [comparison_words.expected(each) for each in foretold(planned, "rum")]


def test_parts_that_are_cut_otherwise_were_not_measured(planned):
    other = OpenStudy.open(planned.store, planned.key)
    other.spec = planned.spec.but(plans=(planned.spec.plans[0].but(low_cut=0.1),))
    assert foretold(other, "rum") == ()


@pytest.mark.parametrize(
    ("came", "half", "held", "says"),
    [
        ((0.90, 0.01), 0.05, 0, "as they were"),
        ((0.80, 0.01), 0.05, -1, "less close than they were"),
        ((0.99, 0.01), 0.05, 1, "closer than they were"),
        ((0.80, 0.20), 0.05, 0, "as they were"),  # too uncertain itself to be told apart
        ((0.80, 0.01), None, None, "cannot be told"),
        ((0.80, None), 0.05, None, "cannot be told"),
    ],
)
def test_a_line_says_whether_it_held(planned, came, half, held, says):
    each = foretold(planned, "rum")[0]
    before = replace(each.before, unlearner=each.ran, tow=Estimate(0.9, half, 3))
    told = replace(each, before=before, achieved=Estimate(*came, 3))
    assert told.held == held and comparison_words.expected(told)[SO].startswith(says)
    assert comparison_words.expected(replace(told, ran=RandomLabel()))[SO] == "another algorithm ran"
    assert "there are none" in comparison_words.expected(replace(told, before=None))[SO]


@pytest.mark.parametrize(
    ("over_idle", "over_again", "good", "says"),
    [
        ((0.3, 0.1), (-0.01, 0.02), 1, "yes: closer than doing nothing"),
        ((0.3, 0.1), (-0.2, 0.1), 0, "in part"),
        ((0.05, 0.1), (-0.4, 0.1), -1, "no: no closer than doing nothing"),
        ((-0.2, 0.05), (-0.3, 0.5), -2, "no: further from retraining than doing nothing"),
        ((0.05, 0.1), (-0.05, 0.1), None, "cannot be told"),
        ((0.3, None), (-0.3, None), None, "cannot be told"),
    ],
)
def test_a_failure_that_was_foretold_is_not_called_good(planned, over_idle, over_again, good, says):
    each = foretold(planned, "rum")[0]
    before = replace(each.before, unlearner=each.ran, tow=Estimate(0.4, 0.05, 3))
    apart = {"over_idle": Estimate(*over_idle, 3), "over_again": Estimate(*over_again, 3)}
    told = replace(each, before=before, achieved=Estimate(0.4, 0.01, 3), **apart)
    line = comparison_words.expected(told)
    assert told.good == good and line[SO].startswith("as they were") and line["Is that good"].startswith(says)
    assert not any("as expected" in text for text in line.values())
