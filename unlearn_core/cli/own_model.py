"""judge: a model that was unlearned elsewhere, beside models retrained here; weights: what its file must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, obtain, open_store, show
from unlearn_core.cli.options import DEFAULTS, read_text, training, with_recipe


@with_recipe
def judge(
    recipe: dict,
    weights: Annotated[Path, typer.Argument(metavar="FILE.safetensors", help="The weights of your model.")],
    forget: Annotated[str, typer.Option(help="Rows it should have forgotten, such as 3,7-9, or @FILE with them.")],
    name: Annotated[str, typer.Option(help="What the model is called.")] = "A model of your own",
    pairs: Annotated[int, typer.Option(help="Pairs of retrained models it is compared with.")] = 3,
    store: StoreOption = None,
) -> None:
    """Measure a model that you unlearned elsewhere against models retrained here without the same images.

    Names and shapes must be those of the architecture (--model, --width): the command weights lists them. Numbers are
    means over the models of a kind, from _low to _high; retrained are both models of each pair. "closeness" and
    "attack" say whether yours is off target: a side of -1 or 1, null where that cannot be told; "wrong" is the share
    of truly retrained models that would be called so too.
    """
    from unlearn_core.experiment.judged import KINDS, METRICS, ask, judgements
    from unlearn_core.params import key

    root = open_store(store)
    rows = read_text(Path(forget[1:])).strip() if forget.startswith("@") else forget
    wanted = ask(root, name, training(root, recipe), rows, weights, pairs)
    _, cached = obtain(root, wanted)
    verdict = next(v for v in judgements(root) if v.spec == wanted)
    columns = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    models = {kind: verdict.table.loc[kind, columns].to_dict() for kind in KINDS}
    answer(
        {
            "key": key(wanted),
            "forget": verdict.forget,
            "pairs": pairs,
            "models": models,
            "closeness": vars(verdict.closeness),
            "attack": vars(verdict.attack),
            "cached": cached,
        }
    )


def weights(
    dataset: Annotated[str, typer.Option(help="Dataset: see list datasets.")] = DEFAULTS["dataset"],
    model: Annotated[str | None, typer.Option(help="Architecture: see list models.")] = None,
    width: Annotated[int, typer.Option(help="Hidden units or first channels; 0 is the architecture's own.")] = 0,
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """List the names and shapes that a file of weights of your own must have."""
    from unlearn_core.experiment.own_weights import needed

    root = open_store(store)
    recipe = DEFAULTS | {"dataset": dataset, "width": width} | ({"model": model} if model else {})
    show(needed(root, training(root, recipe)), as_json, nothing="")
