"""What attacks tell of a method is decided once: the report and the Audit page never disagree on it."""

from dataclasses import replace

import pytest

from pages.shared import audit_words
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, audit, studies, telling
from unlearn_core.experiment import comparison as core
from unlearn_core.report import words
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store):
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def planted(monkeypatch, off: dict, power: float = 0.3, wide: float = 0.02) -> None:
    """Attacks that find what `off` says, (attack, part) -> distance, and nothing else, well inside any margin."""
    honest = audit.judge

    def judge(study, method, statistic, part="all", seeds=()):
        apart = Estimate(off.get((statistic, part), 0.0), wide, 3)
        about = {"apart": apart, "floor": Estimate(0.0, 0.01, 3), "power": Estimate(power, 0.01, 3)}
        return replace(honest(study, method, statistic, part, seeds), **about)

    monkeypatch.setattr(audit, "judge", judge)


def test_every_finding_of_an_attack_is_in_the_report(study):
    for method in core.ranked(study, "group_tow").index:
        forgotten, _, attacked = words.statements(study, method)
        first = telling.told(study, method)
        found = [first] if first.off else telling.others(study, method)
        assert attacked.mark != "good" or not found
        named = [told for told in found if told.label in attacked.says and told.finding in attacked.says]
        assert len(named) >= min(len(found), words.NAMED)
        assert first.off or not found or f"{len(found)} of the 7 others" in attacked.says
        said = audit_words.in_the_report(first)
        assert first.label in said and (first.finding or "finds nothing") in said


@pytest.mark.parametrize("power", [0.3, 0.0])
def test_a_finding_counts_without_power(study, monkeypatch, power):
    """An attack that sees nothing in the original proves nothing by silence; a finding stands."""
    own = audit.default_statistic(study)
    planted(monkeypatch, {(own, "high"): -0.3}, power)
    said = words.statements(study, "rum")[2]
    assert (said.mark, said.verdict) == ("bad", "Yes, part by part")
    assert "the high part is over-unlearned" in said.says
    assert telling.says(audit.judge(study, "rum", own, "high"), own) == "is over-unlearned"


def test_another_attack_that_finds_something_is_named(study, monkeypatch):
    planted(monkeypatch, {("confidence", "all"): -0.3, (audit.EITHER_DIRECTION, "low"): 0.3})
    said = words.statements(study, "rum")[2]
    assert (said.mark, said.verdict) == ("unknown", "By other attacks")
    assert "“Confidence” finds that it is over-unlearned" in said.says and "by chance" in said.says
    assert "the low part stands out from retraining" in said.says and "2 of the 7 others" in said.says
    assert "finds nothing, and it names the others" in audit_words.in_the_report(telling.told(study, "rum"))
    planted(monkeypatch, {})
    assert words.statements(study, "rum")[2].verdict == "No" and telling.others(study, "rum") == []


@pytest.mark.parametrize("side", [-1, 1])
def test_where_accuracy_shows_nothing_the_attack_beside_it_is_named(study, monkeypatch, side):
    """The first answer goes by accuracy; it says so where the attack finds what accuracy does not show."""
    own, sides = audit.default_statistic(study), {"low": 0}
    planted(monkeypatch, {(own, "all"): 0.3 * side})
    monkeypatch.setattr(
        words, "_reading",
        lambda _, method, metric, what, **k: words.Reading(what, "", "", "", "", sides.get(metric[:3])),
    )  # fmt: skip
    said = words.statements(study, "rum")[0]
    assert said.verdict == "Cannot be told by accuracy" and telling.SAYS[side] in said.says
    sides["low"] = side  # accuracy shows it too: nothing to add
    assert "third answer" not in words.statements(study, "rum")[0].says
    sides["low"] = -side
    assert "third answer" in words.statements(study, "rum")[0].says


def test_of_one_seed_the_finding_is_told_and_no_conclusion_drawn(study):
    single = OpenStudy.open(study.store, study.key)
    single.spec, single.table = study.spec.but(seeds=1), study.table[study.table["seed"] == 0]
    for method in core.ranked(single, "group_tow").index:
        told, said = telling.told(single, method), words.statements(single, method)[2]
        assert said.verdict == "Cannot be told" and told.finding in said.says
        assert "draws no conclusion" in audit_words.in_the_report(told)


def test_parts_on_both_sides_are_told_each(study, monkeypatch):
    own = audit.default_statistic(study)
    planted(monkeypatch, {(own, "low"): -0.3, (own, "high"): 0.3})
    told = telling.told(study, "rum")
    assert told.finding == "the low part is over-unlearned and the high part remembers more than retraining"
    assert [v.part for v in told.off] == ["low", "high"] and not told.whole.side
    planted(monkeypatch, {(own, "all"): -0.2, (own, "low"): -0.3, (own, "high"): 0.3})
    told = telling.told(study, "rum")
    assert told.finding == "it is over-unlearned, though the high part remembers more than retraining"
    assert told.off == (told.whole,) and told.finding in words.statements(study, "rum")[2].says
