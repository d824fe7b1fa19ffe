"""What attacks tell of a method is decided once: the report and the Audit page never disagree on it."""

from dataclasses import replace

import pytest

from pages.comparing import ranking
from pages.shared import audit_words
from unlearn_core import report
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, audit, studies, telling, verdicts
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.measured_groups import filled
from unlearn_core.report import words
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store):
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def planted(monkeypatch, off: dict, power: float = 0.3, wide: float = 0.02) -> None:
    """Attacks that find what `off` says, (attack, part) -> distance, and nothing else, well inside any margin."""
    honest = verdicts.judge

    def judge(study, method, statistic, part="all", seeds=()):
        apart = Estimate(off.get((statistic, part), 0.0), wide, 3)
        about = {"apart": apart, "floor": Estimate(0.0, 0.01, 3), "power": Estimate(power, 0.01, 3)}
        return replace(honest(study, method, statistic, part, seeds), **about)

    monkeypatch.setattr(verdicts, "judge", judge)


def test_every_finding_of_an_attack_is_in_the_report(study):
    for method in core.ranked(study, "group_tow").index:
        forgotten, _, attacked = words.statements(study, method)
        first = telling.told(study, method)
        found = [first] if first.off else telling.others(study, method)
        assert attacked.mark != "good" or not found
        named = [told for told in found if told.label in attacked.says and told.finding in attacked.says]
        assert len(named) >= min(len(found), words.NAMED)
        assert first.off or not found or f"{len(found)} of the 8 others" in attacked.says
        said = audit_words.in_the_report(first, bool(telling.others(study, method)))
        assert first.label in said and (first.finding or "finds nothing") in said


@pytest.mark.parametrize("power", [0.3, 0.0])
def test_a_finding_counts_without_power(study, monkeypatch, power):
    """An attack that sees nothing in the original proves nothing by silence; a finding stands."""
    own = audit.default_statistic(study)
    planted(monkeypatch, {(own, "high"): -0.3}, power)
    said = words.statements(study, "rum")[2]
    assert (said.mark, said.verdict) == ("bad", "No, third by third")
    assert "the high third is over-unlearned" in said.says
    assert telling.says(verdicts.judge(study, "rum", own, "high"), own) == "is over-unlearned"


def test_another_attack_that_finds_something_is_named(study, monkeypatch):
    planted(monkeypatch, {("confidence", "all"): -0.3, (audit.EITHER_DIRECTION, "low"): 0.3})
    said = words.statements(study, "rum")[2]
    assert (said.mark, said.verdict) == ("unknown", "Not from other attacks")
    assert "“Confidence” finds that it is over-unlearned" in said.says and "by chance" in said.says
    assert "the low third stands out from retraining" in said.says and "2 of the 8 others" in said.says
    told = telling.told(study, "rum")
    assert "finds nothing, and it names the others" in audit_words.in_the_report(told, True)
    assert "which finds nothing. Whether" in audit_words.in_the_report(told, False)
    planted(monkeypatch, {}, power=0.0)
    assert "finds nothing, which proves nothing here." in audit_words.in_the_report(telling.told(study, "rum"), False)
    planted(monkeypatch, {})
    assert words.statements(study, "rum")[2].verdict == "Yes" and telling.others(study, "rum") == []


@pytest.mark.parametrize("side", [-1, 1])
def test_where_accuracy_shows_nothing_the_attack_beside_it_is_named(study, monkeypatch, side):
    """The first answer goes by accuracy; it says so where the attack finds what accuracy does not show."""
    own, sides = audit.default_statistic(study), {"low": 0}
    planted(monkeypatch, {(own, "all"): 0.3 * side})
    monkeypatch.setattr(
        words, "_reading",
        lambda _, method, metric, **k: words.Reading(metric, "", "", "", "", sides.get(metric[:3])),
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
        assert "draws no conclusion" in audit_words.in_the_report(told, False)


def test_parts_on_both_sides_are_told_each(study, monkeypatch):
    own = audit.default_statistic(study)
    planted(monkeypatch, {(own, "low"): -0.3, (own, "high"): 0.3})
    told = telling.told(study, "rum")
    assert told.finding == "the low third is over-unlearned and the high third remembers more than retraining"
    assert [v.part for v in told.off] == ["low", "high"] and not told.whole.side
    planted(monkeypatch, {(own, "all"): -0.2, (own, "low"): -0.3, (own, "high"): 0.3})
    told = telling.told(study, "rum")
    assert told.finding == "it is over-unlearned, though the high third remembers more than retraining"
    assert told.off == (told.whole,) and told.finding in words.statements(study, "rum")[2].says


@pytest.mark.parametrize(
    ("apart", "images", "within", "said"),
    [
        ((1 / 9, 0.0, 2), 9, 0.1, "no more than one image of 9"),
        ((-1 / 9, 0.0, 5), 9, 0.1, "no more than one image of 9"),
        ((2 / 9, 0.0, 2), 9, 0.1, "two seeds agree on it, and one image of 9"),
        ((0.0, 0.0, 2), 9, 0.1, "two seeds agree on it, and one image of 9"),
        ((0.0, 0.0, 2), 2000, 0.1, ""),  # one image more or less of so many changes nothing
        ((2 / 9, 0.0, 3), 9, 0.1, ""),
        ((-0.035, 0.017, 5), 40, 0.01, ""),  # more than one image
        ((1 / 9, 0.2, 2), 9, 0.1, ""),  # open anyway
        ((1 / 9, None, 1), 9, None, ""),
    ],
)
def test_few_images_and_two_seeds_that_agree_decide_nothing(apart, images, within, said):
    found = telling.too_few(Estimate(*apart), within, images)
    assert found.startswith(said) and bool(found) == bool(said)


def test_one_image_in_two_seeds_is_no_red_cross(study):
    """One image of a third more in both of two seeds: the interval has no width, and says nothing."""
    two = OpenStudy.open(study.store, study.key)
    table = study.table[study.table["seed"] < 2].copy()
    n = len(study.parts["medium"])
    for part in filled(study):
        table[f"{part}_accuracy"] = 1.0
    table["medium_accuracy"] = 1 / n
    table.loc[table["method"] == "rum", "medium_accuracy"] = 2 / n
    two.spec, two.table = study.spec.but(seeds=2), table
    said = words._forgotten(two, "rum")
    assert (said.mark, said.verdict) == ("unknown", "Cannot be told")
    assert "Too few images or seeds to judge" in said.says
    assert f"no more than one image of {n}" in said.says or "two seeds agree on it" in said.says
    assert telling.RULE in " ".join(words.not_claimed(two, None))


def test_compare_and_report_say_the_same_of_an_accuracy(study, monkeypatch):
    panels = []
    monkeypatch.setattr(ranking.dot_plot, "draw", lambda title, heads, drawn, about, **k: panels.extend(drawn))
    ranking._thirds_chart.__wrapped__(study, ())
    assert [panel.axis for panel in panels] == [f"Accuracy, {part} third" for part in filled(study)]
    for method in core.ranked(study, "group_tow").index:
        read = words.statements(study, method)[0].readings[1:]
        assert [not r.side for r in read] == [bool(panel.values.loc[method, "inside"]) for panel in panels]


def test_each_limit_has_one_name_on_both_pages(study):
    told = telling.told(study, "rum")
    readings = words.statements(study, "rum")[2].readings
    said = audit_words.floors([told.whole, *told.parts])
    for verdict, reading in zip((told.whole, *told.parts), readings, strict=True):
        name = "all together" if verdict.part == "all" else f"{verdict.part} third"
        assert reading.floor == f"{verdict.noise:.3f}" and reading.margin == f"{telling.margin_of(verdict):.3f}"
        assert f"{name} {verdict.noise:.3f}" in said and f"{name} {reading.margin}" in said
    written = report.write(study, "technical", "rum")
    assert all(f"{reading.allowed}; noise floor {reading.floor}" in written for reading in readings)


@pytest.mark.parametrize(
    ("power", "floor", "why"),
    [
        (Estimate(0.3, 0.1, 2), Estimate(0.1, 0.704, 2), "so wide that even the original would pass"),
        (Estimate(0.05, 0.1, 2), Estimate(0.0, 0.01, 2), "finds no more in the original"),
    ],
)
def test_a_test_that_the_original_passes_judges_nothing(study, monkeypatch, power, floor, why):
    honest = verdicts.judge

    def judge(about, method, statistic, part="all", seeds=()):
        found = honest(about, method, statistic, part, seeds)
        return replace(found, power=power, floor=floor, apart=Estimate(0.0, 0.02, 2))

    monkeypatch.setattr(verdicts, "judge", judge)
    whole, *parts = judged = [verdicts.judge(study, "rum", "confidence", p) for p in ("all", "low", "medium", "high")]
    assert whole.blind and telling.says(whole, "confidence") == "cannot be judged"
    said = audit_words.result("RUM", whole, "confidence", parts)
    assert "**cannot be judged**" in said and "cannot be told from retraining" not in said
    assert why in audit_words.no_power(whole) and "proves nothing" in audit_words.no_power(whole)
    assert audit_words.parts(judged, "confidence").startswith("No third can be judged")
    assert "all together above 1." in audit_words.floors([replace(whole, floor=Estimate(0.0, 2.6, 2))])
    sighted = replace(whole, part="high", power=Estimate(0.9, 0.01, 2), apart=Estimate(0.0, 0.01, 2))
    title = audit_words.parts([whole, *parts[:2], sighted], "confidence")
    assert title == "High third cannot be told from retraining; the low and medium thirds cannot be judged"
    attacked = words.statements(study, "rum")[2]
    assert (attacked.mark, attacked.verdict) == ("unknown", "Cannot be told") and why in attacked.says
    others = [telling.Told("entropy", replace(whole, apart=Estimate(0.9, 0.02, 2)), ())]
    assert why in words._by_others(study, telling.told(study, "rum"), others)
    # A finding stands without power.
    found = replace(whole, apart=Estimate(0.9, 0.02, 2))
    assert found.side == 1 and not found.blind and telling.says(found, "confidence") == telling.SAYS[1]
