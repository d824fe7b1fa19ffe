"""What is to be expected of each algorithm on the set in hand before anything is run, as other sets teach it."""

from __future__ import annotations

from functools import lru_cache
from html import escape as html

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import address, landscape_chart, landscape_offer, law_words, numbers, state, theme
from pages.shared.folds import fold
from pages.shared.text import duration, escape
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.difficulty import Difficulty, difficulty, rivals
from unlearn_core.experiment.landscape import landscapes
from unlearn_core.experiment.recorded import where_timed
from unlearn_core.experiment.set_times import expected
from unlearn_core.params import BadValue

TOW, GROUP_TOW = METRICS["tow"].short, METRICS["group_tow"].short
# Parts of a landscape hold what a model says of a set as a whole.
WHOLE = (
    f"By {TOW}, over the set as a whole, where forgetting some images too much and others too little cancels. Compare "
    f"and *Try everything* rank by {GROUP_TOW}, where it does not, so the order there can be another."
)
LINES = 3  # algorithms in the chart unless told
NAMED = 4  # algorithms that cannot be told from the first, by name
SOME = 6  # rows of the table that are seen without scrolling


def draw(study: OpenStudy, rows: np.ndarray) -> None:
    """The section of the Plan page: the forecast for these rows, or what it takes to have one."""
    found = landscapes(state.store(), study.spec.bank)
    with fold("forecast", "What to expect before you run", ":material/query_stats:", bool(found)) as box:
        if not box.open:
            return
        if not found:
            st.markdown(
                "Forget sets differ in how hard they are. The landscape runs algorithms on many sets of these images, "
                "designed to differ, and learns from them what yours will read."
            )
            landscape_offer.draw(study, rows)
            return
        taught, measured = difficulty(found[0]), found[0].spec()
        facts = landscape_offer.facts(study, rows)
        try:
            table = _forecast(taught, tuple(facts.items()))
        except BadValue as refused:
            st.info(f"No forecast for this set. {escape(str(refused))}", icon=":material/block:")
        else:
            st.markdown(_sentence(table, taught.retrained_again(facts)))
            st.caption(WHOLE)
            seconds = expected(study, rows, measured)
            _table(table.assign(seconds=table.index.map(seconds)), where_timed(study.store, study.key))
            if taught.twins:
                st.caption(_twins(taught))
            _against(taught, facts, table)
        st.markdown(law_words.law(taught, study))
        st.caption(law_words.basis(taught))
        landscape_offer.draw(study, rows, measured)


# -- the forecast ------------------------------------------------------------------------------------------------------


def _sentence(table: pd.DataFrame, again: float | None) -> str:
    """What is the surest to come close to retraining, beside what retraining `again` reads, by what the order goes, and
    which cannot be told from it before they are run.
    """
    best, as_high = table.iloc[0], rivals(table)
    beside = f", where two retrained models read {again:.2f}" if again is not None else ""
    text = (
        f"On a set like this, **{escape(best['title'])}** is the surest to come close to retraining: {TOW} "
        f"**{best['tow']:.2f}** ({best['low']:.2f} to {best['high']:.2f}){beside}. The order goes by the lower end of "
        "the interval, so what is little known stands further down."
    )
    if not as_high:
        return f"{text} No interval of the {len(table) - 1} others reaches as high."
    names, more = [escape(title) for title in as_high[:NAMED]], len(as_high) - NAMED
    names += [f"{more} more"] * (more > 0)
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{text} Only a run can tell it from {listed}: their intervals reach as high."


def _twins(taught: Difficulty) -> str:
    groups = [
        " and ".join(escape(taught.titles[name]) for name in (first, *others)) for first, others in taught.twins.items()
    ]
    return f"Counted once, because on every set here they read the same: {'; '.join(groups)}."


def _table(table: pd.DataFrame, where: str) -> None:
    def between(name: str, low: str, high: str, sign: str = "") -> list[str]:
        values = zip(table[name], table[low], table[high], strict=True)
        return [f"{a:{sign}.2f} ({b:{sign}.2f} to {c:{sign}.2f})".replace("-", "\u2212") for a, b, c in values]

    lines = {
        "Algorithm": table["title"],
        "tow": between("tow", "low", "high"),
        "Attack": between("auc_gap", "auc_gap_low", "auc_gap_high", "+"),
        "Time": [duration(s) for s in table["seconds"]],
        "Off by": [f"{e:.3f} (mean: {m:.3f})" for e, m in zip(table["error"], table["of_mean"], strict=True)],
    }
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        height=36 * (SOME + 1),
        column_config={
            "tow": st.column_config.TextColumn(TOW, help=numbers.about(METRICS["tow"])),
            "Attack": st.column_config.TextColumn(
                landscape_chart.MEASURES["auc_gap"],
                help="AUC of the confidence attack minus that on the retrained model; 0 is the target. Above 0 the "
                "attack finds more than after retraining; below 0 the images stand out the other way.",
            ),
            "Time": st.column_config.TextColumn(
                "Time", help=f"Seconds of a run: on this very set where it was tried, else by the runs timed {where}."
            ),
            "Off by": st.column_config.TextColumn(
                f"{TOW} off by", help="Mean error on sets that were held out, and that of saying the mean each time."
            ),
        },
        alt="Expected closeness to retraining and attack gap of each algorithm, with 90 % intervals.",
    )


@lru_cache(maxsize=16)
def _forecast(taught: Difficulty, facts: tuple[tuple[str, float], ...]) -> pd.DataFrame:
    """Shared by all who ask, so it stays as it is."""
    return taught.forecast(dict(facts))


@theme.kept
def _drawn(taught: Difficulty, facts: tuple[tuple[str, float], ...], names: tuple[str, ...], title: str, measure: str):
    return landscape_chart.draw(taught, dict(facts), list(names), title, measure)


def _against(taught: Difficulty, facts: dict[str, float], table: pd.DataFrame) -> None:
    """What is expected as the set changes, folded away: hundreds of marks take as long as all the rest of the page."""
    with fold("factors", "How it changes with memorization and entanglement", ":material/show_chart:") as box:
        if box.open:
            _chart(taught, facts, table)


def _chart(taught: Difficulty, facts: dict[str, float], table: pd.DataFrame) -> None:
    measure = address.choice(
        st.segmented_control,
        "Upwards",
        landscape_chart.MEASURES,
        "expected",
        "tow",
        required=True,
    )
    names = address.several(
        "In the chart",
        {name: taught.titles[name] for name in table.index},
        "lines",
        list(table.index[:LINES]),
        max_selections=landscape_chart.MOST,
    )
    if not names:
        return
    title = "Expected of sets of the size and class mix of yours; dotted: your set"
    alt = "; ".join(f"{taught.titles[n]} {table.loc[n, measure]:.2f} on this set" for n in names)
    theme.show(
        _drawn(taught, tuple(facts.items()), tuple(names), html(title), measure),
        alt=f"{landscape_chart.MEASURES[measure]}. {title}. {alt}.",
        key="landscape.chart",
    )
    zero = "0 is the target: the attack reads as on the retrained model. " if measure == "auc_gap" else ""
    st.caption(
        f"{zero}Each faint mark is one of {len(taught.facts)} measured sets, of any size and class mix. "
        "Along a line one of the two changes and the other stays. Confidence during training hangs on both, so it "
        "changes along the line as it does between measured sets."
    )
