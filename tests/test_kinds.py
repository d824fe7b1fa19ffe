"""Every kind of result has a row, and the row is true of its spec: what it says of itself decides what is removed, what
goes along in a file, and what opens.
"""

import pytest

import unlearn_core.experiment  # noqa: F401 - brings every kind
from pages.shared import folds
from unlearn_core.experiment import Study
from unlearn_core.experiment.door import MAKERS
from unlearn_core.forget import ForgetSet
from unlearn_core.kinds import CARRIED, GOES, HOLDS, KINDS, NOTHING, STAYS, STUDY, TRAINING, Kind, Place, kind_of
from unlearn_core.params import SPECS, Spec, param, params, spec
from unlearn_core.training import Training


def faults(kind: type, row: Kind | None) -> list[str]:
    """What is wrong with the row of a kind, a sentence each."""
    name, fields = kind.__name__, {p.name: p.kind for p in params(kind)}
    if row is None:
        return [f"{name} has no row in KINDS of unlearn_core/kinds.py: see 'A kind of result' in CONTRIBUTING.md."]
    return [
        sentence
        for wrong, sentence in (
            (not row.name, f"{name} is called nothing on the screen."),
            (row.removing not in (GOES, HOLDS, STAYS), f"{name} says nothing of what removing a study does with it."),
            (
                row.about == NOTHING and row.removing != STAYS,
                f"{name} is about nothing, so no study that is removed takes it along: say what it is about.",
            ),
            (row.about == STUDY and fields.get("study") is not Study, f"{name} names no study in a field `study`."),
            (row.about == TRAINING and not below(kind, Training), f"{name} is about a training and names none."),
            (
                row.images and not (below(kind, Training) and kind_at(kind, row.images) in (str, tuple, ForgetSet)),
                f"{name} has no rows of images to forget in {row.images!r}, or no training that they are of.",
            ),
            (
                ("name" in fields) != (row.opens is not None),
                f"{name}: a spec that a page opens has a field `name`, by which people find it, no other has: give it "
                "that field, or drop `opens` of its row.",
            ),
            (
                bool(row.opens and row.opens.fold) and row.opens.fold not in folds.NAMES,
                f"{name} opens in a fold that there is not: add it to NAMES of pages/shared/folds.py.",
            ),
            (0 < len(row.left) <= 20, f"{name} stays behind when a study is written to a file: say why."),
        )
        if wrong
    ]


def kind_at(kind: type, field: str) -> type | None:
    """The kind of value in a field of a spec, or further in."""
    for name in field.split("."):
        kind = next((p.kind for p in params(kind) if p.name == name), None) if is_spec(kind) else None
    return kind


def below(kind: type, wanted: type) -> bool:
    return kind is wanted or (is_spec(kind) and any(below(p.kind, wanted) for p in params(kind)))


def is_spec(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Spec)


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
def test_the_row_of_a_kind_is_true_of_its_spec(kind):
    found = faults(kind, KINDS.get(kind.__name__))
    assert not found, " ".join(found)


def test_every_row_is_of_a_kind_that_is_made():
    assert set(KINDS) - {kind.__name__ for kind in MAKERS} == set()
    assert len({row.name for row in KINDS.values()}) == len(KINDS)
    assert set(CARRIED) <= set(SPECS)


def test_what_is_forgotten_in_a_row_is_said(monkeypatch):
    monkeypatch.setattr("unlearn_core.params.SPECS", dict(SPECS))

    @spec
    class SetWork(Spec):
        """Work on a set."""

        name: str = param("Work", help="its name")
        training: Training = param(Training(), help="the model")
        rows: str = param("0-3", help="what to forget")

    there, nowhere = Place("pages/plan.py"), Place("pages/plan.py", fold="nowhere")
    for row, said in (
        (None, "no row in KINDS"),
        (Kind("", HOLDS, "rows", opens=there), "called nothing"),
        (Kind("Work", "", "rows", opens=there), "what removing a study does"),
        (Kind("Work", HOLDS, NOTHING, opens=there), "about nothing"),
        (Kind("Work", HOLDS, STUDY, opens=there), "names no study"),
        (Kind("Work", HOLDS, "forget", opens=there), "no rows of images to forget in 'forget'"),
        (Kind("Work", HOLDS, "rows", opens=nowhere), "add it to NAMES"),
        (Kind("Work", HOLDS, "rows"), "that a page opens has a field"),
        (Kind("Work", HOLDS, "rows", left="no", opens=there), "say why"),
    ):
        (found,) = faults(SetWork, row)
        assert said in found
    assert faults(SetWork, Kind("Work", HOLDS, "rows", opens=there)) == []


def test_a_kind_that_this_version_does_not_know_goes_with_its_study_and_opens_nowhere():
    row = kind_of("OfAnotherVersion")
    assert (row.name, row.removing, row.opens) == ("OfAnotherVersion", GOES, None)
