"""The report: its numbers are the core's own, its words follow them, and the file needs nothing else."""

import base64
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from pages.shared import class_gaps
from unlearn_core import report
from unlearn_core.cli import app
from unlearn_core.evaluation import METRICS, Estimate, over_seeds
from unlearn_core.experiment import Audit, OpenStudy, audit, fulfil, studies, verdicts
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.bundle import export, import_bundle
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.experiment.telling import LARGEST, SMALLEST, margin, place
from unlearn_core.experiment.tiers.overview import BESIDE_A_STUDY, tally, verdict
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.params import BadValue, build, plain
from unlearn_core.report import by_audit, charts, protocol, sections, words
from unlearn_core.store import Store
from unlearn_core.words import hardness

NESTED = ("meta", "img", "link", "br", "line", "rect", "path", "circle", "polyline")


@pytest.fixture(scope="module")
def study(filled_store):
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.fixture(scope="module")
def unbanked(unbanked_store):
    store = Store(unbanked_store)
    return OpenStudy.open(store, studies(store)[0].key)


class Page(HTMLParser):
    """The page as a reader meets it: text, tags in order, and what is inside each."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in NESTED:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module", params=report.AUDIENCES)
def written(request, study):
    return report.write(study, request.param)


# -- the file ----------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched_from_anywhere(written):
    page = Page(written)
    assert not re.search(r"https?:|url\(|@import|javascript:", written)
    names = [(name, value) for _, attrs in page.tags for name, value in attrs.items()]
    assert all(value.startswith("data:image/png;base64,") for name, value in names if name in ("src", "srcset"))
    assert not [n for n, _ in names if n.startswith("on") or n in ("href", "action", "xlink:href")]
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'")


def test_it_can_be_read_without_seeing_it(written):
    page = Page(written)
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert len(page.all("img")) >= 6 and all(len(img["alt"]) > 10 for img in page.all("img"))
    described = page.all("title")[1:], page.all("desc")
    for svg, title, text in zip(page.all("svg"), *described, strict=True):
        assert svg["role"] == "img" and svg["aria-labelledby"] == f"{title['id']} {text['id']}"
    assert len({t["id"] for t in described[0]}) == len(described[0])
    assert page.all("th") and all(th["scope"] in ("row", "col") for th in page.all("th"))


def test_print_is_always_light_and_on_a4(written):
    assert "@page { size: A4" in written and "@media screen and (prefers-color-scheme: dark)" in written
    assert "prefers-color-scheme" not in written.replace("@media screen and (prefers-color-scheme: dark)", "")


def test_the_same_study_gives_the_same_file(study):
    assert report.write(study, "technical") == report.write(study, "technical")


def test_names_from_data_are_text(study):
    evil = '<script>alert("x")</script>&"\'{{ 7 * 7 }}'
    hostile = OpenStudy.open(study.store, study.key)
    hostile.spec = study.spec.but(name=evil)
    hostile.table = study.table.assign(
        title=[t if m != "rum" else evil for m, t in study.table[["method", "title"]].to_numpy()]
    )
    for audience in report.AUDIENCES:
        page = Page(report.write(hostile, audience))
        assert not page.all("script") and evil in page.text and "49" not in page.all("title")[0]


# -- its numbers -------------------------------------------------------------------------------------------------------


def test_the_headline_is_the_plan_else_the_nearest(study):
    assert report.headline(study) == "rum"
    without = OpenStudy.open(study.store, study.key)
    without.table = study.table[study.table["kind"] != "plan"]
    assert report.headline(without) == core.ranked(without, "group_tow").index[0]
    assert report.methods(study) == list(core.ranked(study, "group_tow").index)


def test_the_numbers_of_a_statement_are_those_of_compare_and_audit(study):
    forgotten, kept, attacked = words.statements(study, "rum")
    for reading, metric in zip(
        (*forgotten.readings, *kept.readings),
        ("forget_accuracy", "low_accuracy", "medium_accuracy", "high_accuracy", "retain_accuracy", "test_accuracy"),
        strict=True,
    ):
        means, gap = study.means(metric), core.versus(study, "rum", "retrained", metric).difference
        assert reading.method == words.spread(means.loc["rum", "mean"], means.loc["rum", "half_width"])
        assert reading.retrained == words.spread(means.loc["retrained", "mean"], means.loc["retrained", "half_width"])
        assert reading.difference == words.estimate(gap, signed=True)
        each = core.by_seed(study, metric)
        within = margin((each["retrained-again"] - each["retrained"]).tolist())
        assert reading.margin == words.spread(within)
        assert reading.side == place(gap, within, worse_only=reading in kept.readings)
    for reading, part in zip(attacked.readings, ("all", "low", "medium", "high"), strict=True):
        found = verdicts.judge(study, "rum", audit.default_statistic(study), part)
        assert reading.difference == words.estimate(found.apart, signed=True)
        assert reading.method.startswith(f"{found.audited.success.value:.2f} (")
        assert (reading.side or 0) == found.side  # what an attack finds is what the Audit page says
        within = margin(np.subtract(found.again.aucs, found.retrained.aucs))
        assert reading.side != 0 or abs(found.apart.mean) + found.apart.half_width <= within


def test_every_number_of_the_table_is_that_of_compare(study):
    text = Page(report.write(study, "technical")).text
    table = core.everything(study)
    for metric in sections.TABLE:
        for name in table.index:
            assert words.spread(table.loc[name, metric], table.loc[name, f"{metric}_half_width"]) in text
    es = study.about(study.forget).entanglement
    assert f"{es.share_of_random:.2g} of that of a random set" in text
    assert (
        study.key in text and study.data.fingerprint() in text and study.result.manifest()["versions"]["torch"] in text
    )


def test_another_method_is_another_report(study):
    rum, other = (Page(report.write(study, method=m)).text for m in ("rum", "random-label"))
    means = study.means("group_tow").loc["random-label"]
    assert (
        "Report on Random-label" in other and words.spread(means["mean"], means["half_width"]) in other and rum != other
    )


@pytest.mark.parametrize(("asked", "says"), [({"audience": "boss"}, "audience"), ({"method": "retrained"}, "method")])
def test_what_cannot_be_reported_is_one_sentence(study, asked, says):
    with pytest.raises(BadValue, match=says):
        report.write(study, **asked)


def test_thumbnails_are_the_images(study):
    shown = sections._asked(study, 3)["thumbnails"]
    for third, tiles in shown.items():
        part = third.removesuffix(" third")
        scores = study.memorization.scores
        assert len(tiles) == 3 and f"{scores[study.parts[part]].max():.2f}" in tiles[0]["words"]
        for tile in tiles:
            row = int(re.match(r"Row (\d+)", tile["words"]).group(1))
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(tile["png"]))))
            assert np.array_equal(pixels, study.pixels[row][0])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_depth_become_a_png(channels):
    tile = np.random.default_rng(0).integers(0, 256, (channels, 5, 4), dtype=np.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sections.png(tile)))))
    assert np.array_equal(pixels, tile[0] if channels < 3 else np.moveaxis(tile[:3], 0, -1))


def test_the_executive_report_names_the_versions_that_matter(study):
    named = study.result.manifest()["versions"]
    short, full = (Page(report.write(study, audience)).text for audience in report.AUDIENCES)
    assert all(f"{name} {version}," in full for name, version in named.items())
    assert [n for n, v in named.items() if f"{n} {v}," in short] == ["unlearning-workbench", "torch"]


def test_whether_the_set_is_hard_is_said_by_the_rule_of_explore(study, monkeypatch):
    said = describe(study, study.forget)
    wanted = hardness(said.stands_out, said.apart, "memorization", sections.PAPER)
    for audience in report.AUDIENCES:
        text = Page(report.write(study, audience)).text
        assert wanted in text and "the harder it is to forget" not in text
    few = replace(said, kept=said.facts.images - 1)
    monkeypatch.setattr(sections, "describe", lambda *_: few)
    text = Page(report.write(study)).text
    assert wanted not in text and f"Only {few.kept} images are kept" in text


# -- how it was measured -----------------------------------------------------------------------------------------------


def test_the_attacks_in_numbers_are_those_of_the_audit_page(study):
    lines = iter((said := protocol.attacks(study, "rum", "RUM"))["lines"])
    text = Page(report.write(study, "technical")).text
    for statistic in (audit.default_statistic(study), "confidence"):
        found = verdicts.judge(study, "rum", statistic)
        for model in (found.original, found.audited, found.retrained, found.again):
            line, area = next(lines), model.success
            assert line["attack"] == audit.STATISTICS[statistic].label
            assert line["cells"][0] == f"{area.value:.2f} ({area.low:.2f} to {area.high:.2f})"
            for cell, alpha in zip(line["cells"][1:], (0.01, 0.1), strict=True):
                rare = model.found_at(alpha)
                assert cell.startswith("not measurable" if rare.value is None else f"{rare.value:.2f} (")
            assert " ".join(line["cells"]) in text
    unseen = verdicts.judge(study, "rum", "confidence").audited.unseen
    lacking = f"TPR@1%FPR under “Confidence” is not measurable: {unseen:,} unseen images, 1,000 are needed."
    assert lacking in said["why"] and lacking in text and f"intervals over {study.spec.seeds} seeds" in text


def test_classes_beyond_the_noise_are_those_of_compare(study):
    table = core.class_gaps(study, "random-label")
    for line, on in zip(protocol.classes(study, "random-label"), ("retain", "test", "forget"), strict=True):
        ours, again = (class_gaps.of(table, on, kind) for kind in ("unlearned", "retrained"))
        assert line["out"] == f"{len(class_gaps.standing_out(ours, again))} of {len(ours)}"
        for lines, said in zip((ours, again), line["widest"], strict=True):
            most = lines["gap"].abs().max()
            name = re.search(r"\(class (.*)\)$", said).group(1)
            assert abs(lines.at[name, "gap"]) == most and said == f"{class_gaps.gap(lines, name)} (class {name})"


def test_who_attacks_and_on_how_many_models_is_said(study, unbanked):
    seeds, bank = study.spec.seeds, study.summary["bank_models"]
    text = Page(report.write(study, "technical")).text
    assert "chosen by whoever ran the study" in text and "neither the model from before nor any weights" in text
    assert f"has {bank:,} reference models, each trained on 70 % of" in text
    assert "The audit:" not in text and "more in hand" not in text
    counted = f"{seeds} original; {seeds} retrained without the forgotten images and {seeds} retrained again; {seeds} "
    rest = len(report.methods(study)) - 1
    assert f"{counted}unlearned by RUM; each of the {rest} other methods as many. From seed to seed vary" in text
    given = OpenStudy.open(study.store, study.key)
    given.spec = study.spec.but(training=study.spec.training.but(weights="0" * 64))
    first, second, *_ = protocol.models(given, "RUM", None, set())
    assert first.startswith("1 original, trained elsewhere") and "weights of the retrained models," in second
    given.spec = study.spec.but(seeds=1)
    assert "Nothing was varied: there is one seed" in protocol.models(given, "RUM", None, set())[1]
    without = Page(report.write(unbanked, "technical")).text
    assert "has no reference models" in without and "serve the attack as references" not in without


def test_what_an_audit_adds_is_said_where_it_has_numbers_for_it(study):
    asked = Audit(subject=subject_of_method(study, "rum"), tier=3, seeds=4, shadows=48, deletions=7, models=16)
    every = set(protocol.BY_AUDIT)
    threat = " ".join(protocol.threat_model(study, "by hand", asked, every))
    assert "by hand" in threat and "48 shadow models that unlearned" in threat and "16 models of each kind" in threat
    counted = protocol.models(study, "RUM", asked, every)[-1]
    assert counted.startswith("The audit: 4 of each kind, 48 shadow models, up to 7 deletions of one image each and 16")
    # Shadow models are refused for some sets: then nobody attacked with them.
    fewer = every - {"u_lira_efficacy_auc"}
    assert "shadow" not in " ".join(protocol.threat_model(study, "by hand", asked, fewer))
    assert "shadow" not in protocol.models(study, "RUM", asked, fewer)[-1]


def test_what_was_not_measured_is_named(study, audit_story):
    bare = protocol.not_measured(protocol.answered(None))
    assert set(bare) == {*protocol.BY_AUDIT.values(), *protocol.NEVER}
    assert f"Not measured here: {'; '.join(bare)}." in Page(report.write(study, "technical")).text
    assert protocol.not_measured(set(protocol.BY_AUDIT)) == list(protocol.NEVER)
    table = pd.DataFrame({"metric": ["klom", "relearn_time"], "unlearned": [0.1, None]})
    assert protocol.answered(table) == {"klom"}
    assert set(protocol.BY_AUDIT) <= set(METRICS)
    opened = OpenStudy.open(audit_story.store, studies(audit_story.store)[0].key)
    text = Page(report.write(opened, "technical", "random-label")).text
    left = re.search(r"Not measured here: (.*?)\.", text).group(1)
    assert protocol.BY_AUDIT["calibration_error"] not in left and all(each in left for each in protocol.NEVER)


# -- its verdicts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apart", "within", "side", "not_worse"),
    [
        ((0.3, 0.1), 0.15, 1, 1),
        ((-0.3, 0.1), 0.15, -1, -1),
        ((0.02, 0.03), 0.05, 0, 0),  # the end of the interval is the end of the margin
        ((0.02, 0.031), 0.05, None, 0),
        ((-0.02, 0.031), 0.05, None, None),
        ((-0.233, 0.259), 0.01, None, None),  # wrecked in some seeds: not told from 0, and far from equal
        ((-0.02, 0.005), 0.05, 0, 0),  # a difference, and smaller than that of two retrained models
        ((-0.06, 0.02), 0.05, None, None),
        ((0.3, None), 0.1, None, None),
        ((None, None), 0.1, None, None),
        ((0.3, 0.1), None, None, None),
    ],
)
def test_like_retraining_needs_the_whole_interval_within_the_margin(apart, within, side, not_worse):
    assert place(Estimate(*apart, 3), within) == side
    assert place(Estimate(*apart, 3), within, worse_only=True) == not_worse


def test_the_margin_is_how_far_two_retrained_models_lie_apart():
    assert margin([0.0, 0.0, 0.0]) == SMALLEST and margin([0.0, 1e-4, -1e-4]) == SMALLEST
    assert margin([0.01, -0.01]) == margin([0.01, 0.01]) == pytest.approx(0.043027, abs=1e-5)
    assert margin([0.1]) is margin([0.1, None]) is None and margin([0.5, -0.5]) == LARGEST
    # Of pairs of retrained models about 95 of 100 lie no further apart, however few pairs it is estimated from.
    draws = np.random.default_rng(0).normal(0, 0.015, (4000, 6, 2)) @ [1, -1]
    for n in (2, 5):
        within = np.array([margin(own) for own in draws[:, :n]])
        assert (np.abs(draws[:, 5]) <= within).mean() == pytest.approx(0.95, abs=0.02)


def test_a_retrained_model_reads_as_one_and_more_seeds_do_not_change_that():
    """The margin does not shrink as seeds are added, so what is equal is found to be, and ever more surely."""
    rng, share = np.random.default_rng(1), []
    for n in (3, 5, 20):
        x = rng.normal(0.9, 0.008, (1000, n, 3))
        gap, floor = x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]
        share.append(np.mean([place(over_seeds(g), margin(f)) == 0 for g, f in zip(gap, floor, strict=True)]))
    assert share == sorted(share) and share[0] > 0.5 and share[-1] > 0.99


def test_a_wrecked_model_is_not_kept(study):
    """Kept images of some seeds lost: the interval is so wide that it holds 0, and nothing is said to be kept."""
    torn = OpenStudy.open(study.store, study.key)
    table = study.table.copy()
    lost = (table["method"] == "rum") & (table["seed"] > 0)
    for metric in ("retain_accuracy", "test_accuracy", "low_accuracy", "medium_accuracy", "high_accuracy"):
        table.loc[lost, metric] = table.loc[lost, metric] * [0.95, 0.5]
    torn.table = table
    assert core.side_of_zero(core.versus(torn, "rum", "retrained", "retain_accuracy").difference) == 0
    forgotten, kept, _ = words.statements(torn, "rum")
    assert (kept.mark, kept.verdict) == ("unknown", "Cannot be told") and forgotten.mark != "good"
    for reading in kept.readings:
        assert f"differs by {reading.difference}, where a loss of up to {reading.margin} is allowed" in kept.says
    table.loc[table["method"] == "rum", "retain_accuracy"] = [0.5, 0.51, 0.52]
    said = words.statements(torn, "rum")[1]
    assert (said.mark, said.verdict) == ("bad", "No") and "worse than a retrained model on kept images" in said.says


PARTS = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("sides", "power", "mark", "verdict"),
    [
        ((0, 0, 0), 1, "good", "Like retraining"),
        ((0, 0, 0), 0, "unknown", "Cannot be told"),
        ((0, 0, 1), 1, "bad", "Not enough"),
        ((-1, 0, 0), 1, "bad", "Too much"),
        ((-1, 0, 1), 1, "bad", "Unevenly"),
        ((0, 0, 0), None, "unknown", "Cannot be told"),
        ((0, None, 0), 1, "unknown", "Cannot be told"),
        ((1, None, 0), 1, "bad", "Not enough"),
        ((None, None, None), 1, "unknown", "Cannot be told"),
    ],
)
def test_forgetting_is_judged_on_both_sides(study, monkeypatch, sides, power, mark, verdict):
    def reading(_, method, metric):
        part = metric.removesuffix("_accuracy")
        side = power if method == "original" else dict(zip(PARTS, sides, strict=True)).get(part, 0)
        return words.Reading(core.COLUMNS[metric].label, "", "", "+0.020 ± 0.030", "0.040", side)

    monkeypatch.setattr(words, "_reading", reading)
    said = words._forgotten(study, "rum")
    assert (said.mark, said.verdict) == (mark, verdict)
    assert ("over-unlearned" in said.says) == (verdict == "Too much")
    assert ("medium third" in said.says) == (sides[1] is None or verdict == "Like retraining")
    assert ("0.040" in said.says) == (verdict == "Like retraining" or (None in sides and said.mark == "unknown"))


@pytest.mark.parametrize(
    ("sides", "mark", "verdict"),
    [
        ((0, 0), "good", "Yes"),
        ((1, 0), "good", "Yes"),
        ((0, -1), "bad", "No"),
        ((None, -1), "bad", "No"),
        ((0, None), "unknown", "Cannot be told"),
        ((None, None), "unknown", "Cannot be told"),
    ],
)
def test_keeping_is_judged_on_one(study, monkeypatch, sides, mark, verdict):
    given = dict(zip(("retain_accuracy", "test_accuracy"), sides, strict=True))
    monkeypatch.setattr(
        words, "_reading", lambda _, m, metric, worse_only: words.Reading(metric, "", "", "", "", given[metric])
    )
    said = words._kept(study, "rum")
    assert (said.mark, said.verdict) == (mark, verdict)


@pytest.mark.parametrize(
    ("whole", "high", "wide", "power", "mark", "verdict"),
    [
        (0.0, 0.0, 0.02, 0.3, "good", "Yes"),
        (0.2, 0.0, 0.02, 0.3, "bad", "No"),
        (-0.2, 0.0, 0.02, 0.3, "bad", "No"),
        (0.0, -0.2, 0.02, 0.3, "bad", "No, third by third"),
        (0.0, 0.0, 0.9, 0.3, "unknown", "Cannot be told"),
        (0.2, 0.0, 0.9, 0.3, "unknown", "Cannot be told"),
        (0.0, 0.0, 0.02, 0.0, "unknown", "Cannot be told"),
        (0.0, 0.0, 0.02, 0.05, "unknown", "Cannot be told"),
    ],
)
def test_an_attack_is_judged_on_both_sides(study, monkeypatch, whole, high, wide, power, mark, verdict):
    honest = verdicts.judge

    def judge(about, method, statistic, part):
        apart = {"all": whole, "high": high}.get(part, 0.0)
        small = {"floor": Estimate(0.0, 0.01, 3), "power": Estimate(power, 0.01, 3)}
        return replace(honest(about, method, statistic, part), apart=Estimate(apart, wide, 3), **small)

    monkeypatch.setattr(verdicts, "judge", judge)
    said = words._attacked(study, "rum")
    assert (said.mark, said.verdict) == (mark, verdict)
    assert ("over-unlearned" in said.says) == (whole < 0 or high < 0)
    assert ("proves nothing" in said.says) == (power < 0.1)
    assert (said.says.count("± 0.900") == 4) == (wide == 0.9)


def test_yes_is_good_in_all_three_answers(study):
    for method in report.methods(study):
        for said in words.statements(study, method):
            assert (said.mark == "good") == said.verdict.startswith(("Yes", "Like retraining"))
    assert "Is it hidden from an attack?" in Page(report.write(study)).text


def test_the_third_answer_has_the_power_of_the_attack(study, written):
    whole = verdicts.judge(study, "rum", audit.default_statistic(study))
    reads = f"{whole.original.success.value:.2f} on the original, {whole.retrained.success.value:.2f} on retrained"
    assert f"Its power: of all images together it reads AUC {reads} models." in Page(written).text


def test_of_one_seed_nothing_is_told(study):
    single = OpenStudy.open(study.store, study.key)
    single.spec, single.table = study.spec.but(seeds=1), study.table[study.table["seed"] == 0]
    assert {s.mark for s in words.statements(single, "rum")} == {"unknown"}
    said = Page(report.write(single)).text
    assert "Measured on one seed" in said and "Fewer than three seeds" in said
    assert {r.margin for s in words.statements(single, "rum") for r in s.readings} == {"not known"}


def test_the_margin_is_stated(study, written):
    text = Page(written).text
    assert "95 of 100 pairs of retrained models lie apart, but at least 0.010 and at most 0.100" in text
    if "technical" in written.split("<body")[1][:40]:
        assert all(reading.margin in text for s in words.statements(study, "rum") for reading in s.readings)


@pytest.mark.parametrize(
    ("side", "loss_only", "floor", "allowed", "holds"),
    [
        (0, False, "", "up to 0.040 either way", "holds"),
        (1, False, "", "up to 0.040 either way", "does not hold, too high"),
        (-1, False, "0.020", "up to 0.040 either way", "does not hold, too low"),
        (0, True, "", "a loss of up to 0.040", "holds"),
        (1, True, "", "a loss of up to 0.040", "holds, even better"),
        (-1, True, "", "a loss of up to 0.040", "does not hold, too low"),
        (None, True, "", "a loss of up to 0.040", "cannot be told"),
    ],
)
def test_a_limit_says_which_way_it_goes_and_whether_it_holds(side, loss_only, floor, allowed, holds):
    reading = words.Reading("Accuracy", "", "", "+0.010", "0.040", side, floor=floor, loss_only=loss_only)
    assert (reading.allowed, reading.holds) == (allowed, holds)
    assert reading.by.endswith(f"noise floor of {floor}" if floor else f"where {allowed} is allowed")


def test_what_was_kept_does_not_read_like_a_loss(study, monkeypatch):
    good = words.Reading("Accuracy", "", "", "0.000 ± 0.000", "0.010", 0, loss_only=True)
    monkeypatch.setattr(words, "_reading", lambda *_, **__: good)
    said = words._kept(study, "rum").says
    assert "worse" not in said and said.count("differs by 0.000 ± 0.000, where a loss of up to 0.010 is allowed") == 2


def test_an_icon_never_stands_alone(written):
    assert len(re.findall(r'<p class="answer"><span aria-hidden="true">[✓✗?]</span>[A-Z]', written)) == 3


def test_words_that_promise_too_much_are_not_used(written, unbanked):
    for text in (Page(written).text, Page(report.write(unbanked, "technical")).text):
        assert not re.search(r"!|guarantee|securely|fully forgotten", text.replace("Study.json", ""))
        for said in ("No certificate", "One forget set, one dataset", "none is corrected", "shadow models"):
            assert said in text


def test_without_a_bank_it_says_so(unbanked):
    text = Page(report.write(unbanked, "technical")).text
    assert "Mean unsureness" in text and "No bank of models was trained" in text and "LiRA" not in text


# -- evidence and provenance -------------------------------------------------------------------------------------------


def test_an_audit_is_told_and_a_missing_one_named(study, tmp_path):
    store = Store(shutil.copytree(study.store.root, tmp_path / "store"))
    before = Page(report.write(OpenStudy.open(store, study.key), "technical")).text
    assert "No audit of RUM is in the store" in before and "many models : Can many unlearned models" in before
    opened = OpenStudy.open(store, study.key)
    result = fulfil(store, Audit(subject=subject_of_method(opened, "rum"), tier=0))
    after = Page(report.write(opened, "technical")).text
    assert "tier “one seed”" in after and "one seed : What do one" not in after and "many models : Can many" in after
    for _, line in result.table().iterrows():
        assert verdict(line) in after and METRICS[line["metric"]].label in after
    assert f"of {result.json('summary')['compared']} numbers" in after
    # Where its numbers stand beside those of the study, it says why they are not the same.
    closeness = result.table().set_index("metric")["unlearned"]["group_tow"]
    assert f"reads group ToW {closeness:.3f}" in after and BESIDE_A_STUDY in after
    assert "what was asked of that" not in after  # of a single seed nobody asked it
    assert tally("RUM", result.table()) in after  # as on the Audit page
    # It goes along in a file, and the report is the same in another store but for where the study comes from.
    export(store, study.key, tmp_path / "b.zip")
    other = Store(tmp_path / "other")
    import_bundle(other, tmp_path / "b.zip")
    there = report.write(OpenStudy.open(other, study.key), "technical")
    assert "A recorded study, imported from a file" in there
    assert "one alone takes longer. Times are those of the machine where the study was made.</p>" in there
    assert re.sub(r" (A recorded study|Times are those)[^<]*", "", there) == report.write(opened, "technical")


@pytest.mark.parametrize(
    ("side", "mark", "verdict", "says"),
    [
        (1, "bad", "Not from shadow models", "by itself, can tell: AUC 0.810, and 0.470 between models that never"),
        (0, "good", "Yes", "by itself, cannot tell: AUC 0.810, and 0.470 between"),
        (None, "good", "Yes", ""),
    ],
)
def test_what_shadow_models_find_is_in_the_third_answer(study, side, mark, verdict, says):
    *rest, attacked = words.statements(study, "rum")
    said = [*rest, replace(attacked, mark="good", verdict="Yes", says="It reads the same.")]
    lines = {
        "metric": ["u_lira_efficacy_auc"] * 2, "on": ["forget"] * 2, "by": ["population", "per example"],
        "side": pd.Series([1, side], dtype=object), "unlearned": [0.5, 0.81], "retrained": [0.5, 0.47],
    }  # fmt: skip
    *others, found = by_audit.shadow_models(said, pd.DataFrame(lines))
    assert others == rest and (found.mark, found.verdict) == (mark, verdict)
    assert says in found.says and found.says.startswith("It reads the same.") and bool(says) == (found != said[-1])
    assert by_audit.shadow_models(said, pd.DataFrame(lines)[:1]) == said
    worse = [*rest, replace(attacked, mark="bad", verdict="No, third by third")]
    assert by_audit.shadow_models(worse, pd.DataFrame(lines))[-1].verdict == "No, third by third"


@pytest.mark.parametrize(
    ("side", "has_power", "mark", "verdict"),
    [
        (1, True, "bad", "Not from many models"),
        (0, True, "good", "Yes"),
        (0, False, None, None),
        (None, None, None, None),
    ],
)
def test_what_many_models_give_away_is_in_the_third_answer(study, side, has_power, mark, verdict):
    *rest, attacked = words.statements(study, "rum")
    said = [*rest, replace(attacked, mark="good", verdict="Yes", says="It reads the same.")]
    line = {"metric": "told_apart", "unlearned": 0.991, "retrained_low": 0.011, "retrained_high": 0.08}
    table = pd.DataFrame(
        [line | {"on": on, "side": side, "has_power": has_power} for on in ("low", "forget")], dtype=object
    )
    found = by_audit.many_models(said, table)
    assert by_audit.many_models(said, table[:1]) == said
    if mark is None:
        assert found == said
        return
    assert found[:-1] == rest and (found[-1].mark, found[-1].verdict) == (mark, verdict)
    reads = "tell 99% of the images apart, retrained ones among themselves 1% to 8%."
    assert found[-1].says.startswith("It reads the same. Many models") and found[-1].says.endswith(reads)
    worse = [*rest, replace(attacked, mark="bad", verdict="No, third by third")]
    assert by_audit.many_models(worse, table) == worse


@pytest.mark.parametrize(
    ("gap", "before", "mark", "verdict"),
    [
        (-0.05, ("good", "Yes"), "bad", "Not beside forgotten ones"),
        (-0.05, ("unknown", "Cannot be told"), "bad", "Not beside forgotten ones"),
        (-0.05, ("bad", "No"), "bad", "No"),
        (-0.02, ("good", "Yes"), None, None),  # a second retrained model reads as much
        (0.05, ("good", "Yes"), None, None),
        (float("nan"), ("good", "Yes"), None, None),
    ],
)
def test_what_neighbours_of_forgotten_images_paid_is_in_the_second_answer(study, gap, before, mark, verdict):
    first, kept, last = words.statements(study, "rum")
    said = [first, replace(kept, mark=before[0], verdict=before[1], says="It is as high."), last]
    line = {"measure": "confidence", "half_width": 0.01, "count": 67.0}
    table = pd.DataFrame(
        [
            line | {"images": images, "kind": kind, "gap": value}
            for kind, value in (("unlearned", gap), ("retrained", -0.02))
            for images in ("neighbours", "others", "difference")
        ]
    )
    found = by_audit.neighbours(said, table)
    if mark is None:
        assert found == said
        return
    assert (found[0], found[2]) == (first, last) and (found[1].mark, found[1].verdict) == (mark, verdict)
    assert found[1].says == (
        "It is as high. The 67 kept images nearest to forgotten ones paid more than the others: \u22120.050 \u00b1 "
        "0.010 in confidence, where a second retrained model reads \u22120.020 \u00b1 0.010."
    )


def test_the_audit_has_its_own_command(audit_story):
    study = OpenStudy.open(audit_story.store, studies(audit_story.store)[0].key)
    said = Page(report.write(study, "technical", "random-label")).text
    command = shlex.split(re.search(r"python -m unlearn_core audit .*? --store \./store", said).group())[3:]
    done = CliRunner().invoke(app, [*command[:-1], str(audit_story.store.root), "--cost"])
    assert done.exit_code == 0 and json.loads(done.stdout.splitlines()[-1])["seconds"] == 0, done.output
    assert "python -m unlearn_core audit" not in Page(report.write(study, "technical", "rum")).text


def test_what_an_audit_finds_where_accuracy_leaves_it_open_is_told_beside_the_answer(study):
    said = words.statements(study, "rum")
    left = tuple(replace(reading, side=None) for reading in said[0].readings)
    table = pd.DataFrame(
        {
            "metric": ["forget_accuracy"] * 3,
            "on": ["forget", "low", "medium"],
            "side": pd.Series([1, -1, 0], dtype=object),
            "says": ["remembers more than retraining", "over-unlearned", "not told from retraining"],
        }
    )
    first, *rest = by_audit.in_the_audit([replace(said[0], readings=left), *said[1:]], study, table)
    more = "The audit below asks less of the same accuracy and finds that the low third is over-unlearned."
    assert first.says == f"{said[0].says} {more}"
    assert rest == list(said[1:])
    told = tuple(replace(reading, side=-1) for reading in said[0].readings)
    agreed = [replace(said[0], readings=told), *said[1:]]
    assert by_audit.in_the_audit(agreed, study, table) == agreed


def test_learning_rates_that_were_chosen_by_test_images_are_said_to_flatter(study, monkeypatch):
    said = " ".join(words.not_claimed(study, None))
    assert bool(study.spec.tuning_seeds and not len(study.data.validation.y)) is ("no validation images" in said)
    for tuned in (True, False):
        monkeypatch.setattr(OpenStudy, "tuned_on_test", tuned)
        assert ("no validation images" in " ".join(words.not_claimed(study, None))) is tuned


def test_what_was_asked_of_the_weights_is_said_to_stand_where_it_stands(study):
    """The short report has no audit in it, and in the long one it stands before what is not claimed."""
    ends = {technical: " ".join(words.not_claimed(study, 1, technical)) for technical in (True, False)}
    assert "stands in the audit above" in ends[True] and "stands in the technical report" in ends[False]
    assert "what was asked of that" not in " ".join(words.not_claimed(study, None))


@pytest.mark.parametrize("audience", report.AUDIENCES)
def test_the_command_of_the_report_runs_the_study_again(study, tmp_path, monkeypatch, audience):
    """The file itself and the command as it is printed, in a store that has lost the study and its runs."""
    page = report.write(study, audience)
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    words_of = Page(page).text
    given = json.loads(re.search(r'{ "spec": "Study".*}', words_of).group())
    assert build(given) == study.spec and given == plain(study.spec)
    assert ("hidden" in Page(page).all("pre")[-1]) == (audience == "executive")
    root = shutil.copytree(study.store.root, tmp_path / "store")
    shutil.rmtree(root / "results" / "Study")
    shutil.rmtree(root / "results" / "Run")
    command = re.search(r"python -m unlearn_core study report\.html --store \./store", words_of).group()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(command)[3:])
    assert done.exit_code == 0, done.stderr
    again = OpenStudy.open(Store(root), json.loads(done.stdout.splitlines()[-1])["study"])
    assert again.key == study.key and again.summary["tow"] == pytest.approx(study.summary["tow"], abs=1e-6)
    # The other command writes this very report again.
    command = shlex.split(
        re.search(r"python -m unlearn_core report .*? --store ./store( --audience technical)?", words_of).group()
    )[3:]
    written = CliRunner().invoke(app, command)
    assert written.exit_code == 0, written.stderr
    fresh = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert fresh == report.write(again, audience, "rum")


def run(*args):
    done = CliRunner().invoke(app, [str(a) for a in args])
    return done.exit_code, done.stdout, done.stderr


def test_the_commands(study, tmp_path):
    code, said, _ = run("report", study.key, "-o", tmp_path / "r.html", "--store", study.store.root)
    assert code == 0 and json.loads(said)["method"] == "rum"
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == report.write(study)
    code, said, about = run("bundle", "export", study.key, "-o", tmp_path / "b.zip", "--store", study.store.root)
    assert code == 0 and json.loads(said)["results"] > 30 and "come with the program" in about
    held = tmp_path / "held.zip"  # a size in MB, of a million bytes each
    code, said, about = run("bundle", "export", study.key, "-o", held, "--at-most", 0.1, "--store", study.store.root)
    assert (code, said) == (2, "") and "more than the 0.1 that it may" in about and not held.exists()
    larger = (tmp_path / "b.zip").stat().st_size / 1e6 + 0.01
    code, *_ = run("bundle", "export", study.key, "-o", held, "--at-most", larger, "--store", study.store.root)
    assert code == 0 and held.stat().st_size == (tmp_path / "b.zip").stat().st_size
    code, said, _ = run("bundle", "import", tmp_path / "b.zip", "--store", tmp_path / "s")
    assert code == 0 and json.loads(said) == {"study": study.key, "name": study.spec.name, "recorded": True}
    code, _, about = run("report", "nonsense", "--store", study.store.root)
    assert code == 2 and "nonsense" in about and "Say where" not in about
    for wrong in (
        ("report", study.key),
        ("report", study.key, "-o", tmp_path / "no" / "r.html"),
        ("report", study.key, "-o", tmp_path / "r.html", "--audience", "all"),
        ("bundle", "export", study.key),
        ("bundle", "import", tmp_path / "r.html"),
        ("bundle", "import", tmp_path / "nothing"),
    ):
        code, said, about = run(*wrong, "--store", study.store.root)
        assert (code, said) == (2, "") and re.fullmatch(r"[^\n]+\.\n", about)


# -- charts ------------------------------------------------------------------------------------------------------------


def places(svg, tag):
    return [attrs for name, attrs in Page(str(svg)).tags if name == tag]


def test_dots_stand_where_their_numbers_are():
    dots = [
        charts.Dot("a", 0.0, 0.1),
        charts.Dot("b", 1.0, None),
        charts.Dot("c", 0.25, 0.0),
        charts.Dot("d", None, None),
    ]
    svg = charts.dot_plot("T", "axis", dots)
    xs = [float(c["cx"]) for c in places(svg, "circle")]
    assert len(xs) == 3 and (xs[2] - xs[0]) / (xs[1] - xs[0]) == pytest.approx(0.25, abs=0.01)
    first = next(line for line in places(svg, "line") if line["class"] == "interval")
    assert (float(first["x1"]) + float(first["x2"])) / 2 == pytest.approx(xs[0], abs=0.1)
    assert "d: not measurable" in svg and "a: 0.000 ± 0.100" in svg


def test_dots_of_one_name_share_a_line_and_are_told_apart_by_shape():
    dots = [charts.Dot(name, value, None, shape) for name in "ab" for shape, value in (("low", 0.0), ("high", 1.0))]
    svg = charts.dot_plot("T", "axis", dots, shapes={"low": "the least", "high": "the most"})
    (low, other), (high, last) = (
        [float(mark[y]) for mark in places(svg, tag) if mark["class"] == f"dot {shape}"][:2]
        for tag, y, shape in (("circle", "cy", "low"), ("rect", "y", "high"))
    )
    assert low < high + 5 < other < last + 5  # both of a, then both of b
    assert str(svg).count(">a<") == 1 and "a, the least: 0.000; a, the most: 1.000" in svg
    # In the legend, once each.
    assert str(svg).count(">the least<") == 1 and len(places(svg, "circle")) == 3


def test_no_interval_of_a_dot_plot_reaches_beyond_what_can_be_read():
    found = {}
    for ends in ((None, None), (0.0, 1.0)):
        svg = str(charts.dot_plot("T", "axis", [charts.Dot("a", 0.9, 0.3), charts.Dot("b", 0.5, None)], ends=ends))
        found[ends] = [float(v) for v in re.findall(r">(-?[0-9.]+)</text>", svg)]
        assert "a: 0.900 ± 0.300" in svg and svg.count('class="interval"') == 1
    assert max(found[None, None]) > 1.1 and max(found[0.0, 1.0]) == 1.0


def test_bars_are_as_long_as_their_numbers():
    bars = [float(r["width"]) for r in places(charts.bars("T", "s", [("a", 4.0, "4 s"), ("b", 1.0, "1 s")]), "rect")]
    assert bars[0] / bars[1] == pytest.approx(4, abs=0.05)


def test_outlines_are_as_high_as_their_shares():
    shares = {"original": np.array([0.5, 0.5, 0.0]), "retrained": np.array([0.0, 0.25, 0.75])}
    svg = charts.distributions("T", "s", np.arange(4.0), shares, {n: n for n in shares})
    heights = [172 - float(p.split(",")[1]) for p in places(svg, "polyline")[1]["points"].split()[1:-1:2]]
    assert heights == pytest.approx([0, 160 / 3, 160], abs=0.1)


@pytest.mark.parametrize("value", [0.0, 1e-9, -3.0, 1e6])
def test_a_chart_of_one_value_can_be_drawn(value):
    svg = str(charts.dot_plot("T", "axis", [charts.Dot("a", value, None)], [charts.Line(value, "x", "retrained")]))
    assert "nan" not in svg and "inf" not in svg


def test_charts_escape_names():
    assert "<b>" not in str(
        charts.dot_plot("<b>", "<b>", [charts.Dot("<b>", 1.0, None)], [charts.Line(0.5, "<b>", "x")])
    )
