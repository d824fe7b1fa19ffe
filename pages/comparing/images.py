"""Image by image: how sure each model is of the label, who is furthest from retraining, and a new set made of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from pages.shared import address, chosen_set, numbers, theme
from pages.shared import comparison_words as words
from pages.shared import text as t
from pages.shared.text import escape
from unlearn_core.experiment import each_image
from unlearn_core.params import BadValue

GROUPS = {"forget": "Forgotten images", "retain": "Kept images: collateral damage"}
# Of kept images those that are worse off are collateral damage; of forgotten ones either side is a trace.
SIDES = {"worse": "Worse than by retraining", "better": "Better", "all": "All"}
# Lines with thumbnails are heavy: of more images than this, those furthest from retraining are shown.
MOST = 200
SAID = "compare.images.said"  # in the session
SIDE = 48  # pixels of a thumbnail
NUMBER = st.column_config.NumberColumn


def draw(study, picked: list[str]) -> None:
    """One of the methods picked, on the forgotten or the kept images."""
    st.subheader("Image by image")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = address.choice(st.segmented_control, "Method", words.titles(study, picked), "of", required=True)
        group = address.choice(st.segmented_control, "Images", GROUPS, "images", required=True)
        side = "all"
        if group == "retain":
            side = address.choice(st.segmented_control, "Listed", SIDES, "side", required=True)
    everyone = each_image.images(study, method, group)
    table = each_image.on_side(everyone, side)
    if everyone.empty:
        st.info("There are no such images.")
        return
    if side == "all":
        st.markdown(in_words(study, method, table))
    else:
        st.markdown(of_side(study, method, table, len(everyone), side))
    if table.empty:
        return
    chosen = selected(study, f"{group}.{side}", table.head(MOST))
    st.caption(caption(study, group, table))
    buttons(study, chosen)


def in_words(study, method: str, table: pd.DataFrame) -> str:
    """How many images stand out from the noise, on which side, and how far the furthest is."""
    title, out, far = escape(words.title_of(study, method)), table[table["stands_out"]], _place(table.iloc[0])
    above, below = (len(each_image.on_side(out, side)) for side in ("better", "worse"))
    if study.spec.seeds == 1:
        return f"{words.ONE_SEED} The image furthest from retraining under **{title}** is {far}."
    if out.empty:
        return (
            f"No single one of {t.images(len(table))} can be told from the noise of retraining under **{title}**. "
            f"The furthest is {far}."
        )
    return (
        f"**{title}** is surer of {above} and less sure of {below} of {t.images(len(table))} than retrained models, "
        f"beyond the spread of seeds and the noise between two retrained ones. The furthest is {far}."
    )


def of_side(study, method: str, table: pd.DataFrame, everyone: int, side: str) -> str:
    """How many of all kept images are listed on a side, how many of them stand out, and how far the first lies."""
    title, less = escape(words.title_of(study, method)), "less sure" if side == "worse" else "surer"
    text = f"**{title}** is {less} of {len(table):,} of {everyone:,} kept images than retrained models"
    if table.empty:
        return f"{text}."
    far = f"The furthest is {_place(table.iloc[0])}."
    if study.spec.seeds == 1:
        return f"{text}. {words.ONE_SEED} {far}"
    return f"{text}, {int(table['stands_out'].sum()) or 'none'} of them beyond the noise of retraining. {far}"


def _place(line: pd.Series) -> str:
    return (
        f"row {line['row']}, class {escape(line['class'])}: {line['original']:.2f} → {line['unlearned']:.2f}, "
        f"retrained {line['retrained']:.2f}"
    )


def caption(study, group: str, table: pd.DataFrame) -> str:
    """How the table is read."""
    first = f"The {MOST} furthest from retraining of {t.images(len(table))}. " if len(table) > MOST else ""
    near = (
        "Nearest: the forgotten image closest in the embedding of the original model, which may have nothing to do "
        "with it. "
    )
    said = (
        "Grey and ≈: not to be told from the noise, for the 95 % interval holds 0, or two retrained models lie as far "
        "apart on some image. "
    ) * (study.spec.seeds > 1)
    seeds = f"means over {study.spec.seeds} seeds" if study.spec.seeds > 1 else "one seed"
    return (
        f"{first}Probability of the image's own label, {seeds}. {near if group == 'retain' else ''}{said}"
        "Select lines at their left end."
    )


def selected(study, listed: str, table: pd.DataFrame) -> np.ndarray:
    """The table of what is `listed`, group and side; the rows of the lines that are selected in it."""
    near = ~table["stands_out"] & table["half_width"].notna()  # one seed tells nothing of either
    gaps = [numbers.spread(*pair, signed=True) for pair in zip(table["gap"], table["half_width"], strict=True)]
    shown = table.assign(
        picture=[_pictures(study)(row) for row in table["row"]],
        gap=[f"{text} ≈" if same else text for text, same in zip(gaps, near, strict=True)],
    )
    columns = {
        "picture": st.column_config.ImageColumn("Image", width=60),
        "row": NUMBER("Row", format="%d"),
        "class": "Class",
        "part": st.column_config.TextColumn("Third", help=f"By {study.score_words.name}."),
        "original": NUMBER("Original", format="%.2f", help="Probability of the label under the original model."),
        "unlearned": NUMBER("Unlearned", format="%.2f", help="The same under the unlearned model."),
        "retrained": NUMBER("Retrained", format="%.2f", help="The same under the model retrained without the set."),
        "gap": st.column_config.TextColumn("Difference", help="Unlearned minus retrained, seed by seed."),
        "noise": NUMBER("Noise", format="%+.2f", help="The same difference for a second retrained model."),
        "still_right": NUMBER("Right", format="percent", help="Seeds whose unlearned model gets it right."),
    }
    if listed.startswith("retain"):
        del columns["part"]
        rows, distances = each_image.nearest_forgotten(study, table["row"].to_numpy())
        shown = shown.assign(near=rows, near_picture=[_pictures(study)(row) for row in rows], distance=distances)
        columns |= {
            "near_picture": st.column_config.ImageColumn("Nearest", width=60, help="The nearest forgotten image."),
            "near": NUMBER("Its row", format="%d"),
            "distance": NUMBER("Distance", format="%.2f"),
        }
    grey = f"color: {theme.grey()}"
    shown = shown.style.apply(lambda line: [grey if near[line.name] else ""] * len(line), axis=1)
    picked = st.dataframe(
        shown,
        column_order=list(columns),
        column_config=columns,
        hide_index=True,
        height=420,
        row_height=44,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"compare.images.{listed}",
    )
    lines = [line for line in picked.selection.rows if line < len(table)]
    return np.sort(table["row"].to_numpy()[lines])


def _take(study, chosen: np.ndarray, mode: str) -> None:
    try:
        chosen_set.combine(study, chosen, mode)
    except BadValue as error:
        st.session_state[SAID] = f"{error} Your set stays as it was."


def buttons(study, chosen: np.ndarray) -> None:
    """What can be done with the lines selected."""
    if said := st.session_state.pop(SAID, ""):
        st.warning(t.escape(said))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Make these {len(chosen)} my forget set" if len(chosen) else "Make these my forget set",
            disabled=not len(chosen),
            on_click=_take,
            args=(study, chosen, "replace"),
            icon=":material/select_check_box:",
            help="It is then used on Explore and Plan. The finished study stays as it is.",
        )
        st.button(
            "Add them to my forget set",
            disabled=not len(chosen),
            on_click=_take,
            args=(study, chosen, "add"),
            icon=":material/add:",
        )
        count = len(chosen_set.rows(study))
        st.page_link("pages/explore.py", label=f"Your set: {t.images(count)}", icon=":material/scatter_plot:")


@lru_cache(maxsize=8)  # as many as studies are kept open
def _pictures(study) -> Callable[[int], str]:
    """The picture of a row of this study, the last few thousand kept: the table is drawn anew with every click."""
    return lru_cache(maxsize=4000)(lambda row: picture(study.pixels[row]))


def picture(pixels: np.ndarray) -> str:
    """An image (C, H, W) uint8 as an address that holds it, SIDE pixels along its longer side: small ones enlarged in
    sharp squares, large ones made smaller.
    """
    image = np.moveaxis(pixels, 0, -1)
    image = image[..., 0] if image.shape[-1] == 1 else image[..., :3]
    sheet, kept = Image.fromarray(image), io.BytesIO()
    small = max(sheet.size) <= SIDE
    sheet = ImageOps.contain(sheet, (SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.BOX)
    sheet.save(kept, "WEBP", lossless=small, quality=80)
    return "data:image/webp;base64," + base64.b64encode(kept.getvalue()).decode()
