"""What all commands share: the store, progress on stderr, the result as one JSON object, and errors as one sentence."""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from unlearn_core.params import BadField, BadValue, Spec
from unlearn_core.progress import Cancelled, Tell, until

if TYPE_CHECKING:
    from unlearn_core.result import Result
    from unlearn_core.store import Store

SAY_EVERY = 10.0  # seconds between two lines of progress where no bar can be drawn
GOES_ON = "What was finished is kept, and the same command goes on from there."
AGAIN = 75  # the exit status by which shells and queues know that there is nothing wrong and more to do
DRAW_EVERY = 0.1  # seconds between two looks of a bar
FIELDS = {"train": "images", "test": "test_images"}  # fields of specs for which options are called otherwise
NARROW = ("key", "kind", "method", "name", "state")  # columns that are never broken over lines

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Folder of results; else UNLEARN_STORE, else a folder of your own."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON array instead of a table.")]


class Failure(typer.TyperException):
    """An error as its sentence and the exit status."""

    def __init__(self, sentence: str, exit_code: int):
        super().__init__(sentence)
        self.exit_code = exit_code


class Commands(TyperGroup):
    """The commands, with every error as one sentence on stderr: status 2 for what a person can put right, else 1."""

    def invoke(self, ctx: typer.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise Failure(f"Stopped. {GOES_ON}", 130) from None
        except Cancelled:
            raise Failure(f"The minutes are over. {GOES_ON}", AGAIN) from None
        except Exception as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            if isinstance(error, BadField):
                error = self._named(ctx, error)
            raise _failure(error) from error

    def _named(self, ctx: typer.Context, error: BadField) -> BadValue:
        """The same error about the option that a person gave."""
        options = {p.name: p.opts[0] for p in self.get_command(ctx, ctx.invoked_subcommand).params}
        option = options.get(FIELDS.get(error.field, error.field), "")
        return BadValue(f"{option} {error.fault}") if option.startswith("--") else error

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        try:
            status = super().main(*args, standalone_mode=False, **extra)
        except typer.TyperException as error:
            if sentence := error.format_message().replace("Value error, ", ""):
                say(sentence)
            status = error.exit_code
        sys.exit(status or 0)


def _failure(error: Exception) -> Failure:
    from unlearn_core.disk import StoreError
    from unlearn_core.engines import EngineError
    from unlearn_core.job_work import plain_sentence

    if isinstance(error, (BadValue, StoreError, EngineError)):
        return Failure(str(error), 2)
    return Failure(f"{plain_sentence(error)} The option --debug before the command shows where.", 1)


# -- the store ---------------------------------------------------------------------------------------------------------


def open_store(folder: Path | None) -> Store:
    from unlearn_core.store import Store, default_root

    return Store(folder or default_root())


def existing_store(folder: Path | None) -> Store:
    """The same for a command that only looks: a mistyped folder is told of, and does not become an empty store."""
    from unlearn_core.store import default_root, is_store

    if not is_store(place := folder or default_root()):
        raise BadValue(f"There is no store in {place}. What makes something, such as example or study, begins one.")
    return open_store(folder)


def obtain(store: Store, spec: Spec, minutes: float | None = None) -> tuple[Result, bool]:
    """The result of a spec, made now with progress on stderr where it is missing; and whether it was there already.
    Raises Cancelled after so many minutes.
    """
    if (found := store.find(spec)) is not None:
        say("The result was there already, so nothing was computed.")
        return found, True
    from unlearn_core.experiment import fulfil

    with progress() as tell:
        return fulfil(store, spec, until(tell, minutes)), False


# -- stderr ------------------------------------------------------------------------------------------------------------


def say(sentence: str) -> None:
    """One line on stderr."""
    typer.echo(" ".join(sentence.split()), err=True)


@contextmanager
def progress() -> Iterator[Tell]:
    """A `tell` that draws one bar a stage on stderr, or writes a line now and then where stderr is a file or a pipe."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:>18}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        drawn = _Bars(bars)
        yield drawn
        drawn.finish()


class _Lines:
    def __init__(self):
        self.stage, self.said = None, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if stage != self.stage:
            say(f"{stage} ...")
        elif now - self.said > SAY_EVERY and total:
            say(f"{stage}: {done / total:.0%}")
        else:
            return
        self.stage, self.said = stage, now


class _Bars:
    def __init__(self, bars):
        self.bars, self.stage, self.task, self.drawn = bars, None, None, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if stage != self.stage:
            self.finish()
            self.stage, self.task = stage, self.bars.add_task(stage, total=total or None)
        elif now - self.drawn < DRAW_EVERY and done < total:
            return
        self.drawn = now
        self.bars.update(self.task, completed=done, total=total or None)

    def finish(self) -> None:
        """The stage is over, however far it was last told to be."""
        if self.task is not None:
            total = self.bars.tasks[-1].total or 1
            self.bars.update(self.task, completed=total, total=total)
            self.bars.stop_task(self.task)


# -- stdout ------------------------------------------------------------------------------------------------------------


def answer(data: dict | list) -> None:
    """The result: one line of JSON, where numbers that are not finite are null."""
    typer.echo(json.dumps(_finite(data), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show(rows: list[dict], as_json: bool, *, nothing: str, columns: tuple[str, ...] = (), err: bool = False) -> None:
    """Rows as one JSON array, or as a table of these columns (all where none are named)."""
    if as_json:
        answer(rows)
        return
    if not rows:
        say(nothing)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=err)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width of its own
    table = Table(box=box.SIMPLE)
    for name in columns or rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name in NARROW)
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for name in columns or rows[0]))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
