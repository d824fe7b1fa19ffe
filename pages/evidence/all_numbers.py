"""Every metric on the chosen method, beside what a perfect run and the original read."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.evidence import offer
from pages.shared import address, downloads, numbers, theme
from pages.shared.comparison_words import title_of
from pages.shared.text import WRAPPED, escape, hundredths
from unlearn_core.attacks import ATTACKS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.measured_groups import WHERE, where
from unlearn_core.experiment.tiers.overview import BESIDE_A_STUDY, RULE, shown, tally, verdict

SHOWS = (
    "Here every number that is known of forgetting will stand beside what retrained models and the original read, with "
    "a verdict on each: accuracies, closeness, attacks, the features and the weights."
)
# Shares of the lines on screen: name in the address -> title and which lines.
SHARES = {
    "off": ("Different from retraining", lambda t: t["side"].isin([1, -1])),
    "whole": ("Whole set", lambda t: t["on"].isin(["", "forget"])),
    "parts": ("Third by third", lambda t: ~t["on"].isin(WHERE)),
    "others": ("Kept and test images", lambda t: t["on"].isin(["retain", "test"])),
    "all": ("All", lambda t: t["metric"].notna()),
}


def draw(study, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    found = offer.obtain(study, method, 1, SHOWS)
    if found is None:
        return
    table = found.table()
    with top:
        st.markdown(in_words(title_of(study, method), table))
    share = address.choice(
        st.segmented_control, "Show", {n: t for n, (t, _) in SHARES.items()}, "show", default="whole", required=True
    )
    own = table[SHARES[share][1](table)]
    if own.empty:
        st.info("No number lies beyond the noise of retraining on all seeds.")
    else:
        more = st.toggle("Original, difference and noise floor too", key="more", bind="query-params")
        _table(own, more)
    st.caption(
        "Means with 95 % intervals over seeds; of shadow models over blocks of three, of single deletions over these, "
        "and of many models the span of 40 ways to split the retrained ones. A perfect run reads what retrained models "
        f"read. {BESIDE_A_STUDY} {RULE}"
    )
    downloads.buttons(table, f"audit-{found.key[:8]}")


def in_words(title: str, table: pd.DataFrame) -> str:
    """How many numbers tell the method from retraining, and in which way."""
    return tally(f"**{escape(title)}**", table)


def name(metric: str, by: str) -> str:
    """What was measured, on the screen; short where it also says by which attack."""
    if not by:
        return METRICS[metric].label
    return f"{METRICS[metric].short}: {ATTACKS[by].label if by in ATTACKS else by}"


def _reading(line: pd.Series, kind: str) -> str:
    """What a kind of model reads, with the ends of its interval, where it has one."""
    value, low, high = shown(line, kind)
    ends = "" if pd.isna(low) else f" ({hundredths(low)} to {hundredths(high)})"
    return numbers.spread(value, None) + ends


def _beside(says: str) -> str:
    """A verdict below a head that says beside what."""
    for long, short in {
        "not told from retraining": "not told apart",
        " than retraining": "",
        " retraining": "",
    }.items():
        says = says.replace(long, short)
    return says


def _table(table: pd.DataFrame, more: bool) -> None:
    """What matters of each line, as wide as the page; the rest where `more` is asked for."""
    lines = [line for _, line in table.iterrows()]
    frame = pd.DataFrame(
        {
            "what": [name(m, b) for m, b in zip(table["metric"], table["by"], strict=True)],
            "on": [where(on) for on in table["on"]],
        }
    )
    for kind in ("unlearned", "retrained"):
        frame[kind] = [_reading(line, kind) for line in lines]
    frame["says"] = [_beside(verdict(line)) for line in lines]
    if more:
        frame["original"] = [_reading(line, "original") for line in lines]
        gaps = zip(table["gap"], table["gap_half_width"], strict=True)
        frame["gap"] = [numbers.spread(*each, signed=True) for each in gaps]
        frame["floor"] = [numbers.spread(f, None) for f in table["floor"]]
    grey, like = theme.grey(), [s == 0 for s in table["side"]]
    styled = frame.style.apply(lambda row: [f"color: {grey}" if like[row.name] else ""] * len(row), axis=1)
    st.dataframe(
        styled,
        column_config={
            "what": st.column_config.TextColumn("What", width=226),
            "on": st.column_config.TextColumn("Images", width=92),
            "unlearned": st.column_config.TextColumn("Unlearned", width=138),
            "retrained": st.column_config.TextColumn(
                "Retrained", width=138, help="The target: what a perfect run reads."
            ),
            "says": st.column_config.TextColumn(
                "Beside retraining",
                width=216,
                help="On which side of the retrained models it lies, where that can be told. “Nor is the original”: "
                "that cannot be told from them either, so the number sees nothing here.",
            ),
            "original": st.column_config.TextColumn(
                "Original",
                help="Before unlearning: where it cannot be told from retraining either, the number sees nothing here.",
            ),
            "gap": st.column_config.TextColumn("Difference", help="Unlearned minus retrained, paired by seed."),
            "floor": st.column_config.TextColumn("Noise floor", help="The most that two retrained models may differ."),
        },
        hide_index=True,
        row_height=WRAPPED,
        height="content" if len(frame) <= 24 else 640,
    )
