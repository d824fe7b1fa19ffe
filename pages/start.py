"""What this is, and three ways in: explore the example, build a forget set of one's own, open a report."""

from pathlib import Path

import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import access, frame, idea, new_study, own_algorithms, own_model, progress, recorded, state, theme
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.experiment import example, studies
from unlearn_core.params import key

GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"


def draw() -> None:
    st.title("Unlearning workbench")
    st.markdown(
        "**Why is forgetting these images hard, what should be done about it, and did it work?** Choose images that a "
        "trained model should forget, see how strongly it memorized them, plan how to forget them part by part, and "
        "let attacks say how close the result comes to a model retrained without them."
    )
    columns = st.columns(3)
    with columns[1].container(border=True, height="stretch"):
        st.subheader("Build a forget set")
        st.markdown(
            "Of a finished study: draw it on the map of **Explore**. Or set up a study of your own: images, a model, "
            "what it should forget and the algorithms to try; a RUM plan runs beside them."
        )
        own = _wants_own()
    with columns[0].container(border=True, height="stretch"):
        st.subheader("Explore an example")
        _example("secondary" if own else "primary")
    with columns[2].container(border=True, height="stretch"):
        st.subheader("Open a report")
        _finished([listed for listed in studies(state.store()) if listed.key != key(example())])
        recorded.upload()
    own_algorithms.draw()
    if own:
        new_study.draw()
        own_model.draw()
    theme.show(idea.drawing(), alt=idea.ALT)
    with st.expander("Words used here", icon=":material/menu_book:"):
        st.markdown(GLOSSARY.read_text(encoding="utf-8").partition("\n\n")[2])


def _wants_own() -> bool:
    """Whether the form for a study of one's own is open.

    Kept in the address by hand: Streamlit changes to no other page while a widget is bound to the address.
    """
    wanted = st.toggle("Set up a study", value="own" in st.query_params, key="own")
    if wanted:
        st.query_params["own"] = "yes"
    else:
        st.query_params.pop("own", None)
    return wanted


def _example(kind: str) -> None:
    """Open the example, run it, or show how far it is; until it is there, look at one that was run elsewhere."""
    study, store = example(), state.store()
    finished, job = store.find(study), jobs.get(store, key(study))
    if finished is None and job is not None:
        progress.live("example", lambda: _progress(job.key, kind))
        recorded.example("secondary")
        return
    st.markdown(
        f"{study.seeds} models of handwritten digits forget {study.forget.size} images: see which, why some are hard, "
        "and how well it worked."
    )
    if finished is not None:
        st.caption(f"Finished on {finished.manifest()['created'][:10]}.")
        _ways_in(finished.key, "Open the example", "example.report", kind)
        return
    recorded.example(kind)
    st.caption("A smaller one that was run earlier, to be looked at: smaller models, fewer algorithms and seeds.")
    if access.button("Run the example", icon=":material/play_arrow:"):
        access.submit(store, study)
        st.rerun()
    st.caption("About a minute on two processor cores; then all can be tried.")


def _progress(name: str, kind: str) -> None:
    job = jobs.find(state.store(), name)
    st.markdown(f"{progress.status(job)} · {duration(job.seconds)}")
    progress.words(job)
    progress.actions(job, kind)
    progress.stages(job)


def _finished(others: list) -> None:
    if not others:
        none = "none yet: open the example first" if state.store().find(example()) is None else "none but the example"
        st.markdown(f"Finished studies stand here, each with its report. There is {none}.")
        return
    listed = {study.key: study for study in others}
    labels = {name: f"{study.name} #{name[:4]}" for name, study in listed.items()}
    chosen = st.selectbox(
        "Study to open",
        list(labels),
        format_func=labels.get,
        key="finished",
        persist_state="session",
    )
    study = listed[chosen]
    st.caption(
        f"{escape(study.dataset)}: {study.forget:,} images to forget, {study.seeds} seeds, "
        f"finished {study.created[:10]}."
    )
    _ways_in(chosen, "Open this study", "finished.report")


def _ways_in(study: str, label: str, place: str, kind: str = "secondary") -> None:
    """To the images of a finished study, or to its report for who came to read."""
    with st.container(horizontal=True):
        if st.button(label, type=kind, icon=":material/open_in_new:"):
            state.open_study(study)
        if st.button("Open its report", key=place, icon=":material/summarize:"):
            state.open_report(study)


frame.page(draw)
