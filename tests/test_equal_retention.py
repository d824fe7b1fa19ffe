"""Methods at one level of retention, from the stored models of a finished study."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core.cli import app
from unlearn_core.experiment import EqualRetention, OpenStudy, fulfil
from unlearn_core.experiment.equal_retention import finished, means
from unlearn_core.experiment.trained_models import load_model
from unlearn_core.params import BadValue, key
from unlearn_core.store import Store
from unlearn_core.training import predict
from unlearn_core.unlearning.mixing import mixed


@pytest.fixture(scope="module")
def study(filled_store, filled_study, tmp_path_factory):
    root = tmp_path_factory.mktemp("equal") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)
    return OpenStudy(store, fulfil(store, filled_study))


@pytest.fixture(scope="module")
def table(study):
    assert finished(study) is None
    fulfil(study.store, EqualRetention(study=study.spec))
    return finished(study)


def test_every_method_is_mixed_at_every_share(study, table):
    methods = set(study.table.loc[study.table["kind"] != "reference", "method"])
    assert set(table["method"]) == methods and len(table) == len(methods) * study.spec.seeds * 5
    assert table["alpha"].between(0, 1).all() and (table.loc[~table["mixes"], "alpha"] == 1).all()


def test_what_keeps_enough_by_itself_stays_as_it_was_measured(study, table):
    whole = table[table["mixes"] & (table["alpha"] == 1)]
    assert len(whole)
    measured = study.table.set_index(["method", "seed"])
    for line in whole.itertuples():
        for metric in ("group_tow", "forget_accuracy", "test_accuracy"):
            assert getattr(line, metric) == measured.loc[(line.method, line.seed), metric]


def test_the_level_is_kept_and_a_little_more_would_lose_it(study, table):
    """By hand: the model at alpha has the accuracy that was asked, the one a thousandth further on has not."""
    seen = study.data.validation
    found = table[table["mixes"] & table["alpha"].between(0.01, 0.99)]
    for line in list(found.itertuples())[:6]:
        training = study.spec.training.but(seed=line.seed)
        original = load_model(study.store, training, study.store.find(training))
        unlearned = load_model(study.store, training, study.run_result(line.method, line.seed))

        def right(alpha, original=original, unlearned=unlearned):
            return (predict(mixed(original, unlearned, alpha), seen).logits.argmax(1) == seen.y.numpy()).sum()

        bar = line.retention * right(0.0)
        assert right(line.alpha) >= bar > right(min(1.0, line.alpha + 1e-3))


def test_lower_shares_never_mix_further_back(table):
    for _, group in table[table["mixes"]].groupby(["method", "seed"]):
        alphas = group.sort_values("retention")["alpha"].to_numpy()
        assert (np.diff(alphas) <= 1e-9).all()


def test_means_are_over_seeds(study, table):
    found = means(table, "forget_accuracy").set_index(["method", "retention"])
    method = table["method"].iloc[0]
    values = table[(table["method"] == method) & (table["retention"] == 0.99)]["forget_accuracy"]
    assert found.loc[(method, 0.99), "mean"] == pytest.approx(values.mean())


@pytest.mark.parametrize("shares", [(), (0,), (1.2,), ("all",)])
def test_shares_out_of_range_are_refused(shares, filled_study):
    with pytest.raises(BadValue, match="Shares of accuracy"):
        EqualRetention(study=filled_study, retentions=shares)


def test_equal_shares_have_one_key(filled_study):
    assert key(EqualRetention(study=filled_study, retentions=(1,))) == key(
        EqualRetention(study=filled_study, retentions=(1.0,))
    )


def test_the_command_prints_it(study, table):
    done = CliRunner().invoke(app, ["calibrate", "--json", "--store", str(study.store.root)])
    assert done.exit_code == 0 and len(json.loads(done.stdout.splitlines()[-1])["lines"]) == len(table)
    shown = CliRunner().invoke(app, ["calibrate", "--store", str(study.store.root)])
    assert shown.exit_code == 0 and "fine-tune" in shown.stdout
