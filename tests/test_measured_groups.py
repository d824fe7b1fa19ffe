"""What is measured are thirds of the forget set; where a plan cuts elsewhere that is said, and no name is twice."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from unlearn_core import report
from unlearn_core.experiment import OpenStudy, measured_groups, studies
from unlearn_core.experiment import comparison as core
from unlearn_core.report import sections, words
from unlearn_core.rows import pack
from unlearn_core.rum import Part, Rum
from unlearn_core.store import Store
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

ALGORITHMS = (Original(), FineTune(), FineTune())


@pytest.fixture(scope="module")
def study(filled_store):
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def cut(ends, algorithms=ALGORITHMS):
    """A study of 27 forgotten images whose plan cuts after so many."""
    forget, names = np.arange(27) * 2, ("low", "medium", "high")
    parts = zip(names, np.split(forget, ends), algorithms, strict=True)
    plan = Rum(parts=tuple(Part(name=name, rows=pack(rows), unlearner=u) for name, rows, u in parts))
    spec = SimpleNamespace(unlearner=plan)
    return SimpleNamespace(
        forget=forget,
        labels=np.zeros(100, int),
        parts=dict(zip(names, np.split(forget, (9, 18)), strict=True)),
        score_words=SimpleNamespace(name="memorization"),
        run_result=lambda method, seed: SimpleNamespace(spec=lambda: spec),
    )


def test_the_sizes_are_said():
    assert measured_groups.sizes(cut((12, 18))) == (
        "Measured on thirds of the 27 forgotten images by memorization: low 9, medium 9, high 9."
    )


def test_a_plan_that_cuts_elsewhere_is_told_apart_from_what_is_measured():
    said = measured_groups.beside_the_plan(cut((12, 18)), "rum")
    assert said == (
        "The plan's own parts hold 12 (low), 6 (medium) and 9 (high) images; what is measured are not these but thirds "
        "by memorization."
    )
    assert measured_groups.beside_the_plan(cut((9, 18)), "rum") == ""
    # As many images, and others: cut by another score, or drawn at random.
    other = cut((9, 18))
    other.parts = {name: rows[::-1] + 1 for name, rows in other.parts.items()}
    assert "9 (low), 9 (medium) and 9 (high)" in measured_groups.beside_the_plan(other, "rum")


def test_a_part_that_is_left_can_change_all_the_same():
    assert "leaves its low part as it is, but its other steps change" in measured_groups.left_as_it_is(
        cut((9, 18)), "rum"
    )
    both = cut((9, 18), (Original(), Original(), FineTune()))
    assert "its low and medium parts as they are" in measured_groups.left_as_it_is(both, "rum")
    for none in ((FineTune(),) * 3, (Original(),) * 3):
        assert measured_groups.left_as_it_is(cut((9, 18), none), "rum") == ""


def test_a_method_without_parts_has_none(study):
    assert measured_groups.own_parts(study, "fine-tune") == ()
    assert (
        measured_groups.beside_the_plan(study, "fine-tune") == measured_groups.left_as_it_is(study, "fine-tune") == ""
    )


def test_measured_groups_are_never_called_parts(study):
    assert core.COLUMNS["low_accuracy"].label == "Accuracy on the low third"
    for audience in report.AUDIENCES:
        html = report.write(study, audience)
        around, done = re.split("<h2>What was done</h2>.*?</section>", html, flags=re.S), sections._done(study, "rum")
        assert len(around) == 2 and not re.search("(low|medium|high) part", " ".join(around))
        for step in done["steps"]:
            assert re.search(r"(low|medium|high) part \(\d+\)", step["on"]) and step["on"] in html
        # One page has no room for it.
        assert (done["left"] in html.replace("&#39;", "'")) == (audience == "technical")
    what = [r.what for s in words.statements(study, "rum") for r in s.readings]
    assert "Accuracy on the medium third" in what and "AUC, medium third" in what
