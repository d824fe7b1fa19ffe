"""Which finished study, and which of its methods, a result is looked at in."""

from __future__ import annotations

from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import Spec, key
from unlearn_core.store import Store


def study_of(store: Store, spec: Spec, preferred: str = "") -> str | None:
    """Key of the study that a result is about; of one that is about no single study, of a study with the same training,
    and with the same forget set where one has it: `preferred` where that is one, else the newest. None where there is
    none, or it is about no study at all.
    """
    about = spec if isinstance(spec, Study) else getattr(spec, "study", None)
    if isinstance(about, Study):
        return key(about) if store.find(about) is not None else None
    spec = getattr(spec, "subject", None) or getattr(spec, "search", None) or spec
    training = getattr(spec, "training", None)
    if training is None:
        return None
    training = training.but(seed=0, without="")
    specs = {result.key: result.spec() for result in whole_studies(store)}
    fits = [name for name, own in specs.items() if training in (own.training, own.training.afresh)]
    fits = [name for name in fits if specs[name].forget == getattr(spec, "forget", None)] or fits
    return preferred if preferred in fits else next(iter(fits), None)


def method_of(study: OpenStudy, spec: Spec) -> str | None:
    """The method of a study that a result is about, as its table names it; None where it is about none of them."""
    if isinstance(getattr(spec, "method", None), str):
        return spec.method
    unlearner = getattr(getattr(spec, "subject", spec), "unlearner", None)
    runs = study.table.loc[study.table["kind"] != "reference", "method"].drop_duplicates()
    return next((m for m in runs if study.run_result(m, 0).spec().unlearner == unlearner), None)
