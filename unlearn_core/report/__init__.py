"""The report of a study: one HTML file that needs nothing else, to be read on a screen or printed.

words.py       numbers with their intervals, the three statements, and what is not claimed
by_audit.py    what an audit adds to the three statements
protocol.py    who attacks, on how many models, in what numbers, and what was not measured
sections.py    what the core knows of a study, section by section, as plain values
charts.py      charts as SVG, drawn here, so that the file needs no script
page.html.j2   the page and its style
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from unlearn_core.experiment.comparison import ranked
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue

AUDIENCES = {"executive": "One page", "technical": "Everything"}


def methods(study: OpenStudy) -> list[str]:
    """What a report can be about: what was run, the nearest to retraining first."""
    return list(ranked(study, "group_tow").index)


def headline(study: OpenStudy) -> str:
    """The method that a report is about unless told otherwise: the plan, else the nearest to retraining."""
    order = ranked(study, "group_tow")
    return next(iter(order.index[order["kind"] == "plan"]), order.index[0])


def write(study: OpenStudy, audience: str = "executive", method: str | None = None) -> str:
    """The report as one HTML file without any address in it: a page for a decision ("executive") or all that was
    measured ("technical"), on one method of the study.

    Raises BadValue for another audience and for what the study did not run.
    """
    from unlearn_core.report.sections import sections  # the charts are drawn only when they are asked for

    if audience not in AUDIENCES:
        raise BadValue(f"The audience is {' or '.join(AUDIENCES)}, not {audience!r}.")
    known = methods(study)
    if method is not None and method not in known:
        raise BadValue(f"{method!r} is not a method of this study; there are {', '.join(known)}.")
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    pages = jinja2.Environment(
        loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return pages.get_template("page.html.j2").render(sections(study, audience, method or headline(study)))


__all__ = ["AUDIENCES", "headline", "methods", "write"]
