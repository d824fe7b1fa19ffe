"""In which study a result is looked at, and under which of its methods."""

from unlearn_core.experiment import LayerCka, OpenStudy, SharedMap, Stream, TryEverything, studies
from unlearn_core.experiment.shown import method_of, study_of
from unlearn_core.params import key
from unlearn_core.store import Store


def test_a_result_is_looked_at_in_the_study_that_it_is_about(filled_store, filled_study):
    store, own = Store(filled_store), key(filled_study)
    for about in (filled_study, LayerCka(study=filled_study), SharedMap(study=filled_study, method="rum")):
        assert study_of(store, about, "0" * 32) == own
    assert study_of(store, LayerCka(study=filled_study.but(name="Not run"))) is None


def test_else_in_one_with_the_same_training(filled_store, filled_study):
    store, own = Store(filled_store), key(filled_study)
    asked = TryEverything(training=filled_study.training)
    assert study_of(store, asked) == study_of(store, asked, own) == study_of(store, asked, "0" * 32) == own
    assert study_of(store, asked.but(training=filled_study.training.but(epochs=3)), own) is None


def test_a_method_is_found_by_what_it_ran(filled_store):
    study = OpenStudy.open(Store(filled_store), studies(Store(filled_store))[0].key)
    runs = study.table.loc[study.table["kind"] != "reference", "method"].unique()
    for method in runs:
        unlearner = study.run_result(method, 0).spec().unlearner
        stream = Stream(training=study.spec.training, requests=("0-2", "3-5"), unlearner=unlearner)
        assert study.run_result(method_of(study, stream), 0).spec().unlearner == unlearner
    assert method_of(study, SharedMap(study=study.spec, method="x")) == "x"
    assert method_of(study, TryEverything()) is None
