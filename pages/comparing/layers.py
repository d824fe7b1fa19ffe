"""Layer by layer: where inside the network a method works, beside retraining and the noise between two retrained."""

from __future__ import annotations

from html import escape as html

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from pages.shared import access, address, cost_words, legend, numbers, progress, recorded, state, theme
from pages.shared import comparison_words as words
from pages.shared.folds import fold
from pages.shared.text import escape, images
from unlearn_core.evaluation import METRICS, reach
from unlearn_core.experiment import LayerCka
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import layers as made

GROUPS = {"forget": "Forgotten images", "test": "Test images"}
TO = {core.RETRAINED: "The retrained model", core.ORIGINAL: "The original"}
FORMS = {"debiased": "Corrected for few images", "plain": "Plain"}
MARKS = ("circle", "square", "diamond", "cross")
DASHES = ("solid", "dash", "dot", "dashdot")


def draw(study, picked: list[str]) -> None:
    st.subheader("Layer by layer")
    st.markdown(
        "How alike two models compute the same images (CKA): 1 is the same up to rotation and scale. It says where a "
        "method works, not whether it forgot: changing the last layer alone can be enough, or hide that the others "
        "still know."
    )
    table = made.finished(study)
    if table is None:
        progress.live("compare.layers", lambda: _offer(study))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        to = address.choice(st.segmented_control, "Compared with", TO, "to", required=True)
        form = address.choice(st.segmented_control, "Form", FORMS, "cka", required=True)
    found = made.means(table, form)
    found = found[found["to"] == to]
    if not found["mean"].notna().any():
        st.info("There are too few images to compare features on: the corrected form needs at least 4.")
        return
    chart(study, found, picked, to)
    st.markdown(in_words(study, found, picked, to))
    st.caption(caption(study, found, to))
    with fold("layers", "All layers in numbers") as box:
        if box.open:
            _table(study, found, picked, to)


def _offer(study) -> None:
    """The button that has it measured, or how far it is."""
    asked = LayerCka(study=study.spec)
    if progress.under_way(asked):
        return
    models = study.table[["method", "seed"]].drop_duplicates()
    said, foreseen = cost_words.again(state.store(), study, asked)
    each = f"all {len(models)} models of the study about at most {asked.images:,} images of each kind"
    st.markdown(f"This asks {each}. {said}")
    if recorded.start("Compare the layers", type="primary", icon=":material/layers:"):
        access.submit(state.store(), asked, foreseen)
        st.rerun()


def references(to: str) -> dict[str, tuple[str, str]]:
    """Method -> its name here and the model whose colour it has: where it starts, and what it should come to."""
    if to == core.RETRAINED:
        return {
            core.ORIGINAL: ("original", "original"),
            core.CEILING: ("retrained again: the noise floor", "retrained"),
        }
    return {core.RETRAINED: ("retrained: the target", "retrained")}


def chart(study, found: pd.DataFrame, picked: list[str], to: str) -> None:
    """A line for each model over its layers, on forgotten and on test images."""
    groups = [on for on in GROUPS if (found["on"] == on).any()]
    title = conclusion(study, found, picked, to)
    fig = theme.figure(title=html(title), x="", y="", height=420)
    grid = fig.layout.xaxis.gridcolor
    heads = [f"{GROUPS[on]} ({found.loc[found['on'] == on, 'images'].iloc[0]:,})" for on in groups]
    make_subplots(
        rows=1, cols=len(groups), shared_yaxes=True, subplot_titles=heads, figure=fig, horizontal_spacing=0.04
    )
    fig.update_annotations(font={"size": theme.AXIS})
    for column, on in enumerate(groups, start=1):
        for method, (name, model) in references(to).items():
            style = {"color": theme.model_colour(model), "dash": theme.DASHES[model], "width": 2}
            _line(fig, _of(found, method, on), name, style, "x-thin-open", column)
        for i, method in enumerate(picked):
            style = {"color": theme.model_colour("unlearned"), "dash": DASHES[i], "width": 2.5}
            _line(fig, _of(found, method, on), words.title_of(study, method), style, MARKS[i], column)
        layers = found[found["on"] == on].drop_duplicates("layer").sort_values("layer")
        ticks = [f"{n + 1}: {html(name)}" for n, name in zip(layers["layer"], layers["name"], strict=True)]
        few = {"tickvals": layers["layer"], "ticktext": ticks} if len(layers) <= 8 else {"title": "layer"}
        fig.update_xaxes(gridcolor=grid, zeroline=False, row=1, col=column, **few)
    fig.update_yaxes(gridcolor=grid, zeroline=False)
    fig.update_yaxes(title=f"Likeness to {TO[to].lower()} (CKA)", row=1, col=1)
    fig.update_layout(margin={"t": 80})
    theme.show(legend.below(fig, 110), alt=f"{title}. {in_words(study, found, picked, to).replace('*', '')}")


def _of(found: pd.DataFrame, method: str, on: str) -> pd.DataFrame:
    return found[(found["method"] == method) & (found["on"] == on)].sort_values("layer")


def _line(fig: go.Figure, lines: pd.DataFrame, name: str, style: dict, mark: str, column: int) -> None:
    texts = [
        f"{html(name)}, {html(layer)}: {numbers.spread(mean, half)}"
        for layer, mean, half in lines[["name", "mean", "half_width"]].itertuples(index=False)
    ]
    down, up = reach(lines["mean"], lines["half_width"], METRICS["linear_cka"].ends)
    fig.add_scatter(
        x=lines["layer"],
        y=lines["mean"],
        error_y={"array": up, "arrayminus": down, "color": style["color"], "thickness": 1.2, "width": 3},
        mode="lines+markers",
        line=style,
        marker={"symbol": mark, "size": 9, "color": style["color"]},
        name=html(name),
        legendgroup=name,
        showlegend=column == 1,
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        row=1,
        col=column,
    )


def conclusion(study, found: pd.DataFrame, picked: list[str], to: str) -> str:
    """Which method is furthest in any layer, on forgotten images."""
    own = found[(found["on"] == "forget") & found["method"].isin(picked)].dropna(subset="mean")
    if own.empty:
        return "None of the methods has the layers of the original"
    line = own.loc[own["mean"].idxmin()]
    name = words.title_of(study, line["method"])
    return (
        f"{name} is least like {TO[to].lower()} in {line['name']}: {numbers.spread(line['mean'], line['half_width'])}"
    )


def in_words(study, found: pd.DataFrame, picked: list[str], to: str) -> str:
    """For each method in how many layers it can be told from the noise, on forgotten images."""
    than = "two retrained models are to each other" if to == core.RETRAINED else "the retrained model is"
    said = []
    for method in picked:
        lines, title = _of(found, method, "forget"), escape(words.title_of(study, method))
        if lines.empty:
            said.append(f"- **{title}**: its layers are not those of the original, so they cannot be compared")
            continue
        if lines["side"].isna().all():
            said.append(
                f"- **{title}**: whether it can be told from the noise cannot be said with so few seeds or images"
            )
            continue
        below, above = (int((lines["side"] == side).sum()) for side in (-1, 1))
        same = len(lines) - below - above
        count = f"less alike in {below} of {len(lines)} layers than {than}, more alike in {above}"
        said.append(f"- **{title}**: {count}, not to be told from it in {same}")
    return "\n".join(said)


def caption(study, found: pd.DataFrame, to: str) -> str:
    counts = " and ".join(
        f"{images(int(found.loc[found['on'] == on, 'images'].iloc[0]))} ({name.lower()})"
        for on, name in GROUPS.items()
        if (found["on"] == on).any()
    )
    more = (
        " The floor is a second retrained model, which began from other weights; the original began from the same "
        "weights as the retrained one."
        if to == core.RETRAINED
        else ""
    )
    return (
        f"Linear CKA on {counts}, between models of one seed; bars: 95 % intervals over {study.spec.seeds} seeds. "
        f"Every linear and convolutional layer, before its activation; convolutions averaged over positions.{more}"
    )


def _table(study, found: pd.DataFrame, picked: list[str], to: str) -> None:
    """Every layer of the methods picked and of the references; what cannot be told from the noise is marked."""
    lines = found[found["method"].isin([*references(to), *picked])]
    means = [numbers.spread(*pair) for pair in zip(lines["mean"], lines["half_width"], strict=True)]
    near = lines["side"].map(lambda side: side == 0) & lines["method"].isin(picked)
    st.dataframe(
        pd.DataFrame(
            {
                "Method": [words.title_of(study, method) for method in lines["method"]],
                "Images": lines["on"].map(GROUPS).to_numpy(),
                "Layer": lines["name"].to_numpy(),
                "CKA": [f"{text} ≈" if same else text for text, same in zip(means, near, strict=True)],
            }
        ),
        hide_index=True,
        column_config={"CKA": st.column_config.TextColumn(help="≈: not to be told from the noise of retraining.")},
    )
