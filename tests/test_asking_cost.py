"""What it takes to ask the models of a study once more is told before it is done, and goes by what was done."""

import shutil
import time

import pytest

from unlearn_core.experiment import EqualRetention, LayerCka, OpenStudy, SharedMap, fulfil
from unlearn_core.experiment import asking_cost as asking
from unlearn_core.experiment.asking_cost import asking_cost
from unlearn_core.experiment.embedded_images import Map
from unlearn_core.kinds import KINDS, STUDY
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store, filled_study, tmp_path_factory):
    root = tmp_path_factory.mktemp("asking") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)
    return OpenStudy(store, fulfil(store, filled_study))


def asked(study):
    method = study.table.loc[study.table["kind"] == "single", "method"].iloc[0]
    maps = [SharedMap(study=study.spec, method=method, kind=kind) for kind in ("pca", "umap")]
    return LayerCka(study=study.spec), EqualRetention(study=study.spec), *maps


def test_what_asks_the_models_of_a_study_has_its_work_told():
    """But for ProxyTable, which goes by the bank."""
    kinds = {name for name, row in KINDS.items() if row.about == STUDY} - {"ProxyTable"}
    lacking = kinds - {kind.__name__ for kind in asking.WORK}
    assert not lacking, f"{lacking} must be in WORK of unlearn_core/experiment/asking_cost.py, or be named here"


def test_where_none_was_made_it_goes_by_how_fast_the_models_learned(study):
    layers, equal, pca, umap = asked(study)
    assert asking_cost(study, layers).factor == 5.0
    assert asking_cost(study, layers.but(images=8)).seconds < asking_cost(study, layers).seconds
    assert asking_cost(study, equal.but(retentions=(0.9,))).seconds < asking_cost(study, equal).seconds
    assert asking_cost(study, pca).seconds > 0
    layout = study.store.find(Map(training=study.spec.training)).undisturbed()
    train, test = len(study.data.train.y), len(study.data.test.y)
    assert asking_cost(study, umap).factor == 5.0
    plane = asking_cost(study, umap).seconds - asking_cost(study, pca).seconds
    assert plane == pytest.approx(layout * 4 * train / (train + test))


def test_a_first_umap_is_not_guessed_without_that_of_the_original(study, monkeypatch):
    monkeypatch.setattr(asking, "map_of", lambda _, training: Map(training=training, seed=7))
    assert asking_cost(study, asked(study)[3]) is None


def test_what_a_first_umap_took_lies_in_the_range(study):
    umap = asked(study)[3]
    first = asking_cost(study, umap)
    took = fulfil(study.store, umap).undisturbed()
    assert first.seconds / first.factor < took < first.seconds * first.factor
    assert asking_cost(study, umap).seconds == pytest.approx(took)


def test_what_it_took_lies_in_the_range_and_the_next_goes_by_it(study):
    """Against a clock of the test's own, for each of the three."""
    for spec in asked(study)[:3]:
        first = asking_cost(study, spec)
        began = time.perf_counter()
        result = fulfil(study.store, spec)
        took = time.perf_counter() - began
        assert first.seconds / first.factor < took < first.seconds * first.factor, spec
        assert 0.5 * took < result.manifest()["seconds"] <= took
        again = asking_cost(study, spec)
        assert again.seconds == pytest.approx(result.undisturbed()) and again.factor == 2.0
    layers = asked(study)[0]
    half = asking_cost(study, layers.but(images=15)).seconds
    images = {n: min(n, len(study.forget)) + min(n, len(study.data.test.y)) for n in (15, layers.images)}
    assert half == pytest.approx(asking_cost(study, layers).seconds * images[15] / images[layers.images])


def test_a_result_that_says_only_how_long_it_was_written_tells_nothing(study, monkeypatch):
    layers = asked(study)[0]
    fulfil(study.store, layers)
    monkeypatch.setattr(asking, "WRITING", 1e6)
    assert asking_cost(study, layers).factor == 5.0
