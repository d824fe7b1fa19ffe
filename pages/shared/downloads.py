"""A table to take away."""

from __future__ import annotations

import io
import re

import pandas as pd
import streamlit as st

# What makes a spreadsheet read a cell as a formula: such a sign first in it or in one of its lines, whatever blanks
# stand before it, those without a width too.
FORMULA = re.compile(r"(?m)^(?=[\s\u200b\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|[\t\r])")


def buttons(table: pd.DataFrame, name: str) -> None:
    """The table as CSV and as parquet; both are written only when asked for."""
    with st.container(horizontal=True):
        for kind, write, mime in (
            ("CSV", csv, "text/csv"),
            ("parquet", parquet, "application/vnd.apache.parquet"),
        ):
            st.download_button(
                f"Download as {kind}",
                data=lambda write=write: write(table),
                file_name=f"{name}.{kind.lower()}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
            )


def csv(table: pd.DataFrame) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets read it as such.

    Texts that a spreadsheet would run as a formula begin with an apostrophe; numbers stay numbers.
    """
    text = table.select_dtypes(["object", "string", "category"]).columns
    safe = table.assign(**{c: table[c].astype(object).map(_harmless) for c in text})
    return safe.rename(columns=_harmless).to_csv(index=False).encode("utf-8-sig")


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _harmless(cell):
    return FORMULA.sub("'", cell.replace("\r", "\n")) if isinstance(cell, str) else cell
