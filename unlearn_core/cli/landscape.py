"""landscape: how closeness to retraining goes with memorization and entanglement, measured on many forget sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, obtain, open_store, say, show
from unlearn_core.cli.options import row_of, training, with_recipe

COLUMNS = ("algorithm", "memorization", "entanglement", "attack_by_memorization", "attack_by_entanglement", "off_by")


@with_recipe
def landscape(
    recipe: dict,
    sets: Annotated[int, typer.Option(help="How many forget sets; 64 are a preview.")] = 256,
    models: Annotated[int, typer.Option(help="Members of the bank of models; 0 = no bank.")] = 64,
    algorithm: Annotated[list[str] | None, typer.Option(help="Which; may be repeated. All unless told.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out those that are slow on small nets.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write a line for each set here too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print no table.")] = False,
    store: StoreOption = None,
) -> None:
    """Run algorithms on many forget sets, and say how closeness to retraining goes with what the sets are.

    A landscape that was stopped goes on where it stopped, and more sets or algorithms cost only themselves.
    """
    from unlearn_core.evaluation import METRICS
    from unlearn_core.experiment.difficulty import difficulty
    from unlearn_core.experiment.landscape import Landscape, sizes_for, usual
    from unlearn_core.unlearning import ALGORITHMS

    chosen = tuple(row_of(ALGORITHMS, name, "algorithm")() for name in algorithm or ()) or usual(slow=not quick)
    root = open_store(store)
    trained = training(root, recipe)
    sizes = sizes_for(root, trained)
    asked = Landscape(training=trained, models=models, unlearners=chosen, sets=sets, sizes=sizes)
    result, cached = obtain(root, asked)
    table = result.table()
    if out is not None:
        table.to_csv(out, index=False)
    taught = difficulty(result)
    law, (held, dropped) = taught.law, taught.held()
    if not as_json:
        lines = [_words(line) for line in law.reset_index().to_dict("records")]
        show(lines, False, nothing="", columns=COLUMNS, err=True)
        say(
            f"How {METRICS['tow'].short} and the attack's advantage over retraining change for each 0.1 more of a "
            "set's mean memorization, and of its entanglement beside a random set's, with 95 % intervals over "
            "original models; * where that leaves out 0. Off by: mean error of the forecast on sets it has not seen, "
            "and that of saying the mean."
        )
        say(f"Held fixed: the other of the two{''.join(f', {name}' for name in held)}.")
        if dropped:
            say(f"Not held, because it is the same in all sets or follows from the rest: {', '.join(dropped)}.")
        for first, others in taught.twins.items():
            same = " and ".join(taught.titles[name] for name in (first, *others))
            say(f"Counted once, because on every set they read the same: {same}.")
    found = law.astype(object).where(law.notna(), None).to_dict("index")
    answer(
        {
            "key": result.key,
            "sets": int(table["set"].nunique()),
            "law": found,
            "held": held,
            "same": taught.twins,
            "seconds": result.manifest()["seconds"],
            "cached": cached,
        }
    )


def _words(line: dict) -> dict:
    from unlearn_core.experiment.law import NOT_TOLD

    def slope(name: str) -> str:
        if line[f"{name}_says"] == NOT_TOLD:
            return NOT_TOLD
        sign = "" if line[f"{name}_says"] == "no effect shown" else " *"
        return f"{line[name]:+.3f} ({line[f'{name}_low']:+.3f} to {line[f'{name}_high']:+.3f}){sign}"

    known = line["error"] == line["error"] and line["error"] is not None
    return {
        "algorithm": line["title"],
        "memorization": slope("memorization"),
        "entanglement": slope("entanglement"),
        "attack_by_memorization": slope("memorization_auc_gap"),
        "attack_by_entanglement": slope("entanglement_auc_gap"),
        "off_by": f"{line['error']:.3f}, mean {line['of_mean']:.3f}" if known else "",
    }
