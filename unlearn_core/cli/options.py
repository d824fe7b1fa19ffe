"""Options that several commands share, and texts from the command line made into rows, specs and hyperparameters."""

from __future__ import annotations

import html
import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearn_core.params import SPECS, BadField, BadValue, Spec, build, params

if TYPE_CHECKING:
    import numpy as np

    from unlearn_core.store import Store
    from unlearn_core.training import Training

# The fields of Data and Training that a person sets; written out here, because the specs take seconds to import.
IMAGES: dict[str, tuple[Any, str]] = {
    "dataset": (str, "Dataset: see list datasets."),
    "images": (int, "Use only this many training images, drawn by class; 0 is all."),
    "test_images": (int, "Use only this many test images, drawn by class; 0 is all."),
}
DEFAULTS = {"dataset": "digits", "images": 0, "test_images": 0}
RECIPE: dict[str, tuple[Any, str]] = {
    "model": (str | None, "Architecture: see list models."),
    "width": (int | None, "Hidden units or first channels; 0 is the architecture's own."),
    "epochs": (int | None, "Passes over the training images."),
    "lr": (float | None, "Learning rate at the start."),
    "momentum": (float | None, "Momentum of SGD."),
    "weight_decay": (float | None, "L2 penalty of SGD."),
    "batch": (int | None, "Images per step."),
    "augment": (str | None, "Changes of the images: none, or flip-crop for random flips and shifts."),
    "precision": (str | None, "Numbers in a pass: float32, or bfloat16, which is faster for large nets."),
    "noise": (float | None, "Differential privacy: noise in lengths of the longest gradient; 0 is without."),
    "clip": (float | None, "Differential privacy: longest gradient of one image."),
    "schedule": (str | None, "How the learning rate changes over the steps: cosine or constant."),
    "seed": (int | None, "Seed; 0 unless told."),
}


def with_recipe(command: Callable) -> Callable:
    """Give a command the options of a training recipe; they reach it as one dict, its argument `recipe`."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for name, p in signature.parameters.items() if name != "recipe"]
    # A command that has an option of the same name means its own.
    names = [name for name in IMAGES | RECIPE if name not in signature.parameters]

    def run(**values):
        recipe = {name: values.pop(name) for name in names}
        return command(recipe={k: v for k, v in recipe.items() if v is not None}, **values)

    for name in names:
        kind, text = (IMAGES | RECIPE)[name]
        panel = "Images" if name in IMAGES else "Recipe; the dataset's own unless told"
        option = Annotated[kind, typer.Option(help=text, rich_help_panel=panel)]
        own.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS.get(name), annotation=option)
        )
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=own)
    return run


def training(store: Store, recipe: dict[str, Any]) -> Training:
    """The dataset's own recipe with the values that were given."""
    from unlearn_core.data import Data, own
    from unlearn_core.training import recipe as usual

    name = recipe["dataset"]
    changes = {field: value for field, value in recipe.items() if field not in IMAGES}
    data = Data(name=name, train=recipe["images"], test=recipe["test_images"])
    for imported in own(store.root / "data"):
        if imported.name == name:
            # The fingerprint ties results to the images, should the name be given to others later.
            return usual(data.but(fingerprint=imported.fingerprint), min(imported.shape[1:])).but(**changes)
    return usual(data).but(**changes)


def row_of(table: dict[str, Any], name: str, kind: str) -> Any:
    """A row of a registry. Raises BadValue naming the rows there are."""
    if name not in table:
        raise BadValue(f"There is no {kind} called {name!r}; there are {', '.join(table)}.")
    return table[name]


def with_settings(cls: type[Spec], given: Iterable[str]) -> Spec:
    """A spec with the fields that texts such as lr=0.1 name; the algorithm inside another is inner=NAME, its settings
    inner.lr=0.1. Raises BadValue for one that cannot be used.
    """
    fields = {p.name: p for p in params(cls)}
    given = list(given)
    inside = [text.removeprefix("inner.") for text in given if text.startswith("inner.")]
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadValue(f"{text!r} is not a setting such as lr=0.1.")
        if name.startswith("inner.") and "inner" in fields:
            continue
        if name not in fields:
            has = f"it has {', '.join(fields)}" if fields else "it has none"
            raise BadValue(f"{cls.title} has no hyperparameter {name!r}; {has}.")
        values[name] = _algorithm(value) if name == "inner" else value if fields[name].kind is str else _value(value)
    if inside and "inner" in fields:
        start = values.get("inner", fields["inner"].default)
        values["inner"] = with_settings(type(start), inside)
    try:
        return cls(**values)
    except BadField as error:
        raise BadValue(f"--set {error.field} {error.fault}") from error


def _algorithm(name: str) -> Spec:
    from unlearn_core.unlearning import ALGORITHMS

    return row_of(ALGORITHMS, name, "algorithm")()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read_text(file: Path) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadValue(f"The file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"The file {file} is not a text.") from error


def read_spec(file: Path, kind: type[Spec] = Spec) -> Spec:
    """The spec in a JSON file, or the study in a report. Raises BadValue where it is not one of this kind."""
    text = read_text(file)
    _, report, rest = text.partition('<pre id="study-json"')
    if report:
        text = html.unescape(rest.partition(">")[2].partition("</pre>")[0])
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadValue(f"The file {file} is not JSON: line {error.lineno}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise BadValue(f"The file {file} is not JSON that can be read.") from error
    name = data.get("spec") if isinstance(data, dict) else None
    cls = SPECS.get(name) if isinstance(name, str) else None
    if cls is None or not issubclass(cls, kind):
        wanted = "what a job can make, such as a Study" if kind is Spec else f"a {kind.__name__}"
        holds = "something else" if cls is None else f"a {name}"
        raise BadValue(f"The file {file} should hold {wanted}; it holds {holds}.")
    return build(data)


def rows(text: str, n: int) -> np.ndarray:
    """Row numbers from a text such as 3,7-9, or from the file named by @FILE."""
    from unlearn_core.row_files import read_ids
    from unlearn_core.rows import unpack

    return read_ids(read_text(Path(text[1:])), n) if text.startswith("@") else unpack(text, n)


def write_csv(columns: dict[str, Any], file: Path) -> None:
    import pandas as pd

    try:
        pd.DataFrame(columns).to_csv(file, index=False)
    except OSError as error:
        raise BadValue(f"The file {file} cannot be written: {error.strerror or error}.") from error
