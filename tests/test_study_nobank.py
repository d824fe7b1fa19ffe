"""A study without a bank of models: images ranked by their confidence during training, everything else as ever."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core.cli import app
from unlearn_core.experiment import OpenStudy, ProxyTable, Study, attributes, audit, comparison, fulfil, proxy_table
from unlearn_core.experiment.forecast import forecast
from unlearn_core.experiment.memorized import Unbanked, bank_of, memorization_of
from unlearn_core.params import BadValue, build, key, plain
from unlearn_core.proxies import PROXIES
from unlearn_core.rum import Plan
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(unbanked_store, unbanked_study) -> OpenStudy:
    return OpenStudy.open(Store(unbanked_store), key(unbanked_study))


@pytest.fixture
def copied(unbanked_store, tmp_path) -> Store:
    return Store(shutil.copytree(unbanked_store, tmp_path / "copied"))


def confidence(study) -> np.ndarray:
    """The kept mean confidence of the study's first original model in each training image's label."""
    return study.store.find(study.spec.training).arrays("trajectory")["confidence"].astype(float)


# -- what a study may ask for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [1, 9])
def test_a_bank_has_ten_models_or_none(models):
    with pytest.raises(BadValue, match=f"^Models must be at least 10, or 0 for no bank, not {models}.$"):
        Study(models=models)


def test_studies_without_a_bank_that_mean_the_same_are_one():
    assert Study(models=0, stop_at=0.9) == Study(models=0)
    assert build(plain(Study(models=0))) == Study(models=0)
    assert Study(models=0).bank == Unbanked(Study().training) == bank_of(Study().training.but(seed=3), 0)
    assert Study(stop_at=0.9).bank.stop_at == 0.9


# -- what it does ------------------------------------------------------------------------------------------------------


def test_no_bank_is_trained(study):
    assert not {"Bank", "BankPart"} & set(study.store.kinds())
    assert "bank" not in study.summary["seconds"]
    assert (study.summary["bank_models"], study.summary["bank_fitted"]) == (0, None)
    assert study.summary["bank_warning"].startswith("No bank of models was trained")
    assert json.loads(json.dumps(study.summary, allow_nan=False)) == study.summary


def test_scores_are_one_minus_the_mean_confidence(study):
    found = study.memorization
    assert found.scores == pytest.approx(1 - confidence(study), abs=1e-6)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert found.standard_error is None and found.warning == study.summary["bank_warning"]
    assert study.stability is None and study.about(study.forget).memorization_error is None


def test_the_set_and_its_parts_are_chosen_by_confidence(study):
    """Ten each: the surest, the least sure, and of the rest those nearest to 0.5; cut into thirds by confidence."""
    score = np.round(1 - confidence(study), 6)
    ranked = np.argsort(score, kind="stable")
    assert set(ranked[-9:]) | set(ranked[:9]) <= set(study.forget)
    medium = np.setdiff1d(study.forget, np.concatenate([ranked[-10:], ranked[:10]]))
    outside = np.setdiff1d(np.arange(len(score)), study.forget)
    assert np.abs(score[medium] - 0.5).max() <= np.abs(score[outside] - 0.5).min() + 1e-6
    low, middle, high = (score[study.parts[name]] for name in ("low", "medium", "high"))
    assert len(low) == len(middle) == len(high) == 10
    assert low.max() <= middle.min() and middle.max() <= high.min()


def test_a_plan_by_memorization_is_one_by_confidence(study):
    by_default, by_proxy = (study.refine(Plan(by=by), study.forget) for by in ("memorization", "confidence"))
    assert all(np.array_equal(by_default[name], by_proxy[name]) for name in by_default)
    cut = attributes.refine(study.store, study.spec.bank, Plan(), study.forget)
    assert all(np.array_equal(by_default[name], cut[name]) for name in cut)


def test_with_a_bank_nothing_changes(filled_store, filled_study):
    opened = OpenStudy.open(Store(filled_store), key(filled_study))
    found = memorization_of(opened.store, filled_study.bank)
    assert np.array_equal(found.scores, opened.memorization.scores) and found.standard_error is not None
    assert found.fitted == opened.summary["bank_fitted"] and opened.summary["bank_models"] == 10
    assert opened.stability["members"].iloc[-1] == 10


# -- what is measured and what is not ----------------------------------------------------------------------------------


def test_everything_but_the_likelihood_ratio_is_measured(study):
    assert study.table["lira_auc"].isna().all()
    assert study.table[["group_tow", "attack_auc", "test_accuracy"]].notna().all().all()
    assert set(study.summary["lira_auc"]["after"].values()) == {None} and study.summary["lira_auc"]["before"] is None
    table = comparison.everything(study)
    assert table["lira_auc"].isna().all() and len(comparison.ranked(study, "lira_auc")) == 9


def test_attacks_that_need_other_models_are_left_out(study):
    assert audit.default_statistic(study) == "confidence"
    offered = audit.statistics(study)
    alone = {name for name, attack in audit.STATISTICS.items() if set(attack.needs) <= {"logits", "labels"}}
    assert set(offered) == alone >= {"confidence", "entropy", "modified_entropy", "correctness"}
    for name in offered:
        assert 0 <= audit.attack(study, "rum", name).success.value <= 1
    for refused in (
        lambda: audit.attack(study, "rum", "lira_online"),
        lambda: audit.at_risk(study, "rum"),
        lambda: study.lira("rum", 0),
    ):
        with pytest.raises(BadValue, match="no bank of models was trained"):
            refused()


def test_a_bank_allows_every_attack(filled_store, filled_study):
    assert audit.statistics(OpenStudy.open(Store(filled_store), key(filled_study))) == audit.STATISTICS


def test_the_next_study_without_a_bank_has_a_cost(study):
    wanted = study.spec.but(seeds=5)
    found = forecast(study, wanted)
    assert found.runs > 0 and found.trainings == 6 and found.reused > 0 and found.seconds > 0
    assert forecast(study, study.spec).runs == 0
    with pytest.raises(BadValue, match="the same bank"):
        forecast(study, study.spec.but(models=10))


# -- cheaper scores ----------------------------------------------------------------------------------------------------


def test_cheaper_scores_are_held_against_nothing(copied, unbanked_study):
    fulfil(copied, ProxyTable(study=unbanked_study))
    opened = OpenStudy.open(copied, key(unbanked_study))
    table, about = proxy_table.finished(opened)
    assert list(table.index) == list(PROXIES) and about == {"halves": None, "part_size": 10}
    assert table[["correlation", "overlap", "share_of_bank", "difference"]].isna().all().all()
    assert table["group_tow"].notna().all() and (table["seconds"] > 0).sum() == 2
    # The study's own plan is the one cut by confidence, so its runs are found again.
    assert table.loc["confidence", "group_tow"] == pytest.approx(opened.means("group_tow").loc["rum", "mean"])


# -- from the command line ---------------------------------------------------------------------------------------------


def run(store, *args):
    done = CliRunner().invoke(app, [*map(str, args), "--store", str(store.root)])
    return done.exit_code, done.stdout, done.stderr


def test_the_study_command_takes_no_bank(copied, filled_study, unbanked_study, tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(plain(filled_study.but(name="Without a bank"))))
    code, said, beside = run(copied, "study", file, "--models", 0)
    assert code == 0, beside
    found = json.loads(said.splitlines()[-1])
    assert found["cached"] and found["study"] == key(unbanked_study) and found["lira_auc"]["before"] is None
    assert "No bank of models was trained" in " ".join(beside.split())
    shown = run(copied, "study", "--show", file, "--models", 0)[1]
    assert build(json.loads(shown)) == unbanked_study
    code, said, beside = run(copied, "study", file, "--models", 5)
    assert (code, said) == (2, "") and beside.startswith("--models must be at least 10, or 0 for no bank, not 5.")


def test_commands_on_a_study_without_a_bank(copied):
    code, table, _ = run(copied, "compare")
    assert code == 0 and "fine-tune" in table
    code, said, _ = run(copied, "audit", "--method", "rum")
    assert code == 0 and json.loads(said)["attack"] == "confidence"
    code, said, beside = run(copied, "audit", "--method", "rum", "--attack", "lira_online")
    assert (code, said) == (2, "") and "no bank of models was trained" in beside
    assert run(copied, "suggest")[0] == 0
    code, said, beside = run(copied, "proxies")
    assert code == 0 and "loss_curvature" in said and "no exact score" in beside


def test_images_are_chosen_without_a_bank(copied, unbanked_study, tmp_path):
    recipe = ("--images", 700, "--test-images", 200, "--epochs", 16)
    code, said, beside = run(copied, "forget", "--size", 30, "--models", 0, *recipe)
    assert code == 0, beside
    chosen = OpenStudy.open(copied, key(unbanked_study))
    found = json.loads(said)
    assert found["memorization"] == pytest.approx(chosen.memorization.scores[chosen.forget].mean())
    assert "No bank of models was trained" in beside and not {"Bank", "BankPart"} & set(copied.kinds())
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(plain(unbanked_study.plans[0].but(by="max_confidence"))))
    code, said, beside = run(copied, "unlearn", "--forget", found["rows"], "--plan", plan, "--models", 0, *recipe)
    assert code == 0, beside
    assert json.loads(said)["forget"] == 30 and "Bank" not in copied.kinds()
