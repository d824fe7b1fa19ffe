"""What it takes to ask the models of a study once more is told before it is done, and goes by what was done."""

import shutil

import pytest

from unlearn_core.experiment import EqualRetention, LayerCka, OpenStudy, SharedMap, fulfil
from unlearn_core.experiment.asking_cost import asking_seconds
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


def test_where_none_was_made_it_goes_by_how_fast_the_models_learned(study):
    layers, equal, pca, umap = asked(study)
    few = layers.but(images=8)
    assert 0 < asking_seconds(study, few) < asking_seconds(study, layers)
    assert asking_seconds(study, equal) > asking_seconds(study, equal.but(retentions=(0.9,))) > 0
    assert asking_seconds(study, pca) > 0
    assert asking_seconds(study, umap) is None


def test_where_one_was_made_it_goes_by_that(study):
    layers = asked(study)[0]
    made = fulfil(study.store, layers.but(images=8))
    took = made.manifest()["seconds"]
    assert asking_seconds(study, layers.but(images=8)) == pytest.approx(took)
    images = {n: min(n, len(study.forget)) + min(n, len(study.data.test.y)) for n in (8, layers.images)}
    assert asking_seconds(study, layers) == pytest.approx(took * images[layers.images] / images[8])
