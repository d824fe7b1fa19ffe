from html import escape as html

import pandas as pd
import streamlit as st

from pages.shared import (
    address,
    dot_plot,
    equal_retention,
    frame,
    method_table,
    numbers,
    state,
    steps_chart,
    theme,
    trade_off_chart,
)
from pages.shared import comparison_words as words
from pages.shared.text import escape
from unlearn_core.experiment import audit
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.views import NO_RATIO

# What the trade-off can show upwards, and how it is written at the axis.
FORGETTING = {
    "parts": ("Mean gap of the parts", "Mean gap to retraining, over parts"),
    "lira_auc": ("Likelihood-ratio attack", "Likelihood-ratio attack (AUC)"),
    "attack_auc": ("Confidence attack", "Confidence attack (AUC)"),
}


def draw() -> None:
    st.title("Compare")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return
    st.markdown(words.closest(study))
    for found in core.plan_against_best_single(study):
        st.markdown(words.plan_verdict(study, found))
    for method, count in core.diverged(study).items():
        st.warning(
            f"{escape(words.title_of(study, method))} diverged in {count} of {study.spec.seeds} runs: its loss was no "
            "longer finite, so its last finite state was measured."
        )
    ranking(study)
    what_the_plan_brings(study)
    part_by_part(study)
    step_by_step(study)
    trade_off(study)
    st.subheader("At equal retention")
    equal_retention.draw(study)
    st.subheader("All numbers")
    method_table.draw(study)
    if len(noted := core.notes(study)):
        said = [f"{escape(n.title)}: {escape(n.note)} {n.mean:.3g}" for n in noted.itertuples()]
        st.caption(f"Noted by the runs, mean over seeds: {'; '.join(said)}.")
    st.page_link("pages/audit.py", label="Next: what an attacker can still tell", icon=":material/policy:")


def ranking(study) -> None:
    """The methods by one metric, and plain ToW beside it."""
    labels = {name: about.label for name, about in core.COLUMNS.items()}
    metric = address.choice(st.selectbox, "Metric", labels, "metric", width=480)
    about, order = core.COLUMNS[metric], core.ranked(study, metric)
    st.caption(f"{about.help} {numbers.direction(about).capitalize()}.")
    if metric == "lira_auc" and not study.spec.models:
        st.info(NO_RATIO)
        return
    if not order["mean"].notna().any():
        st.info(f"{about.label}: {audit.attack(study, core.ORIGINAL, 'confidence').found_at(0.01).why}.")
        return
    best = order.iloc[0]["title"]
    title = {
        "better": f"{best} has the highest {numbers.short(about)}",
        "worse": f"{best} has the lowest {numbers.short(about)}",
        "closer_to_retrain": f"{best} is nearest to retraining: {numbers.short(about)}",
    }[about.direction]
    marked = [t if d is not False else f"{t} ≈" for t, d in zip(order["title"], order["distinguishable"], strict=True)]
    panels = [panel(study, metric), panel(study, "group_tow" if metric == "tow" else "tow")]
    theme.show(
        dot_plot.draw(html(title), order.assign(title=marked), panels),
        alt=f"{title}. "
        + "; ".join(
            f"{title}: {numbers.spread(mean, half)}"
            for title, mean, half in order[["title", "mean", "half_width"]].itertuples(index=False)
        ),
    )
    st.caption(
        f"Bars: 95 % intervals over {study.spec.seeds} seeds. ≈ marks what cannot be told from one retrained model "
        f"against another, which is not the same as equal. {words.why_group_tow(study)}"
    )


def panel(study, metric: str) -> dot_plot.Panel:
    """One metric of all methods, with the value to reach and the original's."""
    means, about = study.means(metric), core.COLUMNS[metric]
    if about.direction == "closer_to_retrain":
        target = dot_plot.Line(means.loc[core.RETRAINED, "mean"], "retrained", "retrained")
    else:
        target = dot_plot.Line(means.loc[core.CEILING, "mean"], "retrained", "one retrained model against another")
    original = dot_plot.Line(means.loc[core.ORIGINAL, "mean"], "original", "original")
    return dot_plot.Panel(f"{numbers.short(about)} ({numbers.direction(about)})", means, (target, original))


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
    found = core.plan_against_rivals(study, plan)
    if not found:
        st.info("This study ran neither single algorithms nor controls to compare the plan with.")
        return
    heads = means.loc[[v.second for v in found], ["title", "kind"]].assign(title=lambda t: "against " + t["title"])
    values = pd.DataFrame([vars(v.difference) for v in found], index=heads.index)
    above = sum(core.side_of_zero(v.difference) == 1 for v in found)
    name = words.title_of(study, plan)
    title = f"{name} is closer to retraining than {above} of its {len(found)} rivals, beyond the spread of seeds"
    axis = "Difference in group ToW (above 0: the plan is closer)"
    theme.show(
        dot_plot.draw(html(title), heads, [dot_plot.Panel(axis, values)], zero=True),
        alt=f"{title}. "
        + "; ".join(f"{heads.loc[v.second, 'title']}: {numbers.estimate(v.difference, True)}" for v in found),
    )
    st.caption(
        "Differences on the same seeds, with 95 % intervals. “Shuffled” runs the same algorithms on parts drawn at "
        "random: what the plan has over it comes from parts that are alike. “RUM^F” runs one algorithm on every part, "
        "“no parts” as many epochs of it at once. The intervals are over seeds on this one forget set and say nothing "
        "about others."
    )


def part_by_part(study) -> None:
    """The accuracy on each part, method by method."""
    st.subheader("Part by part")
    order, panels, nearest = core.ranked(study, "group_tow"), [], {}
    for part in (p for p, rows in study.parts.items() if len(rows)):
        means = study.means(f"{part}_accuracy")
        nearest[part] = words.nearest(study, f"{part}_accuracy")
        lines = [
            dot_plot.Line(means.loc[core.RETRAINED, "mean"], "retrained", "retrained"),
            dot_plot.Line(means.loc[core.ORIGINAL, "mean"], "original", "original"),
        ]
        panels.append(dot_plot.Panel(f"Accuracy, {part} part", means, tuple(lines)))
    same = len(set(nearest.values())) == 1
    title = "No method is nearest to retraining on every part"
    if same:
        title = f"{next(iter(nearest.values()))} is nearest on every part"
    theme.show(
        dot_plot.draw(html(title), order, panels, one_scale=True),
        alt=f"{title}. Nearest: {', '.join(f'{name} on the {part} part' for part, name in nearest.items())}.",
    )
    st.caption(f"{words.known_anyway(study)} {words.relabelling(study)}")


def step_by_step(study) -> None:
    """A plan's accuracies on each part after each of its steps."""
    runs = core.plans_with_steps(study)
    if not runs:
        return
    st.subheader("Step by step")
    method = address.choice(st.selectbox, "Plan or control", words.titles(study, runs), "steps", width=320)
    steps = core.steps(study, method)
    worst = steps.loc[steps[steps["step"] == steps["step"].max()]["gap"].abs().idxmax()]
    side = "above" if worst["gap"] > 0 else "below"
    name = words.title_of(study, method)
    title = f"{name} ends {abs(worst['gap']):.2f} {side} retraining on the {worst['part']} part"
    theme.show(
        steps_chart.draw(html(title), steps),
        alt=f"{title}. " + "; ".join(f"{s.what}: {s.part} part {s.mean:.2f}" for s in steps.itertuples(index=False)),
    )


def trade_off(study) -> None:
    """Test accuracy against forgetting."""
    st.subheader("What forgetting cost")
    labels = {name: label for name, (label, _) in FORGETTING.items()}
    chosen = address.choice(st.segmented_control, "Forgetting measured by", labels, "forgetting", required=True)
    gaps = core.gaps(study).rename(columns={"test": "x", "test_half": "x_half", "parts": "y", "parts_half": "y_half"})
    if chosen == "lira_auc" and not study.spec.models:
        st.info(NO_RATIO)
        return
    if chosen != "parts":
        gaps[["y", "y_half"]] = study.means(chosen)[["mean", "half_width"]]
    ours = gaps["kind"] != "reference"
    out, run = core.far_out(gaps["x"]) & ours, gaps[ours].sort_values("x")
    ends = [f"{numbers.spread(run.iloc[i]['x'], None, signed=True)} ({run.iloc[i]['title']})" for i in (0, -1)]
    title = f"Test accuracy against retraining: from {ends[0]} to {ends[1]}"
    theme.show(
        trade_off_chart.draw(html(title), gaps[~out], FORGETTING[chosen][1]),
        alt=f"{title}. " + "; ".join(place(p) for p in gaps.itertuples()),
    )
    if out.any():
        st.caption(f"Too far out to be drawn: {'; '.join(escape(place(p)) for p in gaps[out].itertuples())}.")


def place(point) -> str:
    return f"{point.title} at {numbers.spread(point.x, None, signed=True)}, {numbers.spread(point.y, None)}"


frame.page(draw)
