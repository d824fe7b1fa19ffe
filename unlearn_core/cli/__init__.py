"""The command line: the contents page.

    frame.py       what all commands share: errors as one sentence, progress, tables, the result as one JSON object
    options.py     options that several commands share, and texts made into rows, specs and hyperparameters
    lists.py       list
    own_data.py    data add, data list, data check
    own_model.py   judge, weights
    stages.py      train, bank, map
    forgetting.py  forget, unlearn, evaluate
    studies.py     example, study, forecast, compare, calibrate, suggest, proxies
    paper.py       study paper
    audit.py       audit
    search.py      tune
    stream.py      stream
    landscape.py   landscape
    report.py      report
    bundle.py      bundle export, bundle import
    algorithms.py  leaderboard, defaults, algorithms check, algorithms list
    queue.py       jobs list, start, show, cancel, resume, remove
    removal.py     remove, trash list, trash restore, trash empty
    verify.py      verify

Modules that need seconds to import are imported inside the commands, so that help and small lists answer at once.
"""

from typing import Annotated

import typer

from unlearn_core.cli import (
    algorithms,
    audit,
    bundle,
    forgetting,
    landscape,
    lists,
    own_data,
    own_model,
    queue,
    removal,
    report,
    search,
    stages,
    stream,
    studies,
    verify,
)
from unlearn_core.cli.frame import Commands

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def start(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="UNLEARN_DEBUG", help="Show where an error came from.")
    ] = False,
) -> None:
    """Choose images to forget, see why they are hard to forget, forget them, and prove how well it worked.

    Progress goes to stderr; the result is one JSON object on the last line of stdout.

    Lists and compare print a table; with --json a list is one JSON array and compare one JSON object.
    """


for command in (
    studies.example,
    lists.list_,
    stages.train,
    stages.bank,
    stages.map_,
    forgetting.forget,
    forgetting.unlearn,
    forgetting.evaluate,
    studies.study,
    search.tune,
    landscape.landscape,
    studies.forecast,
    studies.compare,
    studies.suggest,
    studies.calibrate,
    studies.proxies,
    audit.audit,
    stream.stream,
    own_model.judge,
    own_model.weights,
    report.report,
    removal.remove,
    verify.verify,
    algorithms.leaderboard,
    algorithms.defaults,
):
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(algorithms.app, name="algorithms")
app.add_typer(own_data.app, name="data")
app.add_typer(bundle.app, name="bundle")
app.add_typer(queue.app, name="jobs")
app.add_typer(removal.app, name="trash")

__all__ = ["app"]
