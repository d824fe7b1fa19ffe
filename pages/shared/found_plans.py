"""What a search for a plan found: the best plans with what they owe to luck, and the way to use one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import numbers, plan_editor
from unlearn_core.evaluation import METRICS, Estimate
from unlearn_core.experiment import OpenStudy, PlanSearch
from unlearn_core.experiment.comparison import side_of_zero
from unlearn_core.experiment.search import brief, words
from unlearn_core.params import build
from unlearn_core.rum import PARTS

COLUMNS = (*PARTS, "order")
HEADS = {part: f"{part.capitalize()} part" for part in PARTS} | {"order": "Order"}


def table(lines: pd.DataFrame, heads: dict, alt: str) -> None:
    """Lines that hold the COLUMNS of plans; the order is left out where all have the same."""
    if lines["order"].replace("", None).nunique() < 2:
        lines = lines.drop(columns="order")
    st.dataframe(lines, hide_index=True, column_config=heads | HEADS, alt=alt)


def draw(study: OpenStudy, search: PlanSearch, summary: dict) -> None:
    """The lesson, the table, and a button for each plan."""
    st.markdown(lesson(summary))
    lines = [{"what": f"Plan {i}"} | _scores(found) | _columns(found) for i, found in enumerate(summary["plans"], 1)]
    alone = brief(build(summary["single"]["unlearner"]))
    lines.append({"what": "One for all"} | _scores(summary["single"]) | dict.fromkeys(PARTS, alone))
    lines += _own(study, search)
    lines.append({"what": "Retrained", "confirmed": numbers.estimate(Estimate(**summary["ceiling"]))})
    table(
        pd.DataFrame(lines).fillna(""),
        {
            "what": "",
            "confirmed": st.column_config.TextColumn("Confirmed", help=METRICS["group_tow"].help),
            "tuning": st.column_config.TextColumn("In the search", help="On the models and images it was chosen on."),
            "optimism": st.column_config.TextColumn(
                "Flattered by",
                help="In the search minus confirmed. Other models and images read differently by themselves, too.",
            ),
        },
        "The best plans with their scores on models that had no say and in the search, beside the best single "
        "algorithm and two retrained models.",
    )
    st.caption(
        f"{METRICS['group_tow'].label}. Confirmed: mean over {summary['seeds']} models that had "
        "no say in the choice, on test images, with 95 % interval. One for all: the best single algorithm on the whole "
        "set. Retrained: one retrained model against another. Numbers after a name are learning rates."
    )
    with st.container(horizontal=True):
        for i, found in enumerate(summary["plans"], 1):
            label = "Use this plan" if len(summary["plans"]) == 1 else f"Use plan {i}"
            if st.button(label, key=f"search.use.{i}", icon=":material/edit_note:"):
                plan_editor.load(study, build(found["plan"]), settled=True)
                st.rerun()


def _own(study: OpenStudy, search: PlanSearch) -> list[dict]:
    """The study's own plans, where the search was for its set and its models."""
    if (search.forget, search.seeds) != (study.spec.forget, study.spec.seeds):
        return []
    means = study.means("group_tow")
    plans = means[means["kind"] == "plan"]
    return [
        {"what": line.title, "confirmed": numbers.estimate(Estimate(line.mean, line.half_width, line.n))}
        for line in plans.itertuples()
    ]


def _columns(found: dict) -> dict:
    told = words(build(found["plan"]))
    return {name: told[name] for name in COLUMNS}


def _scores(found: dict) -> dict:
    return {
        "confirmed": numbers.estimate(Estimate(**found["confirmed"])),
        "tuning": numbers.spread(found["tuning"], None),
        "optimism": numbers.spread(found["optimism"], None, signed=True),
    }


def lesson(summary: dict) -> str:
    """What a search found, in words: how much its best plan was flattered, and whether it beats a single algorithm."""
    best, single = summary["plans"][0], summary["single"]
    confirmed = Estimate(**best["confirmed"])
    flattered = round(best["optimism"], 3)
    text = (
        f"The best of {summary['different']:,} different plans read **{best['tuning']:.3f}** where it was chosen, and "
        f"**{numbers.estimate(confirmed)}** on models and images that had no say: "
    )
    text += (
        f"the search flattered it by {flattered:.3f}. "
        if flattered > 0
        else "this time the choice did not flatter it. "
    )
    above, alone = Estimate(**best["above_single"]), build(single["unlearner"]).title
    side = side_of_zero(above)
    rival = f"{alone} alone, the best single algorithm, reads {numbers.estimate(Estimate(**single['confirmed']))}"
    apart = numbers.estimate(above, signed=True)
    verdict = {
        None: f"the plan lies {apart} from it.",
        0: f"the plan lies {apart} from it, within the spread between seeds: they cannot be told apart.",
        1: f"the plan lies {apart} from it, beyond the spread between seeds: **it beats every single algorithm**.",
        -1: f"the plan lies {apart} from it, beyond the spread between seeds: **no plan found beats {alone} alone**.",
    }
    return f"{text}{rival}; {verdict[side]}"
