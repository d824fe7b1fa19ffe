"""Who came closest to retraining, what the plan brings, and where: all methods of a study by one metric."""

from __future__ import annotations

from html import escape as html

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.comparing import picks
from pages.shared import address, dot_plot, numbers, steps_chart, theme
from pages.shared import comparison_words as words
from pages.shared.data_words import by_third, data
from pages.shared.folds import fold
from pages.shared.text import WRAPPED
from unlearn_core.experiment import audit, telling
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.advice import foretold
from unlearn_core.experiment.measured_groups import filled, third
from unlearn_core.experiment.views import NO_RATIO

WIDTHS = {"Part": 62, "Suggested before": 104, "It ran": 100, "Against earlier runs": 120}  # pixels: all fit at 1280


def draw(study, picked: list[str]) -> None:
    """All methods; those picked for the other views have bold names."""
    named = picks.own(study)
    by_metric(study, named)
    what_the_plan_brings(study)
    third_by_third(study, named)
    step_by_step(study)
    if not study.spec.models:
        st.caption(NO_RATIO)


def by_metric(study, named: tuple[str, ...]) -> None:
    """The methods by one metric, and ToW beside it; those `named` are bold."""
    labels = {name: about.label for name, about in core.COLUMNS.items()}
    metric = address.choice(st.selectbox, "Metric", labels, "metric", width=480)
    about, order = core.COLUMNS[metric], core.ranked(study, metric)
    bold = ", and those you picked are bold" if named else ""
    st.caption(f"{about.help} {numbers.direction(about).capitalize()}. All methods are shown{bold}.")
    if metric == "lira_auc" and not study.spec.models:
        st.info(NO_RATIO)
        return
    if not order["mean"].notna().any():
        why = audit.attack(study, core.ORIGINAL, "confidence").found_at(0.01).why
        st.info(f"{about.label}: {numbers.missing(why)}.")
        return
    theme.show(*_metric_chart(study, metric, named))
    told = (
        "Grey and ≈ mark what cannot be told from one retrained model against another, which does not make them equal."
    )
    if study.spec.seeds == 1:
        st.caption(words.ONE_SEED, help=words.why_group_tow(study))
    else:
        st.caption(told, help=f"{words.TWO_TESTS} {words.why_group_tow(study)}")


@theme.kept
def _metric_chart(study, metric: str, named: tuple[str, ...]) -> tuple[go.Figure, str]:
    """The chart and what it shows in words."""
    about, order = core.COLUMNS[metric], core.ranked(study, metric)
    best = order.iloc[0]["title"]
    title = {
        "better": f"{best} has the highest {about.short}",
        "worse": f"{best} has the lowest {about.short}",
        "closer_to_retrain": f"{best} is nearest to retraining: {about.short}",
    }[about.direction]
    names = words.marked(study, order.index).values()
    marked = [t if d is not False else f"{t} ≈" for t, d in zip(names, order["distinguishable"], strict=True)]
    panels = [panel(study, metric), panel(study, "group_tow" if metric == "tow" else "tow")]
    said = "; ".join(
        f"{title}: {numbers.spread(mean, half)}"
        for title, mean, half in order[["title", "mean", "half_width"]].itertuples(index=False)
    )
    about = data(study, "forget", "retain", "test")
    heads = order.assign(title=marked, picked=order.index.isin(named))
    return dot_plot.draw(html(title), heads, panels, about), f"{title}. {about}. {said}"


def panel(study, metric: str) -> dot_plot.Panel:
    """One metric of all methods, with the value to reach and the original's."""
    means, about = study.means(metric), core.COLUMNS[metric]
    if about.direction == "closer_to_retrain":
        target = dot_plot.Line(means.loc[core.RETRAINED, "mean"], "retrained", "retrained")
    else:
        target = dot_plot.Line(means.loc[core.CEILING, "mean"], "retrained", "one retrained model against another")
    original = dot_plot.Line(means.loc[core.ORIGINAL, "mean"], "original", "original")
    name = f"{about.short} ({numbers.direction(about)})"
    return dot_plot.Panel(name, means.assign(inside=means["distinguishable"].eq(False)), (target, original), about.ends)


def what_the_plan_brings(study) -> None:
    """A plan against the best single algorithm and its own controls."""
    means = study.means("group_tow")
    plans = list(means.index[means["kind"] == "plan"])
    if not plans:
        return
    st.subheader("What the plan brings")
    plan = plans[0]
    if len(plans) > 1:
        plan = address.choice(st.selectbox, "Plan", words.titles(study, plans), "plan", width=320)
    drawn = _rivals_chart(study, plan)
    if drawn is None:
        st.info("This study ran neither single algorithms nor controls to compare the plan with.")
        return
    theme.show(*drawn)
    st.caption(
        "Grey intervals hold 0. They are over seeds on this one forget set and say nothing about others.",
        help="Differences on the same seeds. “Shuffled” runs the same algorithms on parts drawn at random: what the "
        "plan has over it comes from parts that are alike. “RUM^F” runs one algorithm on every part, “no parts” as "
        "many epochs of it at once.",
    )
    what_was_expected(study, plan)


def what_was_expected(study, plan: str) -> None:
    """What stored runs suggested for each part before the plan ran, beside what it came to."""
    found = foretold(study, plan)
    if not any(each.before for each in found):
        return
    st.markdown("**What was suggested before it ran, and what came of it**")
    st.dataframe(
        pd.DataFrame([words.expected(each) for each in found]),
        column_config={
            **{name: st.column_config.TextColumn(width=wide) for name, wide in WIDTHS.items()},
            "Expected": st.column_config.TextColumn(
                width=112, help="ToW of the suggested algorithm alone, from earlier runs."
            ),
            "Came to": st.column_config.TextColumn(
                width=112, help="ToW of the whole plan, with this part as the forget set."
            ),
            "Is that good": st.column_config.TextColumn(
                width=206, help="Beside the model left as it is and beside a second retrained model, on the same seeds."
            ),
        },
        hide_index=True,
        row_height=WRAPPED,
        height="content",
    )
    st.caption(
        f"{core.COLUMNS['tow'].label}, with one part as the forget set.",
        help="Expected goes by the studies stored before this one that are still there, never by this one; a plan runs "
        "other parts too, so it may differ from an algorithm alone. Where earlier studies forgot these very images, "
        "they flatter themselves a little.",
    )


@theme.kept
def _rivals_chart(study, plan: str) -> tuple[go.Figure, str] | None:
    """The chart and what it shows in words; None where a plan has no rivals."""
    found = core.plan_against_rivals(study, plan)
    if not found:
        return None
    means = study.means("group_tow")
    heads = means.loc[[v.second for v in found], ["title", "kind"]].assign(title=lambda t: "against " + t["title"])
    values = pd.DataFrame([vars(v.difference) for v in found], index=heads.index)
    values["inside"] = [core.side_of_zero(v.difference) == 0 for v in found]
    above, below = (sum(core.side_of_zero(v.difference) == side for v in found) for side in (1, -1))
    rivals = "its 1 rival" if len(found) == 1 else f"its {len(found)} rivals"
    title = (
        f"{words.title_of(study, plan)} is closer to retraining than {above} of {rivals} and further "
        f"from it than {below}, beyond the spread of seeds"
    )
    if not above and not below:
        title = f"{words.title_of(study, plan)} cannot be told from {rivals} within the spread of seeds"
    if study.spec.seeds == 1:
        title = f"One seed tells nothing of {words.title_of(study, plan)} against {rivals}"
    axis = "Difference in group ToW (above 0: the plan is closer)"
    said = "; ".join(f"{heads.loc[v.second, 'title']}: {numbers.estimate(v.difference, True)}" for v in found)
    about = data(study, "forget", "retain", "test")
    chart = dot_plot.draw(html(title), heads, [dot_plot.Panel(axis, values)], about, zero=True)
    return chart, f"{title}. {about}. {said}"


def third_by_third(study, named: tuple[str, ...]) -> None:
    """The accuracy on each third, method by method; those `named` are bold."""
    st.subheader("Third by third")
    theme.show(*_thirds_chart(study, named))
    told, how = words.how_told(study)
    st.caption(f"{told} {words.known_anyway(study)}", help=f"{words.thirds(study)} {how} {words.relabelling(study)}")


@theme.kept
def _thirds_chart(study, named: tuple[str, ...]) -> tuple[go.Figure, str]:
    """The chart and what it shows in words."""
    order, panels, nearest = core.ranked(study, "group_tow"), [], {}
    for part in filled(study):
        means = study.means(f"{part}_accuracy")
        nearest[part] = words.nearest(study, f"{part}_accuracy")
        lines = [
            dot_plot.Line(means.loc[core.RETRAINED, "mean"], "retrained", "retrained"),
            dot_plot.Line(means.loc[core.ORIGINAL, "mean"], "original", "original"),
        ]
        near = means.assign(inside=[not telling.beside(study, name, f"{part}_accuracy").side for name in means.index])
        ends = core.COLUMNS[f"{part}_accuracy"].ends
        panels.append(dot_plot.Panel(f"Accuracy, {third(part)}", near, tuple(lines), ends))
    same = len(set(nearest.values())) == 1
    title = "No method is nearest to retraining on every third"
    if same:
        title = f"{next(iter(nearest.values()))} is nearest on every third"
    said = ", ".join(f"{name} on the {third(part)}" for part, name in nearest.items())
    order = order.assign(title=list(words.marked(study, order.index).values()), picked=order.index.isin(named))
    about = by_third(study)
    return dot_plot.draw(html(title), order, panels, about, one_scale=True), f"{title}. {about}. Nearest: {said}."


def step_by_step(study) -> None:
    """A plan's accuracies on each third after each of its steps."""
    runs = core.plans_with_steps(study)
    if not runs:
        return
    told = "Step by step: what each part of a plan changed in all of them"
    with fold("steps", told, ":material/stairs_2:", expanded="steps" in st.query_params) as box:
        if not box.open:
            return
        method = address.choice(st.selectbox, "Plan or control", words.titles(study, runs), "steps", width=320)
        steps_chart.show(study, method)
