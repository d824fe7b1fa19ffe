"""Every measured number of a study as tables, and what stands behind them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import downloads, numbers, theme
from pages.shared.comparison_words import ONE_SEED, TWO_TESTS, yardstick
from pages.shared.folds import fold
from pages.shared.text import WRAPPED, escape
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.views import NO_RATIO

TABLES = {
    "Closeness": ("group_tow", "tow", "tow_mia", "forget_disagreement", "test_disagreement"),
    "Accuracy": tuple(f"{s}_accuracy" for s in ("forget", "low", "medium", "high", "retain", "test")),
    "Attacks": ("lira_auc", "attack_auc", "tpr_at_1_fpr", "mia_efficacy"),
}
# Column heads where a label has no abbreviation; the help of the column says the rest.
HEADS = {
    "forget_accuracy": "Forgotten images",
    "low_accuracy": "Low third",
    "medium_accuracy": "Medium third",
    "high_accuracy": "High third",
    "retain_accuracy": "Kept images",
    "test_accuracy": "Test images",
    "forget_disagreement": "Disagree, forgotten",
    "test_disagreement": "Disagree, test",
}
COST = {
    "seconds": ("Seconds", "Seconds per run."),
    "share_of_seconds": (
        "Of retraining, time",
        "Seconds as a share of retraining's. It depends on how many models shared a batch and on what else ran.",
    ),
    "share_of_work": (
        "Of retraining, work",
        "Images that went through a backward pass, as a share of retraining. It does not depend on the machine.",
    ),
    "diverged": ("Diverged runs", "Runs whose loss was no longer finite; their last finite state was measured."),
}


def draw(study, first: tuple[str, ...] = ()) -> None:
    """Tabs with one table each, below the references those named `first`; the downloads; the learning rates."""
    everything = core.everything(study)
    references = everything.index[everything["kind"] == "reference"]
    order = list(dict.fromkeys([*references, *first, *core.ranked(study, "group_tow").index]))
    tabs = st.tabs([*TABLES, "Cost"], key="tables", bind="query-params", on_change="rerun")
    for tab, (name, metrics) in zip(tabs, [*TABLES.items(), ("Cost", ())], strict=True):
        with tab:
            if name == "Cost":
                _cost(everything.loc[order])
                st.caption(yardstick(study))
            else:
                _measured(everything.loc[order], metrics)
    told = (
        f"Means with 95 % intervals over {study.spec.seeds} seeds. Grey and ≈: with so few seeds not to be told from "
        f"one retrained model against another. {TWO_TESTS}"
    )
    own = "Against itself a retrained model is perfect by definition."
    top = " All methods are shown, those you picked above the others." * bool(first)
    st.caption(f"{ONE_SEED if study.spec.seeds == 1 else told} {own}{top}")
    if not study.spec.models:
        st.caption(NO_RATIO)
    downloads.buttons(everything.reset_index(), f"comparison-{study.key[:8]}")
    _learning_rates(study)


def _measured(frame: pd.DataFrame, metrics: tuple[str, ...]) -> None:
    shown, inside = _heads(frame), pd.DataFrame(False, frame.index, ["title", "kind", *metrics])
    for metric in metrics:
        same = frame[f"{metric}_distinguishable"].eq(False).fillna(False) & (frame["kind"] != "reference")
        texts = [numbers.spread(*pair) for pair in zip(frame[metric], frame[f"{metric}_half_width"], strict=True)]
        shown[metric] = [f"{text} ≈" if near else text for text, near in zip(texts, same, strict=True)]
        inside[metric] = same
    grey = theme.grey()
    styled = shown.style.apply(lambda _: inside.map(lambda near: f"color: {grey}" if near else ""), axis=None)
    config = {}
    for metric in metrics:
        about = core.COLUMNS[metric]
        config[metric] = st.column_config.TextColumn(HEADS.get(metric) or about.short, help=numbers.about(about))
    _table(styled, config)


def _cost(frame: pd.DataFrame) -> None:
    shown = _heads(frame).join(frame[list(COST)])
    formats = {"seconds": "%.2f", "diverged": "%d"}
    config = {
        name: st.column_config.NumberColumn(head, help=about, format=formats.get(name, "percent"))
        for name, (head, about) in COST.items()
    }
    _table(shown, config)


def _heads(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["title", "kind"]].copy()


def _table(shown, config: dict) -> None:
    config = config | {
        "title": st.column_config.TextColumn("Method", width=210),
        "kind": st.column_config.TextColumn(
            "Kind", help="Single algorithm, RUM plan, control of a plan, or reference."
        ),
    }
    st.dataframe(shown, column_config=config, hide_index=True, height="content")


def _learning_rates(study) -> None:
    rates = core.learning_rates(study)
    with fold("tuned", "Learning rates") as box:
        if not box.open:
            return
        if rates.empty:
            st.markdown("Nothing was tuned: every algorithm ran with the learning rate it was given.")
            return
        by = " and the test images, for there are no validation images" if study.tuned_on_test else ""
        st.markdown(f"Chosen by group ToW on {study.spec.tuning_seeds} other models, on a mixed forget set{by}.")
        st.dataframe(
            rates[["title", "lr", "edge", "settings"]],
            column_config={
                "title": "Algorithm",
                "settings": st.column_config.TextColumn(
                    "As given", help="Its settings before a rate was chosen.", width=390
                ),
                "lr": st.column_config.NumberColumn("Learning rate", format="%g"),
                "edge": st.column_config.CheckboxColumn("Lowest or highest tried"),
            },
            hide_index=True,
            width="content",
            row_height=WRAPPED,
            height="content",
        )
        if edge := [escape(t) for t in rates[rates["edge"]]["name"]]:
            st.markdown(f"At the end of what was tried, so a better one may lie beyond: {', '.join(edge)}.")
