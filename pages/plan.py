"""The RUM workbench: cut the forget set into parts, choose an algorithm for each, see what it will cost, run it."""

import streamlit as st

from pages.shared import algorithms, chosen_set, cost_words, frame, plan_editor, plan_file, plan_search, state
from pages.shared.forms import form
from pages.shared.text import escape, images
from unlearn_core import jobs
from unlearn_core.experiment import OpenStudy, Study
from unlearn_core.experiment.forecast import Forecast, forecast
from unlearn_core.experiment.rehearsal import fault
from unlearn_core.params import BadValue, key
from unlearn_core.rum import Plan
from unlearn_core.unlearning import ALGORITHMS
from unlearn_core.unlearning.ends.original import Original


def draw() -> None:
    st.title("Plan")
    study = state.study()
    if study is None:
        frame.empty_state("A plan")
        return
    rows = chosen_set.rows(study)
    sentence = st.container()
    plan = plan_editor.cuts(study, rows, plan_editor.start(study))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("An algorithm for each part", width="content")
        advice = st.container(width="content")
    st.caption(
        "The paper's order is preset; use the button to take what is suggested. Suggestions are measured on the "
        "study's own set, so on that set they flatter themselves a little."
    )
    edited = plan_editor.parts(study, rows, plan)
    if edited is not None:
        plan = edited
    plan = plan_editor.course(study, plan)
    st.subheader("What runs beside it")
    wanted = _study(study, plan, rows)
    plan_editor.remember(study, plan)
    with sentence:
        _sentence(study, plan, rows)
    with advice:
        _advice(study, plan, rows)
    if study.spec.models and not study.spec.stop_at:
        plan_search.draw(study, rows, plan)
    else:
        st.caption("A search for a better plan needs a study whose bank of models was trained whole.")
    _file(study, plan)
    with st.bottom:
        _go(study, plan, wanted if edited is not None else None)


def _sentence(study: OpenStudy, plan: Plan, rows) -> None:
    whose = "the study's own set" if chosen_set.is_own(study, rows) else "your set"
    parts = study.refine(plan, rows)
    steps = [f"{getattr(plan, part).title} on {len(parts[part]):,} {part}" for part in plan.order if len(parts[part])]
    st.markdown(
        f"**{escape(plan.name)}** forgets {whose} of {images(len(rows))} in {len(steps)} "
        f"{'step' if len(steps) == 1 else 'steps'}: {', then '.join(steps)}."
    )
    if st.button("Choose another set", icon=":material/scatter_plot:"):
        st.switch_page("pages/explore.py", query_params=st.query_params.to_dict())


def _advice(study: OpenStudy, plan: Plan, rows) -> None:
    better = plan_editor.suggested(study, plan, rows)
    if st.button("Use what is suggested", icon=":material/lightbulb:", disabled=better == plan):
        plan_editor.load(study, better)
        st.rerun()


def _study(study: OpenStudy, plan: Plan, rows) -> Study | None:
    """The study that the button would run; None, with the reason on screen, where there is none."""
    settled = plan_editor.is_settled(study)
    place = f"beside.{study.key[:8]}{'.settled' * settled}"
    own = [name for name, cls in ALGORITHMS.items() if any(type(u) is cls for u in study.spec.unlearners)]
    singles = st.multiselect(
        "Single algorithms, each on the whole set",
        algorithms.SINGLE,
        default=[name for name in own if name in algorithms.SINGLE],
        format_func=algorithms.label,
        key=f"{place}.singles",
        persist_state="session",
        help="The plan is compared with these. The best of them is its hardest rival.",
    )
    if not singles:
        st.caption("Without a single algorithm Compare has nothing to hold the plan against.")
    name = study.spec.name.removesuffix(", planned") + ", planned"
    name = st.text_input(
        "Name of the study", name, max_chars=60, key=f"{place}.name", persist_state="session", width=420
    )
    if settled:
        st.caption("The plan keeps the learning rates that were found, and the single algorithms those of the study.")
    start = study.spec.but(tuning_seeds=0) if settled else study.spec
    asked = form(Study, place, start, ("seeds", "tuning_seeds", "controls"))
    if asked is None:
        return None
    # Where no rates are to be chosen, those that were chosen before are the fair ones.
    settings = plan_editor.usual if asked.tuning_seeds else plan_editor.tuned
    unlearners = tuple(settings(study, ALGORITHMS[name]) for name in singles)
    return asked.but(
        name=name.strip() or study.spec.name, forget=chosen_set.spec(study, rows), unlearners=unlearners, plans=(plan,)
    )


def _file(study: OpenStudy, plan: Plan) -> None:
    with st.expander("The plan as a file", icon=":material/data_object:"):
        text = plan_file.to_text(plan)
        file = st.file_uploader("Load a plan", type="json", max_upload_size=1, key=f"{plan_editor.keys(study)}.file")
        if file is not None:
            try:
                plan_editor.load(study, plan_file.from_bytes(file.getvalue()))
            except BadValue as error:
                st.error(escape(str(error)))
            else:
                st.rerun()
        st.download_button("Download this plan", text, "plan.json", "application/json", on_click="ignore")
        st.code(text, language="json", height=320)


def _go(study: OpenStudy, plan: Plan, wanted: Study | None) -> None:
    """What it costs, or why it cannot be run; and the button."""
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        reason = _fault(study, plan, wanted)
        if reason:
            st.markdown(f":material/error: {reason}")
        else:
            st.markdown(f":material/schedule: {cost_words.cost(_forecast(study.key, key(wanted), study, wanted))}")
    with right:
        if st.button(
            "Run this plan", type="primary", icon=":material/play_arrow:", disabled=bool(reason), width="stretch"
        ):
            jobs.submit(state.store(), wanted)
            st.switch_page("pages/runs.py", query_params={"study": study.key})


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _forecast(finished: str, asked: str, _study: OpenStudy, _wanted: Study) -> Forecast:
    """Kept for half a minute, by the keys of both studies: it looks for every stored result."""
    return forecast(_study, _wanted)


def _fault(study: OpenStudy, plan: Plan, wanted: Study | None) -> str:
    if wanted is None:
        return "A setting above cannot be used; the message beside it says why."
    parts = study.refine(plan, chosen_set.rows(study))
    if all(isinstance(getattr(plan, part), Original) for part, rows in parts.items() if len(rows)):
        return "This plan changes nothing: choose an algorithm for at least one part that has images."
    return escape(fault(state.store(), wanted, chosen_set.rows(study)))


frame.page(draw)
