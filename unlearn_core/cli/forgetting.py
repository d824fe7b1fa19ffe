"""forget, unlearn, evaluate: from a choice of images to an unlearned model and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unlearn_core.cli.frame import StoreOption, answer, existing_store, obtain, open_store, progress, say
from unlearn_core.cli.options import read_spec, read_text, row_of, rows, training, with_recipe, with_settings, write_csv
from unlearn_core.params import BadValue, params, plain

ModelsOption = Annotated[
    int, typer.Option(help="Members of the bank, where one is needed; 0 = none, go by confidence during training.")
]

# The option of each field of a rule, where the field's own name would say too little on a command line.
OPTION = {"named": "rows", "label": "class"}


@with_recipe
def forget(
    recipe: dict,
    by: Annotated[str, typer.Option(help="How to choose: see list forget-sets.")] = "memorization",
    level: Annotated[str | None, typer.Option(help="low, medium, high or mix.")] = None,
    size: Annotated[int | None, typer.Option(help="Number of images.")] = None,
    label: Annotated[str | None, typer.Option("--class", help="Name of the class.")] = None,
    share: Annotated[float | None, typer.Option(help="Share of the class.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draw.")] = None,
    named: Annotated[str | None, typer.Option("--rows", help="Row numbers such as 3,7-9.")] = None,
    scale: Annotated[str | None, typer.Option(help="What the ends of a band are: value or rank.")] = None,
    low: Annotated[float | None, typer.Option(help="Where a band begins.")] = None,
    high: Annotated[float | None, typer.Option(help="Where a band ends.")] = None,
    row: Annotated[int | None, typer.Option(help="The image that the others lie near to.")] = None,
    measure: Annotated[str | None, typer.Option(help="How near is measured: euclidean or cosine.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file of row numbers, or a table with a column row.")] = None,
    models: ModelsOption = 64,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the row numbers here too.")] = None,
    store: StoreOption = None,
) -> None:
    """Choose images to forget, and say how memorized and how entangled they are."""
    from unlearn_core.experiment.attributes import known
    from unlearn_core.experiment.embedded_images import embedding_sums
    from unlearn_core.experiment.memorized import Unbanked, bank_of, memorization_of
    from unlearn_core.experiment.trained_models import dataset
    from unlearn_core.forget import FORGET_SETS
    from unlearn_core.row_files import read_ids
    from unlearn_core.rows import pack

    root = open_store(store)
    spec = training(root, recipe)
    given = {"level": level, "size": size, "label": label, "share": share, "seed": seed, "named": named}
    given |= {"scale": scale, "low": low, "high": high, "row": row, "measure": measure}
    if file is not None:
        if named is not None:
            raise BadValue("Give row numbers by --rows or by --file, not by both.")
        images = dataset(root, spec.data)
        by, given["named"] = "rows", pack(read_ids(read_text(file), len(images.train.y)))
    rule = _rule(row_of(FORGET_SETS, by, "way to choose"), by, given)
    bank = bank_of(spec, models)
    with progress() as tell:
        about = known(root, bank, tell)
        chosen, sums = rule.choose(about), embedding_sums(root, spec, tell)
    entangled = sums.describe(chosen)
    there = isinstance(bank, Unbanked) or root.find(bank) is not None  # a bank is never made for this answer alone
    scores = memorization_of(root, bank) if there else None
    if scores is not None and scores.warning:
        say(scores.warning)
    if out is not None:
        write_csv({"row": chosen}, out)
    labels = about.labels[chosen]
    answer(
        {
            "size": len(chosen),
            "rows": pack(chosen),
            "classes": {name: int((labels == k).sum()) for k, name in enumerate(about.classes) if (labels == k).any()},
            "memorization": float(scores.scores[chosen].mean()) if scores is not None else None,
            "entanglement": entangled.score,
            "share_of_random": entangled.share_of_random,
            "rule": plain(rule),
        }
    )


def _rule(cls: type, by: str, given: dict[str, Any]):
    """The rule with the options that were given. Raises BadValue for an option that means nothing to it."""
    fields = [p.name for p in params(cls)]
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in fields:
            takes = ", ".join(f"--{OPTION.get(f, f)}" for f in fields) or "no options"
            raise BadValue(f"--{OPTION.get(name, name)} means nothing with --by {by}, which takes {takes}.")
    return cls(**given)


@with_recipe
def unlearn(
    recipe: dict,
    forget: Annotated[str, typer.Option(help="Row numbers such as 3,7-9, or @FILE.")],
    algorithm: Annotated[str | None, typer.Option(help="Algorithm: see list algorithms.")] = None,
    plan: Annotated[Path | None, typer.Option(metavar="FILE.json", help="A RUM plan instead of one algorithm.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter, such as lr=0.1.")] = None,
    models: ModelsOption = 64,
    store: StoreOption = None,
) -> None:
    """Forget images by one algorithm, or by a RUM plan with an algorithm for each part."""
    from unlearn_core.experiment import Run
    from unlearn_core.experiment.measures import Target
    from unlearn_core.experiment.trained_models import dataset
    from unlearn_core.rows import check_forget, pack
    from unlearn_core.unlearning import ALGORITHMS

    root = open_store(store)
    if (algorithm is None) == (plan is None):
        raise BadValue("Say how to forget: --algorithm NAME or --plan FILE.json.")
    if plan is not None and set_:
        raise BadValue("--set belongs to --algorithm; a plan names its own hyperparameters.")
    original = training(root, recipe)
    images = dataset(root, original.data)
    chosen = check_forget(rows(forget, len(images.train.y)), len(images.train.y))
    if plan is not None:
        unlearner = _resolved(root, original, plan, chosen, models)
    else:
        unlearner = with_settings(row_of(ALGORITHMS, algorithm, "algorithm"), set_ or ())
    run = Run(training=original, forget=pack(chosen), unlearner=unlearner, seed=original.seed)
    result, cached = obtain(root, run)
    goal, cost = Target(images.train.y.numpy(), images.test.y.numpy(), chosen, {}), result.json("cost")
    if cost["diverged_at"] is not None:
        say(f"The loss was no longer finite at step {cost['diverged_at']}; the last finite model is kept.")
    before = root.find(original).arrays("logits")
    answer(
        {
            "key": result.key,
            "forget": len(chosen),
            "accuracy": goal.accuracies(result.arrays("logits")),
            "accuracy_before": goal.accuracies(before),
            "cost": cost,
            "cached": cached,
        }
    )


def _resolved(store, original, file: Path, chosen, models: int):
    """A plan applied to the forget set: a Rum that names its rows."""
    from unlearn_core.experiment.attributes import refine
    from unlearn_core.experiment.memorized import bank_of
    from unlearn_core.rum import Plan

    plan = read_spec(file, Plan)
    with progress() as tell:
        return plan.resolve(refine(store, bank_of(original, models), plan, chosen, tell))


def evaluate(
    key: Annotated[str, typer.Argument(metavar="RUN_KEY", help="Key of an unlearning run: see list results.")],
    models: Annotated[
        int | None, typer.Option(help="Members of the bank; unless told, the largest one that is there.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Measure an unlearned model against retrained models, which are trained where they are missing."""
    from unlearn_core.ensembles import Bank
    from unlearn_core.evaluation import speedup
    from unlearn_core.experiment.attributes import target
    from unlearn_core.experiment.bank import bank_columns
    from unlearn_core.experiment.door import fulfil
    from unlearn_core.experiment.measures import Shadows, Target, measure
    from unlearn_core.experiment.model_seeds import AGAIN
    from unlearn_core.experiment.trained_models import dataset, train_all
    from unlearn_core.rows import unpack

    root = existing_store(store)
    result = root.open("Run", key)
    run = result.spec()
    images = dataset(root, run.training.data)
    forgotten = unpack(run.forget, len(images.train.y))
    retrain = run.training.but(without=run.forget)
    references = [run.training, retrain, retrain.but(seed=retrain.seed + AGAIN)]
    shared = run.training.but(seed=0)
    bank = Bank(training=shared, models=models) if models is not None else _largest_bank(root, shared)
    cached = all(root.find(spec) for spec in (*references, *([bank] if bank else [])))
    with progress() as tell:
        trained = train_all(root, references, tell)
        original, retrained, again = (r.arrays("logits") for r in trained)
        if bank is None:
            say(
                "There is no bank for this recipe, so what needs one is left out: make one with bank, or give --models."
            )
            goal, shadows = Target(images.train.y.numpy(), images.test.y.numpy(), forgotten, {}), None
        else:
            fulfil(root, bank, tell)
            shadows = Shadows.of(*bank_columns(root, bank, forgotten))
            goal = target(root, bank, forgotten)

    def numbers(logits, other) -> dict:
        return measure(goal, logits, retrained, other, shadows) | _more(goal, logits, retrained)

    answer(
        {
            "run": key,
            "forget": len(forgotten),
            "bank_models": bank.models if bank else None,
            "metrics": numbers(result.arrays("logits"), again),
            "original": numbers(original, again),
            "retrained": numbers(retrained, again),
            # One retrained model against another: how close to retraining anything can come.
            "retrained_again": numbers(again, retrained),
            "speedup": speedup(trained[1].manifest()["seconds"], result.manifest()["seconds"]),
            "cached": cached,
        }
    )


def _more(goal, logits: dict, retrained: dict) -> dict[str, float | None]:
    """Numbers that a study leaves out, because they are slow or say in other words what stands there already."""
    from unlearn_core.attacks import svc_efficacy
    from unlearn_core.evaluation import agreement, average_gap

    sets = [(logits["train"][r], goal.labels[r]) for r in (goal.retain, goal.forget)]
    efficacies = goal.efficacy(logits), goal.efficacy(retrained)
    return {
        "mia_efficacy_svc": svc_efficacy(sets[0], (logits["test"], goal.test_labels), sets[1]),
        "average_gap": average_gap(goal.accuracies(logits), goal.accuracies(retrained), *efficacies),
        "forget_agreement": agreement(logits["train"][goal.forget], retrained["train"][goal.forget]),
        "test_agreement": agreement(logits["test"], retrained["test"]),
    }


def _largest_bank(store, shared):
    """The largest finished bank of this recipe, or None."""
    from unlearn_core.ensembles import Bank

    found = [result.spec() for result in store.results("Bank")]
    same = [bank for bank in found if bank == Bank(training=shared, models=bank.models)]
    return max(same, key=lambda bank: bank.models, default=None)
