"""What this is, and three ways in: the example, a finished study, a study of one's own."""

import streamlit as st

from pages.shared import frame, idea, new_study, progress, state, theme
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.experiment import OpenStudy, example, studies
from unlearn_core.params import key
from unlearn_core.store import StoreError


def draw() -> None:
    st.title("Why is forgetting these images hard, what should be done about it, and did it work?")
    st.markdown(
        "Choose images that a trained model should forget and see how strongly it memorized them and how entangled they are "
        "with the rest. Plan how to forget them, part by part, and let attacks and retrained models say how well it "
        "worked. The best result possible is a model that behaves as if it had been trained without these images."
    )
    theme.show(idea.drawing(), alt=idea.ALT)
    finished = studies(state.store())
    columns = st.columns(3)
    with columns[0].container(border=True, height="stretch"):
        st.subheader("The example")
        progress.live("example", _example)
    with columns[1].container(border=True, height="stretch"):
        st.subheader("A finished study")
        _finished([listed for listed in finished if listed.key != key(example())])
    with columns[2].container(border=True, height="stretch"):
        st.subheader("A study of your own")
        st.markdown("Choose images, a model, and what it should forget; all algorithms and a plan are run on it.")
        own = st.toggle("Set up a study", key="own", bind="query-params")
    if own:
        new_study.draw()


def _example() -> None:
    study, store = example(), state.store()
    st.markdown(
        f"Handwritten digits: {study.forget.size} images, from hardly to strongly memorized, are forgotten by "
        f"{study.seeds} models."
    )
    job = _job(key(study))
    if store.find(study) is not None:
        seconds = sum(OpenStudy.open(store, key(study)).summary["seconds"].values())
        st.caption(f"Finished here; it took {duration(seconds)}.")
        if st.button("Open the example", type="primary"):
            state.open_study(key(study))
    elif job is None:
        st.caption("Takes a few minutes on two processor cores.")
        if st.button("Run the example", type="primary", icon=":material/play_arrow:"):
            jobs.submit(store, study)
            st.rerun()
    else:
        st.markdown(f"**{progress.status(job)}** · {duration(job.seconds)}")
        progress.words(job)
        progress.stages(job)
        progress.actions(job, primary=True)


def _job(name: str) -> jobs.Job | None:
    try:
        return jobs.find(state.store(), name)
    except StoreError:
        return None


def _finished(others: list) -> None:
    if not others:
        st.markdown("There is none yet besides the example. Studies that are finished are listed here.")
        return
    listed = {study.key: study for study in others}
    chosen = st.selectbox(
        "Study to open",
        list(listed),
        format_func=lambda k: f"{listed[k].name} #{k[:4]}",
        key="finished",
        persist_state="session",
    )
    study = listed[chosen]
    st.caption(
        f"{escape(study.dataset)}: {study.forget} images to forget, {study.methods} models compared, {study.seeds} seeds, "
        f"finished {study.created[:10]}."
    )
    if st.button("Open this study"):
        state.open_study(chosen)


frame.page(draw)
