"""An audit in tiers on a small finished study: what it makes, what it says, and how it goes on after a stop."""

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from audit_story import SIZES, stored

from docs.evaluation import ELSEWHERE
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, fulfil
from unlearn_core.experiment.model_seeds import AGAIN, SHADOWS
from unlearn_core.experiment.tiers import TIERS, Audit, Distribution, PerExample, Subject, deepest
from unlearn_core.experiment.tiers.audit import NO_LINES, in_one
from unlearn_core.experiment.tiers.cost import Cost, cost, needed
from unlearn_core.experiment.tiers.instant import Instant, Relearned
from unlearn_core.experiment.tiers.inversion import Inversion, deletions
from unlearn_core.experiment.tiers.others import nearness
from unlearn_core.experiment.tiers.overview import overview
from unlearn_core.experiment.tiers.per_example import FEWEST, Observed, design
from unlearn_core.experiment.tiers.single_images import each_image, lines
from unlearn_core.experiment.tiers.subject import KINDS, subject_of_method, subject_of_run
from unlearn_core.experiment.tiers.thirds import Role, deal_roles
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.unlearned_models import Run, request_of
from unlearn_core.params import BadValue
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import NegGradPlus, Original, RandomLabel
from unlearn_core.unlearning.relabel.unsir import Unsir


@pytest.fixture(scope="module")
def story(audit_story, tmp_path_factory):
    """The audit that was stopped twice, in a store of this file's own."""
    return audit_story.copied(tmp_path_factory.mktemp("tiers") / "store")


@pytest.fixture(scope="module")
def deep(story):
    return story.store.find(story.wanted)


@pytest.fixture(scope="module")
def by_tier(story, deep):
    """The audits of all tiers, the lower ones from what the deepest left."""
    lower = [fulfil(story.store, story.wanted.but(tier=tier)) for tier in range(3)]
    return [*lower, deep]


def test_lines_of_unlike_measurements_come_together_without_a_warning():
    """Some have no column that others have, or one that is empty, about which versions of pandas differ."""
    plain = [{"metric": "forget_accuracy", "on": "forget", "by": "", "value": 0.5, "why": ""}]
    bounded = [{"metric": "relearn_time", "on": "forget", "by": "", "value": 0.5, "why": "", "bound": 1, "low": None}]
    frames = [
        pd.DataFrame([line | {"kind": kind, "seed": seed} for line in lines for kind in KINDS for seed in (0, 1)])
        for lines in (plain, bounded)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = in_one(frames)
        said = overview(together)
    assert list(together.columns) == list(NO_LINES.columns) and set(together["unit"]) == {"seeds"}
    assert len(together) == sum(map(len, frames)) and together["bound"].isna().sum() == len(frames[0])
    assert said.set_index("metric")["side"].isna().to_dict() == {"forget_accuracy": False, "relearn_time": True}


# -- what is made ------------------------------------------------------------------------------------------------------


def test_the_first_two_tiers_train_nothing_that_the_study_made(story):
    """The first call was stopped when it asked for shadow models: all of tier 1 was behind it."""
    assert story.made[0] == {"Instant": SIZES["seeds"], "Relearned": SIZES["seeds"]}
    for kind in ("Training", "Run", "Embedding"):
        assert story.stored[1][kind] == story.stored[0][kind]


def test_what_was_finished_before_a_stop_is_kept_and_nothing_is_made_twice(story):
    assert story.made[1]["PerExample"] == 1 and "Instant" not in story.made[1] and "Relearned" not in story.made[1]
    assert story.made[2]["Inversion"] == 1 and not {"Instant", "Relearned", "PerExample"} & set(story.made[2])
    made = sum(story.made, Counter())
    assert made["trainings"] == story.told[0].trainings and made["runs"] == story.told[0].runs
    assert not any(story.store.root.joinpath("staging").iterdir())


def test_the_cost_is_what_is_made_then(story):
    for told, made, before, after in zip(story.told, story.made, story.stored, story.stored[1:], strict=False):
        assert made["trainings"] <= told.trainings and made["runs"] <= told.runs
        assert after["Training"] - before["Training"] == made["trainings"]
        assert after["Run"] - before["Run"] == made["runs"]
    assert story.made[2]["trainings"] == story.told[2].trainings and story.made[2]["runs"] == story.told[2].runs
    assert all(told.seconds > 0 and told.megabytes > 0 for told in story.told[:-1])
    assert story.told[-1] == Cost(0, 0, 0, 0.0, 0.0, ())
    total = {told.trainings + told.runs + told.reused for told in story.told[:-1]}
    assert total == {sum(len(each) for each in needed(story.store, story.wanted))}


def test_what_was_never_done_here_is_named_and_not_counted(story):
    deeper = ("reading deletions", "comparing distributions")
    assert [told.unknown for told in story.told] == [("measuring", "relearning", *deeper), deeper, deeper, ()]
    # Two more seeds are measured: now that it was done once, that has a price.
    more = cost(story.store, story.wanted.but(tier=1, seeds=3))
    fewer = cost(story.store, story.wanted.but(tier=0, name="Another name"))
    assert more.unknown == fewer.unknown == () and more.seconds > fewer.seconds == 0


def test_an_empty_store_knows_the_models_but_not_the_seconds(store, story):
    for tier in range(len(TIERS)):
        found = cost(store, story.wanted.but(tier=tier))
        trainings, runs = needed(story.store, story.wanted.but(tier=tier))
        assert (found.trainings, found.runs, found.reused) == (len(trainings), len(runs), 0)
        assert found.seconds is None and found.megabytes is None
    assert (found.trainings, found.runs) == (3 * 8 + 18, 8 + 18 + 40)
    assert stored(store) == {}


def test_each_tier_asks_for_the_models_of_those_before(story):
    asked = [needed(story.store, story.wanted.but(tier=tier)) for tier in range(len(TIERS))]
    for lower, higher in zip(asked, asked[1:], strict=False):
        assert all(set(few) <= set(many) for few, many in zip(lower, higher, strict=True))
    assert [len(trainings) for trainings, _ in asked] == [3, 6, 6 + 18, 24 + 18]


def test_shadows_leave_out_the_images_that_are_out_and_forget_those_that_are_to_be(story):
    dealt, n = design(story.store, story.wanted.per_example), 630
    assert np.array_equal(dealt.rows[0], unpack(story.subject.forget, n))
    found = {run.training.seed: run for r in story.store.results("Run") if (run := r.spec()).seed >= SHADOWS}
    assert len(found) == 18
    for roles, wanted in zip(dealt.roles, dealt.runs(story.subject), strict=True):
        run = found[wanted.training.seed]
        assert run == wanted and story.store.find(run.training) is not None
        assert sorted(unpack(run.training.without, n)) == sorted(dealt.rows[roles == Role.OUT])
        assert sorted(unpack(run.forget, n)) == sorted(dealt.rows[roles == Role.UNLEARN])


def test_what_a_shadow_keeps_never_holds_an_image_that_is_out(story):
    dealt = design(story.store, story.wanted.per_example)
    for roles, run in zip(dealt.roles, dealt.runs(story.subject), strict=True):
        request, out = request_of(story.store, run), dealt.rows[roles == Role.OUT]
        assert not np.isin(out, request.retain).any() and not np.isin(out, request.forget).any()
        assert np.isin(dealt.rows[roles == Role.IN], request.retain).all()
        assert sorted([*request.retain, *request.forget, *out]) == list(range(630))


def test_shadows_of_a_plan_stand_in_part_by_part(story, filled_study):
    study = OpenStudy(story.store, story.store.find(filled_study))
    plan = study.table.loc[study.table["kind"] == "plan", "method"].iloc[0]
    subject = subject_of_method(study, plan)
    dealt = design(story.store, PerExample(subject=subject, shadows=18))
    assert isinstance(subject.unlearner, Rum)
    for roles, run in zip(dealt.roles[:3], dealt.runs(subject)[:3], strict=True):
        request = request_of(story.store, run)
        run.unlearner.refuse(request)  # the parts are the forget set, each row once
        sizes = [len(unpack(part.rows, 630)) for part in run.unlearner.parts]
        assert sizes == [len(unpack(part.rows, 630)) for part in subject.unlearner.parts]
        parts = run.unlearner.rows(request)
        for number in range(len(parts)):
            step = run.unlearner.request_of(number, parts, request)
            assert not np.isin(dealt.rows[roles == Role.OUT], step.retain).any()
    # One image alone meets the algorithm of its part, and only such images are asked for.
    for run in deletions(story.store, Inversion(subject=subject)):
        part = next(p for p in subject.unlearner.parts if int(run.forget) in unpack(p.rows, 630))
        assert run.unlearner == part.unlearner
    assert len(deletions(story.store, Inversion(subject=subject))) == 30


def test_what_a_model_was_never_trained_on_cannot_be_forgotten(story):
    training = story.subject.training.but(without="3,7-9")
    run = Run(training=training, forget="2,8", unlearner=RandomLabel(epochs=2))
    for ask in (request_of, fulfil):
        with pytest.raises(BadValue, match="^Row 8 was left out of the training, so there is nothing to forget.$"):
            ask(story.store, run)
    assert story.store.find(run) is None
    with pytest.raises(BadValue, match="audit one of all images.$"):
        subject_of_run(run)


def test_where_there_can_be_no_shadows_everything_else_is_measured(story):
    """A whole class, or too large a set: no shadow model forgets a set like it."""
    labels = dataset(story.store, story.subject.training.data).train.y.numpy()
    subject = Subject.of(story.subject.training, np.flatnonzero(labels == 3), {}, Original())
    wanted = Audit(subject=subject, tier=2, seeds=2, shadows=18, deletions=3)
    expected = cost(story.store, wanted)
    assert expected.runs <= 2 + 3, "the shadows are left out"
    table = fulfil(story.store, wanted).table().set_index("metric")
    for metric in ("u_lira_efficacy_auc", "u_lira_privacy_auc", "u_lira_auc"):
        assert table.loc[[metric], "unlearned"].isna().all()
        assert table.loc[[metric], "why"].str.contains("of the same class").all()
    assert table.loc["inversion_label_accuracy", "unlearned"].notna().all()
    with pytest.raises(BadValue, match="of the same class"):
        fulfil(story.store, PerExample(subject=subject, shadows=18))


def test_parts_are_parts_of_the_forget_set_with_names_of_their_own(story):
    for wrong in ("retain:0-2", "high:", "high:600-602"):
        with pytest.raises(BadValue, match="must have a name of its own"):
            story.subject.but(parts=(wrong,)).target(story.store)


def test_what_a_tier_does_not_ask_for_is_no_part_of_which_audit_it_is(story):
    shallow = Audit(subject=story.subject, tier=1, seeds=4)
    assert shallow == Audit(subject=story.subject, tier=1, seeds=4, shadows=21, deletions=7, models=9)
    assert Audit(subject=story.subject, tier=2, shadows=21) != Audit(subject=story.subject, tier=2)


def test_the_lines_of_a_stored_measurement_change_with_its_version(story):
    """A stored result that would hold other lines today is another result: raise the version of its class."""
    held, now = {}, {}
    for cls in (Instant, Relearned, Inversion, Distribution):
        result = next(r for r in story.store.results(cls.__name__) if r.spec().subject == story.subject)
        table = result.table()
        count, name = len(set(zip(table["metric"], table["by"], strict=True))), f"{cls.__name__} {cls.version}"
        changed = LINES_HELD.get(name, count) != count
        held[name], now[f"{cls.__name__} {cls.version + changed}"] = count, count
    assert held == LINES_HELD, (
        f"give each class the `version` beside its name (1 needs no line), and write into this file: LINES_HELD = {now}"
    )


def test_an_audit_is_another_one_where_what_it_is_made_from_is():
    parts = (Instant, Relearned, PerExample, Inversion, Distribution)
    assert Audit.version == 2 + sum(part.version - 1 for part in parts), "raise the 2 for what the audit itself changes"


# How many lines a result of each class and version holds.
LINES_HELD = {"Instant 1": 41, "Relearned 1": 2, "Inversion 1": 5, "Distribution 1": 8}


@pytest.mark.parametrize("wrong", [{"tier": 4}, {"shadows": 19}, {"shadows": 9}, {"seeds": 1}, {"models": 7}])
def test_sizes_out_of_range_are_refused(story, wrong):
    with pytest.raises(BadValue, match=next(iter(wrong)).capitalize()):
        Audit(subject=story.subject, **wrong)
    if "shadows" in wrong:
        with pytest.raises(BadValue, match="Shadows"):
            PerExample(subject=story.subject, **wrong)


# -- what is said ------------------------------------------------------------------------------------------------------


def test_a_damaged_audit_is_made_again(story, by_tier):
    wanted = story.wanted.but(tier=1)
    result = story.store.find(wanted)
    known = result.table("numbers")
    before = stored(story.store)
    file = result.folder / "numbers.parquet"
    file.write_bytes(file.read_bytes()[:-7])
    assert story.store.find(wanted) is None and deepest(story.store, story.subject).spec() == story.wanted
    again = fulfil(story.store, wanted)
    pd.testing.assert_frame_equal(again.table("numbers"), known)
    assert stored(story.store) == before and again.key == result.key, "nothing else was made"


def test_each_tier_holds_the_lines_of_those_before(by_tier):
    tables = [audit.table("numbers") for audit in by_tier]
    for lower, higher in zip(tables, tables[1:], strict=False):
        common = higher.merge(lower, on=["kind", "seed", "metric", "on", "by", "unit"], suffixes=("", "_lower"))
        assert len(common) == len(lower) < len(higher)
        same = np.isclose(common["value"], common["value_lower"], rtol=1e-12, equal_nan=True)
        assert same.all() and (common["why"] == common["why_lower"]).all()
    assert set(tables[0]["seed"]) == {0} and set(tables[1]["seed"]) == {0, 1}


def test_tier_by_tier_more_is_said_and_nothing_is_taken_back(by_tier):
    overviews = [audit.table() for audit in by_tier]
    named = [set(map(tuple, t[["metric", "on", "by"]].to_numpy())) for t in overviews]
    assert all(lower < higher for lower, higher in zip(named, named[1:], strict=False))
    assert overviews[0]["side"].isna().all(), "one seed tells nothing"
    verdicts = [t.set_index(["metric", "on", "by"])["says"].sort_index() for t in overviews[1:]]
    for lower, higher in zip(verdicts, verdicts[1:], strict=False):
        assert lower.equals(higher[lower.index])


def test_summaries_count_the_lines(by_tier, story):
    for tier, audit in enumerate(by_tier):
        said, table = audit.json("summary"), audit.table()
        assert (said["name"], said["tier"], said["forget"]) == ("Deep", tier, 30)
        assert said["seeds"] == (2 if tier else 1) and said["algorithm"] == story.subject.unlearner.title
        assert said["numbers"] == len(table) and said["compared"] == table["side"].notna().sum()
        assert sum(said["says"].values()) == said["compared"]
        assert said["says"].get("not told from retraining", 0) == said["like_retraining"]
        judged = table[table["side"].notna()]
        assert said["without_power"] == sum(power is False for power in judged["has_power"])
    assert deepest(story.store, story.subject).key == by_tier[-1].key
    assert deepest(story.store, story.subject.but(unlearner=NegGradPlus())) is None


def test_an_audit_has_every_metric_and_no_other(by_tier):
    found = [set(audit.table()["metric"]) for audit in by_tier]
    assert found[-1] <= set(METRICS)
    lacking = set(METRICS) - found[-1]
    assert lacking == set(ELSEWHERE), "add a line to the audit, or to ELSEWHERE of docs/evaluation.py"
    for number, names in enumerate(found):
        needed_later = {name for name in names if METRICS[name].tier > max(number, 1)}
        assert not needed_later, "what a metric says it costs is what its tier makes"


def test_every_number_is_finite_or_says_why_not(by_tier):
    for audit in by_tier:
        numbers = audit.table("numbers")
        missing = numbers["value"].isna()
        assert (numbers.loc[missing, "why"] != "").all(), numbers[missing & (numbers["why"] == "")]
        assert np.isfinite(numbers.loc[~missing, "value"]).all()
        table = audit.table()
        shown = table[["unlearned", "original", "retrained", "gap", "gap_half_width", "floor"]].to_numpy(float)
        assert not np.isinf(shown).any()
        unknown = table["unlearned"].isna()
        assert (table.loc[unknown, "why"] != "").all() and (table.loc[unknown, "says"] == "cannot be told").all()


def test_every_kind_of_model_is_measured(by_tier):
    for tier, audit in enumerate(by_tier):
        numbers = audit.table("numbers")
        for (metric, unit), group in numbers.groupby(["metric", "unit"]):
            kinds = set(group["kind"])
            if unit != "seeds":
                assert kinds == {"unlearned", "original", "retrained"}, metric
            else:
                assert kinds == set(KINDS) - ({"original"} if metric == "speedup" else set()), metric
                for _, own in group.groupby(["kind", "on", "by"]):
                    assert sorted(own["seed"]) == list(range(2 if tier else 1)), metric


def test_numbers_lie_in_their_ranges(by_tier):
    numbers = by_tier[-1].table("numbers").dropna(subset="value")
    shares = ("auc", "u_lira_auc", "rmia_auc", "retain_leakage", "forget_accuracy", "agreement", "tow", "told_apart")
    inside = numbers[numbers["metric"].isin(shares)]["value"]
    assert inside.between(0, 1).all() and len(inside) > 100
    for metric in ("js_divergence", "klom", "margin_distance", "weight_distance"):
        assert (numbers[numbers["metric"] == metric]["value"] >= 0).all()


def test_the_tables_beside_the_lines(by_tier, story):
    images, many = by_tier[-1].table("images"), by_tier[-1].table("many_models")
    rows = unpack(story.subject.forget, 630)
    for table in (images, many):
        assert sorted(table["row"]) == rows.tolist() and table["part"].value_counts().to_dict() == {
            "low": 10, "medium": 10, "high": 10
        }  # fmt: skip
    assert images["auc"].between(0, 1).all() and images["p_member"].is_monotonic_decreasing
    assert images[["p_member", "retrained_p_member"]].stack().between(0, 1).all()
    assert not (by_tier[1].folder / "images.parquet").exists() and by_tier[2].table("images").equals(images)
    for name in ("classes", "neighbours", "worst_hit"):
        assert set(by_tier[1].table(name)["kind"]) == {"unlearned", "retrained"}
        assert not (by_tier[0].folder / f"{name}.parquet").exists()


@pytest.mark.parametrize(
    ("gap", "half", "noise", "found"),
    [
        (-0.05, 0.01, (0.0, 0.0), "more"),
        (0.05, 0.01, (0.0, 0.0), "less"),
        (-0.05, 0.06, (0.0, 0.0), "untold"),
        (-0.05, 0.01, (-0.02, 0.04), "untold"),
        (-0.05, None, (0.0, 0.0), "untold"),
        (-0.05, 0.01, (0.0, None), "untold"),
        (None, None, (0.0, 0.0), None),
    ],
)
def test_what_nearness_costs_has_to_exceed_both_intervals(gap, half, noise, found):
    lines = [("unlearned", "confidence", gap, half), ("retrained", "confidence", *noise)]
    lines += [("unlearned", "accuracy", 0.9, 0.0), ("retrained", "accuracy", 0.0, 0.0)]
    table = pd.DataFrame(lines, columns=["kind", "measure", "gap", "half_width"]).assign(images="difference")
    assert nearness(table) == found


def test_more_is_found_in_the_original_than_in_a_retrained_model(by_tier):
    """The power of an audit: what was memorized most must be seen before it was forgotten."""
    table = by_tier[-1].table().set_index(["metric", "on", "by"])
    for line in (("forget_accuracy", "forget", ""), ("u_lira_efficacy_auc", "forget", "per example")):
        assert table.loc[line, "original"] > table.loc[line, "retrained"] + 0.2
    for line in (("margin_shift", "forget", ""), ("told_apart", "forget", ""), ("klom", "forget", "")):
        assert table.loc[line, "has_power"] and table.loc[line, "power"] > 0
    assert table.loc[("forgetting_quality", "forget", ""), "power"] < 0


# -- the ends of the scale ---------------------------------------------------------------------------------------------


def lines_of(store: Store, subject: Subject) -> pd.DataFrame:
    table = fulfil(store, Instant(subject=subject)).table()
    return table.pivot_table(index=["metric", "on", "by"], columns="kind", values="value", sort=False)


def test_doing_nothing_reads_what_the_original_reads(story, filled_study):
    study = OpenStudy(story.store, story.store.find(filled_study))
    found = lines_of(story.store, subject_of_method(study, "original")).drop("speedup", level="metric")
    assert len(found) > 60
    pd.testing.assert_series_equal(found["unlearned"], found["original"], check_names=False)
    assert not np.isclose(found["original"], found["retrained"]).all()


def test_retraining_by_the_algorithm_reads_exactly_like_retraining(story, filled_study):
    study = OpenStudy(story.store, story.store.find(filled_study))
    subject = subject_of_method(study, "retrained")
    found = lines_of(story.store, subject).drop("speedup", level="metric")
    pd.testing.assert_series_equal(found["unlearned"], found["retrained"], check_names=False)
    with pytest.raises(BadValue, match="part of every audit; audit a method.$"):
        subject_of_method(study, "retrained-again")


def test_the_models_of_a_seed_are_those_of_a_study(story):
    for seed in (0, 5):
        trainings = story.subject.trainings(seed)
        assert {kind: t.seed for kind, t in trainings.items()} == {
            "original": seed, "retrained": seed, "again": AGAIN + seed
        }  # fmt: skip
        assert [trainings[kind].without for kind in trainings] == ["", story.subject.forget, story.subject.forget]
        run = story.subject.run(seed)
        assert (run.training, run.seed, run.forget) == (trainings["original"], seed, story.subject.forget)
        assert subject_of_run(run) == story.subject.but(parts=())


def test_an_algorithm_for_whole_classes_cannot_delete_one_image_and_says_so(story):
    labels = dataset(story.store, story.subject.training.data).train.y.numpy()
    subject = Subject.of(story.subject.training, np.flatnonzero(labels == 3), {}, Unsir())
    before = stored(story.store)
    table = fulfil(story.store, Inversion(subject=subject)).table()
    assert set(table["metric"]) == {"inversion_label_accuracy", "inversion_retrieval"} and table["value"].isna().all()
    assert table["why"].str.contains("whole classes").all()
    assert stored(story.store) == before + Counter(Inversion=1)


# -- shadows -----------------------------------------------------------------------------------------------------------


def observed(shadows: int, images: int = 12, seed: int = 0) -> Observed:
    """Shadows that say more of an image they were trained on, and of one they unlearned as much as of one unseen."""
    rng = np.random.default_rng(seed)
    roles = deal_roles(images, shadows, seed).reshape(shadows, -1)
    noise = rng.normal(size=(2, *roles.shape)).astype(np.float32)
    before = noise[0] + 4.0 * (roles != Role.OUT)
    after = noise[1] + 4.0 * (roles == Role.IN)
    return Observed(np.arange(3 * images), roles, before.astype(np.float32), after.astype(np.float32))


def test_each_role_has_one_model_a_block_before_and_after():
    seen = observed(12)
    for role, when in ((Role.OUT, "before"), (Role.OUT, "after"), (Role.UNLEARN, "before"), (Role.UNLEARN, "after")):
        phi = seen.phi(role, when)
        assert phi.shape == (4, 36) and phi.dtype == np.float64
        for block in range(4):
            for image in (0, 17, 35):
                (shadow,) = np.flatnonzero(seen.roles[3 * block : 3 * block + 3, image] == role) + 3 * block
                assert phi[block, image] == getattr(seen, when)[shadow, image]
    assert seen.never_seen.mean() < 1 < 3 < seen.remembered.mean() and abs(seen.unlearned.mean()) < 1


def test_the_attacks_on_shadows_see_what_was_put_there():
    table = pd.DataFrame(lines(observed(60, images=40)))
    areas, rates = (table[table["metric"].str.endswith(end)] for end in ("_auc", "_tpr"))
    mean = areas.groupby(["metric", "kind", "by", "on"])["value"].mean()
    assert (mean.xs("original", level="kind") > 0.9).all(), "power"
    assert mean.xs("unlearned", level="kind").between(0.42, 0.58).all()
    assert mean.xs("retrained", level="kind").between(0.42, 0.58).all()
    assert areas.groupby(["metric", "kind", "by", "on"]).size().groupby("kind").unique().map(list).to_dict() == {
        "original": [20], "retrained": [10], "unlearned": [20]
    }  # fmt: skip
    guessing = rates["kind"] != "original"
    assert (rates.loc[~guessing, "low"] > 0.8).all() and (rates["low"] <= rates["value"]).all()
    assert (rates.loc[guessing, "value"] < 0.04).all() and (rates["high"] >= rates["value"]).all()
    assert len(rates) == 12 and set(rates["on"]) == {"shadows"}


@pytest.mark.parametrize("shadows", [FEWEST, FEWEST + 3])
def test_the_fewest_shadows_that_may_be_asked_for_can_be_judged(shadows):
    assert len(list(lines(observed(shadows)))) > 0


def test_images_are_listed_with_the_most_exposed_first():
    seen, rng = observed(18), np.random.default_rng(1)
    told = {kind: [rng.normal(size=12) for _ in range(2)] for kind in KINDS}
    told["unlearned"] = [np.where(np.arange(12) == 4, 30.0, phi) for phi in told["unlearned"]]
    table = each_image(seen, {"low": np.arange(3), "high": np.arange(3, 12)}, told)
    assert table["row"].tolist() != sorted(table["row"]) and sorted(table["row"]) == list(range(12))
    assert table.set_index("row")["part"][[0, 2, 3, 11]].tolist() == ["low", "low", "high", "high"]
    assert table["p_member"].is_monotonic_decreasing
    again = table.set_index("row").loc[range(12)]
    np.testing.assert_allclose(again["never_seen"], seen.never_seen.mean(axis=0)[:12])
    np.testing.assert_allclose(again["remembered"], seen.remembered.mean(axis=0)[:12])


def test_a_part_is_written_with_its_name():
    with pytest.raises(BadValue, match="A part is written as its name, a colon and its rows"):
        Subject(forget="1-3", parts=("1-2",), unlearner=RandomLabel())
    parts = {"low": np.array([1]), "high": np.array([], int)}
    subject = Subject.of(Training(seed=4, without="5"), np.array([1, 2, 9]), parts, RandomLabel())
    assert subject.parts == ("low:1",) and subject.forget == pack([1, 2, 9])
    assert (subject.training.seed, subject.training.without) == (0, "")
