"""list: what there is, from the registries and from the store."""

from __future__ import annotations

import inspect
import re
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, existing_store, say, show
from unlearn_core.cli.options import row_of
from unlearn_core.params import BadValue, Spec, params, plain

SOURCE = re.compile(r"Source:\s*(.+?)(?=\n\s*\n|\nDeparts from|\Z)", re.DOTALL)


def datasets(store) -> list[dict]:
    from unlearn_core.data import DATASETS, Data, own

    share = Data().validation
    built_in = [
        {
            "name": name,
            "train": d.size[0],
            "validation": round(share * d.size[0]),
            "test": d.size[1],
            "shape": list(d.shape),
            "how": d.obtained,
            "about": d.about,
        }
        for name, d in DATASETS.items()
    ]
    return built_in + [
        {
            "name": i.name,
            "train": i.train,
            "validation": round(share * i.train),
            "test": i.test,
            "shape": list(i.shape),
            "how": "added by you",
            "about": f"{len(i.classes)} classes: {', '.join(i.classes[:10])}",
        }
        for i in own(store.root / "data")
    ]


def models() -> list[dict]:
    from unlearn_core.models import MODELS

    return [
        {"name": name, "title": m.title, "width": m.width, "smallest_image": m.smallest} for name, m in MODELS.items()
    ]


def algorithms() -> list[dict]:
    from unlearn_core.unlearning import ALGORITHMS

    return [
        {
            "name": name,
            "title": cls.title,
            "group": cls.group,
            "scope": cls.scope,
            "needs": list(cls.needs),
            "about": " ".join(inspect.getdoc(cls).split("\n\n")[0].split()),
            "reconstruction": cls.reconstruction,
            "caution": cls.caution,
            "hyperparameters": hyperparameters(cls),
            "source": source(cls),
        }
        for name, cls in ALGORITHMS.items()
    ]


def forget_sets() -> list[dict]:
    from unlearn_core.forget import FORGET_SETS

    return [
        {
            "name": name,
            "title": cls.title,
            "needs": cls.needs,
            "hyperparameters": hyperparameters(cls),
            "about": inspect.getdoc(cls).splitlines()[0],
        }
        for name, cls in FORGET_SETS.items()
    ]


def metrics() -> list[dict]:
    from unlearn_core.evaluation import METRICS

    return [
        {"name": n, "label": m.label, "direction": m.direction, "tier": m.tier, "help": m.help, "source": m.source}
        for n, m in METRICS.items()
    ]


def attacks() -> list[dict]:
    from unlearn_core.attacks import ATTACKS

    return [
        {"name": n, "label": a.label, "gives": a.gives, "needs": list(a.needs), "help": a.help, "source": a.source}
        for n, a in ATTACKS.items()
    ]


def studies(store) -> list[dict]:
    from unlearn_core.experiment import studies

    return [vars(study) for study in studies(store)]


def results(store) -> list[dict]:
    found = []
    for kind in store.kinds():
        for result in store.results(kind):
            manifest = result.manifest()
            found.append(
                {
                    "kind": kind,
                    "key": result.key,
                    "what": _what(result.json("spec")),
                    "created": manifest["created"],
                    "seconds": manifest["seconds"],
                    "bytes": sum(size for size, _ in manifest["files"].values()),
                }
            )
    return found


def _what(spec: dict) -> str:
    """A result in a few words."""
    inner = spec.get("bank", spec)
    training = inner.get("training", inner)
    words = [spec.get("name"), training.get("data", {}).get("name"), training.get("model")]
    words += [spec["unlearner"]["spec"] if "unlearner" in spec else None]
    words += [f"{inner['models']} models" if "models" in inner else None]
    words += [f"seed {training['seed']}" if spec["spec"] in ("Training", "Run") else None]
    words += ["retrained" if spec.get("without") else None]
    return ", ".join(word for word in words if word)


def hyperparameters(cls: type[Spec]) -> list[dict]:
    """The declared fields of a spec class as plain data."""
    return [
        {
            "name": p.name,
            "default": plain(p.default),
            "low": p.low,
            "high": p.high,
            "choices": list(p.choices) if p.choices else None,
            "help": p.help,
        }
        for p in params(cls)
    ]


def source(cls: type[Spec]) -> str:
    """The paper that a class names in its docstring."""
    found = SOURCE.search(inspect.getdoc(cls) or "")
    return " ".join(found[1].split()) if found else ""


# What can be listed: the function, and the columns of its table (all where none are named).
REGISTRIES = {
    "models": (models, ()),
    "algorithms": (algorithms, ("name", "title", "group", "settings", "source")),
    "forget-sets": (forget_sets, ("name", "title", "settings", "about")),
    "metrics": (metrics, ("name", "label", "direction", "help")),
    "attacks": (attacks, ("name", "label", "gives", "help")),
}
IN_STORE = {
    "datasets": (datasets, ()),
    "studies": (studies, ()),
    "results": (results, ("kind", "key", "what", "created", "seconds")),
}


def list_(
    what: Annotated[str | None, typer.Argument(help=f"What to list: {', '.join(IN_STORE | REGISTRIES)}.")] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """List what there is."""
    if what is None:
        raise BadValue(f"Say what to list: {', '.join(IN_STORE | REGISTRIES)}.")
    rows, columns = row_of(IN_STORE | REGISTRIES, what, "list")
    found = rows(existing_store(store)) if what in IN_STORE else rows()
    if not as_json:
        found = [
            row | {"settings": _settings(row["hyperparameters"])} if "settings" in columns else row for row in found
        ]
    show(found, as_json, nothing=f"There are no {what} in this store yet.", columns=columns)
    if what == "datasets" and not as_json:
        say("The validation images are a part of the training images; models are never trained on them.")


def _settings(hyperparameters: list[dict]) -> list[str]:
    """Hyperparameters as they are given on the command line."""
    return [f"{h['name']}={_words(h['default'])}" for h in hyperparameters]


def _words(default) -> str:
    return default["spec"] if isinstance(default, dict) else str(default)
