"""From a finished job to its result: the page, the study and the set that it is about, the fold that holds it."""

from __future__ import annotations

import streamlit as st

from pages.shared import chosen_set, folds, state
from unlearn_core.experiment import AddedImages, OpenStudy
from unlearn_core.experiment.shown import method_of, study_of
from unlearn_core.forget import Picked
from unlearn_core.job import Job
from unlearn_core.kinds import KINDS
from unlearn_core.params import Spec
from unlearn_core.rows import unpack


def go(job: Job) -> None:
    """Leave this page for the one that shows what a job has made."""
    place = KINDS[job.kind].opens
    spec = state.store().open(job.kind, job.key).spec()
    view = dict(place.view)
    if (found := study_of(state.store(), spec, st.query_params.get("study", ""))) is not None:
        study = state.opened(found)
        view["study"] = found
        if place.method and (method := method_of(study, spec)):
            view[place.method] = method
        if job.kind != "Study":
            _take_set(study, spec)
    if isinstance(spec, AddedImages):
        view["images"] = spec.name
    if place.fold:
        st.session_state[folds.key(place.fold)] = True
    st.switch_page(place.page, query_params=view)


def _take_set(study: OpenStudy, spec: Spec) -> None:
    """Take the forget set that a result is about in hand, for its page shows what belongs to the set in hand."""
    forget = getattr(getattr(spec, "search", spec), "forget", None)
    if isinstance(forget, Picked):
        chosen_set.change(study, unpack(forget.named, len(study.labels)))
    elif forget is not None and forget == study.spec.forget:
        chosen_set.change(study, study.forget)
