"""Methods mixed back to one level of accuracy: what is left to compare is what they forgot."""

from __future__ import annotations

from html import escape as html

import pandas as pd
import streamlit as st

from pages.shared import access, address, cost_words, dot_plot, numbers, progress, recorded, state, theme
from pages.shared.data_words import data
from pages.shared.text import escape
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import EqualRetention, OpenStudy
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import equal_retention as made


def draw(study: OpenStudy) -> None:
    """The comparison, or the button that has it made."""
    st.markdown(
        "Forgetting and keeping pull against each other, so methods that keep different amounts cannot be compared by "
        "what they forgot. Here each is mixed with its original, just so far that it keeps the same share of the "
        "original's accuracy on validation images of the classes that are still kept (UWC)."
    )
    table = made.finished(study)
    if table is None:
        _offer(study)
    else:
        _whole(study, table)


AXES = {name: METRICS[name].label for name in ("group_tow", "forget_accuracy")}


def _alphas(table: pd.DataFrame, share: str, methods) -> list[pd.Series]:
    """The alphas of each method at a share, one a seed."""
    at = table[table["retention"] == float(share)]
    return [at.loc[at["method"] == method, "alpha"] for method in methods]


def _span(alphas: pd.Series) -> str:
    low, high = alphas.min(), alphas.max()
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"


def _title(level: str, ranked: list[str]) -> str:
    """The closest method of those at the level with every seed; one that does not mix may lie below it."""
    if not ranked:
        return f"No method can be brought to {level} of the original's accuracy with every seed"
    return f"At {level} of the original's accuracy, {ranked[0]} is closest to retraining"


def _offer(study: OpenStudy) -> None:
    asked = EqualRetention(study=study.spec)
    if not len(study.data.validation.y):
        st.info("This dataset has no validation images, which the common level is found on.")
        return
    if progress.under_way(asked):
        return
    said, foreseen = cost_words.again(state.store(), study, asked)
    st.markdown(said)
    if recorded.start("Compare at equal retention", icon=":material/balance:"):
        access.submit(state.store(), asked, foreseen)
        st.switch_page("pages/runs.py", query_params={"study": study.key})


def _whole(study: OpenStudy, table: pd.DataFrame) -> None:
    shares = {str(share): f"{share:.0%}" for share in sorted(table["retention"].unique())}
    usual = "0.99" if "0.99" in shares else next(iter(shares))
    chosen = address.choice(
        st.segmented_control, "Accuracy kept, of the original's", shares, "retention", default=usual, required=True
    )
    kinds = study.means("group_tow")["kind"]
    panels, values, seeds, count = [], {}, study.spec.seeds, len(study.data.validation.y)
    for metric in ("group_tow", "forget_accuracy"):
        found = made.means(table, metric)
        values[metric] = found[found["retention"] == float(chosen)].set_index("method")
        means = study.means(metric)
        goal = core.CEILING if metric == "group_tow" else core.RETRAINED
        name = "one retrained model against another" if metric == "group_tow" else "retrained"
        lines = (
            dot_plot.Line(means.loc[goal, "mean"], "retrained", name),
            dot_plot.Line(means.loc[core.ORIGINAL, "mean"], "original", "original"),
        )
        panels.append(dot_plot.Panel(AXES[metric], values[metric], lines, METRICS[metric].ends))
    heads = values["group_tow"].sort_values("mean", ascending=False).assign(kind=lambda t: kinds[t.index])
    names, alphas = list(heads["title"]), _alphas(table, chosen, heads.index)
    heads["title"] = [f"{name}, \u03b1 {_span(group)}" for name, group in zip(names, alphas, strict=True)]
    title = _title(shares[chosen], [name for name, share in zip(names, heads["mixes"], strict=True) if share == 1])
    said = zip(heads["title"], heads["mean"], heads["half_width"], strict=True)
    about = data(study, "forget", "retain", "test", more=f"; level found on {count:,} validation images")
    alt = f"{title}. {about}. " + "; ".join(f"{name}: {numbers.spread(mean, half)}" for name, mean, half in said)
    theme.show(dot_plot.draw(html(title), heads, panels, about), alt=alt)
    pairs = zip(names, heads["mixes"], strict=True)
    torn = [f"{escape(name)} ({round((1 - share) * seeds)} of {seeds})" for name, share in pairs if share < 1]
    text = (
        "\u03b1 is the share of the way from the original (0) to the unlearned model (1) at which the level is "
        "reached; 1 means the method kept that much by itself. Mixing brings back part of what was forgotten, so this "
        "compares methods and does not improve them. One of the validation images is "
        f"{1 / count:.1%}: levels closer than that are one."
    )
    if torn:
        text += (
            " Where accuracy does not fall steadily along the way there is no such level: \u03b1 stays 1, and the "
            f"method may keep less. Seeds of which that is so: {', '.join(torn)}."
        )
    st.caption(text)
