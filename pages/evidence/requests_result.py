"""A finished stream of requests: do earlier sets stay forgotten, who else is exposed, and what did it cost?"""

from __future__ import annotations

from html import escape as html

import pandas as pd
import streamlit as st

from pages.evidence import requests_chart
from pages.evidence import requests_words as words
from pages.shared import address, downloads, numbers, theme, thumbnails
from pages.shared.folds import fold
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.experiment.stream import METRICS, Finished

MOST = 16


def draw(study, title: str, found: Finished, sets: list[str], top) -> None:
    """`sets` are what the sets are called, in the order of the requests; `top` is the place for what it comes to."""
    # No ratio without a bank, and no attack without unseen images of the same classes.
    drifts = {metric: found.drift(metric) for metric in METRICS if found.table[metric].notna().any()}
    with top:
        said = [words.forgotten(title, drifts), words.onion(found), words.speed(found)]
        st.markdown(" ".join(said))
        if found.summary["diverged"]:
            where = ", ".join(map(str, found.summary["diverged"]))
            st.warning(f"Of the unlearned models those of seed {where} diverged; their last finite state was measured.")
    over_requests(title, found, drifts, sets)
    onion(study, title, found)
    cost(found)
    downloads.buttons(found.table, f"requests-{found.key[:8]}")


def over_requests(title: str, found: Finished, drifts: dict[str, pd.DataFrame], sets: list[str]) -> None:
    """Every set over the requests by one measure, and how far it moved."""
    st.subheader("Do earlier sets stay forgotten?")
    measures = {metric: words.MEASURES[metric][0] for metric in drifts}
    metric = address.choice(st.segmented_control, "Measured by", measures, "measure", required=True)
    means, drift = found.over_requests(metric), drifts[metric]
    says = words.conclusion(title, drift, found.spec.seeds)
    last = means[means["request"] == means["request"].max()].set_index(["kind", "set"])
    read = [
        f"{name}: {words.mean_of(last.loc[('unlearned', j)])}, retrained {words.mean_of(last.loc[('retrained', j)])}, "
        f"original {words.mean_of(last.loc[('original', j)])}"
        for j, name in enumerate(sets, 1)
    ]
    fig = requests_chart.draw(html(says), words.MEASURES[metric][2], means, sets)
    theme.show(fig, alt=f"{says}. {COLUMNS[metric].label} after the last request: {'; '.join(read)}.")
    counts = found.summary["images"]
    held = f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    st.caption(
        f"{COLUMNS[metric].label}. {len(counts)} sets of {held} images, {found.spec.seeds} seeds. Solid: unlearned, "
        "with 95 % intervals over seeds; dashed: retrained each time; dotted: the original. A perfect run lies on the "
        "dashed line."
    )
    moved = zip(drift["drift"], drift["half_width"], strict=True)
    st.dataframe(
        pd.DataFrame(
            {
                "Set": [sets[j - 1] for j in drift["set"]],
                "After request": drift["request"].astype(int),
                "Gap when forgotten": [numbers.spread(v, None, signed=True) for v in drift["gap_at_once"]],
                "Gap now": [numbers.spread(v, None, signed=True) for v in drift["gap"]],
                "Drift": [numbers.spread(*p, signed=True) for p in moved],
                "Noise floor": [numbers.spread(v, None) for v in drift["floor"]],
                "Reads": [words.says(line) for line in drift.to_dict("records")],
            }
        ),
        column_config={
            "Gap when forgotten": st.column_config.TextColumn(help="Unlearned minus retrained, at its request."),
            "Drift": st.column_config.TextColumn(help="The gap now less the gap when forgotten, 95 % interval."),
            "Reads": st.column_config.TextColumn(width=170),
            "Noise floor": st.column_config.TextColumn(help="How far a second retrained model may drift."),
        },
        hide_index=True,
        width="content",
    )
    st.caption(
        "**Comes back**: the set moved towards the original since it was forgotten, further than retraining explains "
        f"and than the noise allows, corrected for {len(drift)} tests. **Remembered**: it now reads more like the "
        "original than a retrained model does. What comes back and is not remembered makes up for having been "
        "forgotten too much. **Cannot be told**: the set never read unlike the original, or there are too few seeds."
    )


def onion(study, title: str, found: Finished) -> None:
    """Who of those that nobody asked to forget is newly exposed."""
    st.subheader("Who else is exposed?")
    st.markdown(
        "Take some images out, and others stand out more: the onion effect. It comes with removing, so retraining has "
        "it too; what unlearning adds to it is in the last column."
    )
    table = words.exposed_by_request(found)
    st.dataframe(table, hide_index=True, width="content")
    score = "likelihood ratio" if found.summary["score"] == "lira" else "confidence"
    ratio = " In brackets: those that now look like members and did not before." if score != "confidence" else ""
    st.caption(
        f"Newly exposed of {found.summary['onion'][0]['tested']:,} images that no request names: the membership score "
        f"({score}) rises over {found.spec.seeds} seeds by more than their spread allows. Of those found up to 5 % are "
        f"expected to be chance.{ratio} Where the median rise is far from 0 the score moved for everyone."
    )
    rows = words.newly_exposed(found)
    if rows.empty:
        st.markdown("After all requests together no image is newly exposed by unlearning.")
        return
    shown = rows[:MOST]
    names = [study.classes[label] for label in study.labels[rows["row"]]]
    labels = [(f"row {r}", f"{n}: {rise:+.1f}") for r, n, rise in zip(shown["row"], names, shown["rise"], strict=False)]
    st.markdown(
        f"The {len(shown)} whose score rose most, of {len(rows)}; {int(rows['retrained'].sum())} of these are "
        "exposed by retraining too."
    )
    thumbnails.show(
        study.pixels[shown["row"]],
        labels,
        alt=f"Newly exposed by {title}: " + "; ".join(f"{row}, class {rest}" for row, rest in labels),
        across=8,
    )
    with fold("exposed", "All that are newly exposed") as box:
        if box.open:
            st.dataframe(
                rows.assign(label=names),
                column_order=("row", "label", "before", "after", "rise", "retrained", "beyond"),
                column_config={
                    "row": "Row",
                    "label": "Class",
                    "before": st.column_config.NumberColumn("Score before", format="%.2f"),
                    "after": st.column_config.NumberColumn("Score after", format="%.2f"),
                    "rise": st.column_config.NumberColumn("Rise", format="%.2f"),
                    "retrained": st.column_config.CheckboxColumn("By retraining too"),
                    "beyond": st.column_config.CheckboxColumn("More than by retraining"),
                },
                hide_index=True,
                width="content",
            )


def cost(found: Finished) -> None:
    """What each request takes and leaves, against retraining."""
    st.subheader("Cost, and what is kept")
    spent, requests = found.summary["cost"], range(1, len(found.gone) + 1)
    table = {"request": requests, "gone": found.gone}
    for metric in ("retain_accuracy", "test_accuracy"):
        means = found.over_requests(metric).query("set == 1").set_index(["kind", "request"])
        for kind in ("unlearned", "retrained"):
            table[f"{metric}.{kind}"] = [words.mean_of(means.loc[(kind, k)]) for k in requests]
    table["seconds"] = [words.seconds(s) for s in spent["retraining"]]
    st.dataframe(
        pd.DataFrame(table),
        column_config={
            "request": "After request",
            "gone": "Forgotten",
            "retain_accuracy.unlearned": "Kept images right",
            "retain_accuracy.retrained": "Retrained",
            "test_accuracy.unlearned": "Test images right",
            "test_accuracy.retrained": "Retrained",
            "seconds": "Retraining takes",
        },
        hide_index=True,
        width="content",
    )
    st.caption(
        f"Unlearning takes {words.seconds(spent['unlearning'])} a request, a mean, because the requests of a run are "
        f"timed together; all of them {words.seconds(spent['unlearning_all'])}, against "
        f"{words.seconds(spent['retraining_all'])} for retraining each time. Models that are made side by side share "
        "their seconds."
    )
