"""report: a finished study as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer
from unlearn_core.cli.studies import KeyArgument, open_study


def report(
    study: KeyArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where the report is written.")
    ] = None,
    audience: Annotated[
        str, typer.Option(help="executive: one page; technical: everything that was measured.")
    ] = "executive",
    method: Annotated[
        str | None, typer.Option(help="Method of the study: see compare; else the plan, or the nearest to retraining.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """One HTML file that needs nothing else: what was asked and done, whether it worked, and what is not claimed."""
    from unlearn_core import report as reports
    from unlearn_core.disk import StoreError
    from unlearn_core.params import BadValue

    found = open_study(store, study)
    if out is None:
        raise BadValue("Say where the report is to be written: -o report.html.")
    written = reports.write(found, audience, method)
    try:
        out.write_text(written, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The file {out} cannot be written: {error.strerror}.") from error
    answer(
        {
            "study": found.key,
            "method": method or reports.headline(found),
            "audience": audience,
            "written": str(out),
            "bytes": len(written.encode()),
        }
    )
