"""Changing the forget set: by a rule, by row numbers, by a selection on the map; what a change does is shown first."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import address, chosen_set
from pages.shared.forms import form
from pages.shared.text import escape, hundredths, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import quick_facts
from unlearn_core.forget import FORGET_SETS, Mislabelled, OfClass, Picked, at_first
from unlearn_core.params import BadValue
from unlearn_core.row_files import read_ids
from unlearn_core.rows import check_forget, pack

OWN = "own"


def draw(study: OpenStudy, chosen: np.ndarray) -> None:
    """A rule with its settings, what it names, and what can be done with these images."""
    rules = {
        name: cls for name, cls in FORGET_SETS.items() if cls is not Mislabelled or study.data.mislabelled is not None
    }
    titles = {name: cls.title for name, cls in rules.items()} | {OWN: "The study's own set"}
    name = address.choice(
        st.selectbox, "Rule", titles, "rule", width=320,
        help="How the images are named. Nothing changes until you press a button below.",
    )  # fmt: skip
    try:
        rows = study.forget if name == OWN else _named(study, name)
    except BadValue as error:
        st.error(escape(str(error)))
        rows = None
    if rows is not None:
        offer(study, chosen, rows, "The rule names", "rule")
    st.button(
        f"Invert: take the other {len(study.labels) - len(chosen):,} images", key="invert",
        icon=":material/invert_colors:", on_click=chosen_set.invert, args=(study,),
        help="What is in your set leaves it, and all other training images take its place.",
    )  # fmt: skip


def offer(study: OpenStudy, chosen: np.ndarray, rows: np.ndarray, lead: str, key: str) -> None:
    """What can be said of these rows, and buttons that make them the set, add them to it or take them out."""
    shared = np.intersect1d(rows, chosen)
    text = f"{lead} **{images(len(rows))}**, {len(shared):,} of them in your set"
    if len(rows) < len(study.labels):
        facts = quick_facts(study, rows)
        text += f"; mean {study.score_words.name} {hundredths(facts.memorization)}, "
        text += f"{facts.entanglement.share_of_random:.2g} times as entangled as a random set of this size"
    st.markdown(f"{text}.")
    results = {
        f"Use {'this one' if len(rows) == 1 else f'these {len(rows):,}'} as the set": rows,
        f"Add {len(rows) - len(shared):,} to the set": np.union1d(chosen, rows),
        f"Take {len(shared):,} out of the set": np.setdiff1d(chosen, rows),
    }
    with st.container(horizontal=True):
        for i, (label, result) in enumerate(results.items()):
            useless = np.array_equal(result, chosen) or not 0 < len(result) < len(study.labels)
            st.button(label, key=f"{key}.{i}", disabled=useless, on_click=chosen_set.change, args=(study, result))


def _named(study: OpenStudy, name: str) -> np.ndarray | None:
    """The rows that a rule names with the settings on screen; None while there is nothing to go by."""
    cls = FORGET_SETS[name]
    own = study.spec.forget if type(study.spec.forget) is cls else None
    key = f"rule.{study.key[:8]}.{name}"
    if cls is Picked:
        return _typed_or_uploaded(study, key)
    if cls is OfClass:
        numbered = {str(number): title for number, title in enumerate(study.classes)}
        label = numbered[address.choice(st.selectbox, "Class", numbered, "class", width=320)]
        start = OfClass(label=label) if own is None else own.but(label=label)
        rule = form(cls, f"{key}.form", start, ("share", "seed"), bind="query-params")
        # The form remembers its values by their key, and the class is none of them.
        rule = rule and rule.but(label=label)
    else:
        first = own or at_first(cls, len(study.labels), len(study.data.validation.y))
        rule = form(cls, key, first, bind="query-params")
    return None if rule is None else rule.choose(study.known)


def _typed_or_uploaded(study: OpenStudy, key: str) -> np.ndarray | None:
    rule = form(Picked, key)
    file = st.file_uploader(
        "Or a file with one row number a line", type=["csv", "txt"], max_upload_size=5, key=f"{key}.file",
        help="Without a heading every number in it is a row number. A table needs a heading; of several columns the "
        "one called row, id or index counts.",
    )  # fmt: skip
    if file is not None:
        try:
            text = file.getvalue().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadValue("The file is not plain text: save it as CSV with one row number a line.") from error
        return check_forget(read_ids(text, len(study.labels)), len(study.labels))
    if rule is None or not rule.named.strip():
        st.caption(f"Type row numbers from 0 to {len(study.labels) - 1:,}, such as 3,7-9, or choose a file.")
        return None
    return rule.choose(study.known)


def download(study: OpenStudy, chosen: np.ndarray) -> None:
    """The set in hand as a file that can be read back here."""
    st.download_button(
        "Download row numbers",
        data="row\n" + "\n".join(map(str, chosen.tolist())) + "\n",
        file_name=f"forget-{len(chosen)}-images.csv",
        mime="text/csv",
        on_click="ignore",
        help=escape(pack(chosen))[:300],
    )
