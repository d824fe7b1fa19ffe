"""Write docs/paper.md and its figures from docs/paper.json, what the paper's study showed.

`python docs/paper.py --measure STORE` reads the store first; `--check` only says if the page is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from paper_cost import full_cost, rates  # noqa: E402
from paper_figures import figures, whole_stream  # noqa: E402
from paper_numbers import TABLES, numbers  # noqa: E402
from tables import table  # noqa: E402

from unlearn_core.experiment.paper import NAMES, SCALES  # noqa: E402
from unlearn_core.experiment.paper_trends import VERDICTS  # noqa: E402
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, REFERENCES, RETRAINED  # noqa: E402
from unlearn_core.rum import PARTS  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.words import duration, spread  # noqa: E402

FIGURES = ROOT / "docs" / "paper"
COMMAND = """```sh
python -m unlearn_core study paper --dataset CIFAR-10 --scale {} --store ./paper-store
```"""

HEAD = """# The paper on real images

What "What makes unlearning hard and what to do about it" (Zhao et al. 2024) and its sequel on cheaper scores find,
looked for again on CIFAR-10 with scores and models of our own. A finding is a difference over seeds that should lie
above 0: *reproduced* where its whole 95 % interval does, *not reproduced* where the whole interval lies below 0, else
*within noise*. With three seeds an interval is wide, so "within noise" says that so few cannot tell, not that there is
nothing; and of many lines a few lie beyond their intervals by chance, since these are not adjusted for being many. The
paper's own numbers are not repeated here but for its entanglement scores, the only ones we could read.

"""


def page(small: dict, cost: dict) -> str:
    """The whole document, from the numbers of the small study and how fast this machine trains."""
    parts = [
        HEAD + COMMAND.format("small") + "\n\nmakes every number below, from nothing; with `--data PATH` from your own "
        "copy of the images. Then `python docs/paper.py --measure ./paper-store` writes this page.",
        "## What was found",
        overview(small["trends"]),
        "## On what",
        setting(small),
        "## Finding by finding",
        *(finding(trend, small) for trend in small["trends"]),
        over_unlearning(small["sets"]["mix"]),
        *([onion(small["requests"])] if "requests" in small else []),
        "## Tables",
        legend(small),
        *(set_table(name, small["sets"].get(name)) for name in TABLES),
        *([scores(small["scores"])] if "scores" in small else []),
        "## What it took",
        work(small, cost),
        "## Full scale",
        full(small, cost),
        "## What differs from the published code",
        table(("in the published code", "here", "what it does"), DIFFERS),
    ]
    return "\n\n".join(parts) + "\n"


def overview(trends: list[dict]) -> str:
    rows = [
        (f"[{t['title']}](#{t['name']})", *(list(t["verdicts"].values()).count(v) or "" for v in VERDICTS[:3]), of(t))
        for t in trends
    ]
    return table(("finding", *VERDICTS[:3], "of"), rows)


def of(trend: dict) -> str:
    return str(len(trend["lines"])) if trend["lines"] else "not run"


def setting(found: dict) -> str:
    s = found["setting"]
    t, a = s["training"], s["accuracy"]
    return (
        f"{s['train']:,} training, {s['validation']:,} validation and {s['test']:,} test images of CIFAR-10, "
        f"stratified; {t['model']} of width {t['width']}, {t['epochs']} epochs, learning rate {t['lr']:g}, batches of "
        f"{t['batch']}, {t['precision']}, no augmentation. {s['seeds']} original models and twice as many retrained "
        f"ones for each forget set; learning rates were chosen on another model, once for all sets of one size. The "
        f"originals get {_share(a['retain'])} of the images they keep and {_share(a['test'])} of the test images "
        f"right. Memorization comes from a bank of {s['models']} models, which fit {s['fitted']:.1%} of their images; "
        f"between its halves the scores correlate by {s['stability']['spearman']:.2f} (Spearman), which means a "
        f"reliability of {s['stability']['reliability']:.2f}."
    )


def _share(found: dict) -> str:
    return f"{found['mean']:.1%}"


def finding(trend: dict, small: dict) -> str:
    head = f'<a id="{trend["name"]}"></a>\n\n### {trend["title"]}'
    if not trend["lines"]:
        return f"{head}\n\nNot run."
    picture = f"![{trend['title']}](paper/{trend['name']}.svg)"
    note = NOTES[trend["name"]](small) if trend["name"] in NOTES else ""
    return f"{head}\n\n{picture}\n\n{sentence(trend)}{note}"


def level_note(small: dict) -> str:
    """What else is different between the levels of entanglement."""
    levels = [small["sets"][f"entanglement {level}"] for level in PARTS]
    memorized = ", ".join(spread(one["memorization"]) for one in levels)
    untouched = ", ".join(_pm(one["methods"][ORIGINAL]["tow"]) for one in levels)
    return (
        f" The sets of low, medium and high entanglement differ in memorization too, which is {memorized} on average: "
        f"doing nothing reads a ToW of {untouched} on them."
    )


def settings_note(small: dict) -> str:
    return (
        " The paper chose the settings of every part and publishes only their ranges; here an algorithm has one "
        "learning rate, chosen for the whole set, in all parts; [plans searched for](#searched) are the exception."
    )


def search_note(small: dict) -> str:
    """The plans that were found, and what they are held against."""
    search = small["search"]
    single = search["single"]
    plans = "; ".join(
        f"plan {i}: {', '.join(f'{part} {plan[part]}' for part in PARTS)} ({_pm(plan['confirmed'])}; "
        f"{plan['tuning']:.3f} in the search)"
        for i, plan in enumerate(search["plans"], 1)
    )
    return (
        f" Of {search['trials']} plans tried on one model that is not reported, the best two, with the group ToW that "
        f"they reach on the reported ones: {plans}. The best single algorithm: {single['title']} "
        f"({_pm(single['confirmed'])}). Retrained again: {_pm(search['ceiling'])}."
    )


NOTES = {"entanglement": level_note, "refining": settings_note, "searched": search_note}


def sentence(trend: dict) -> str:
    """What is measured, and for every verdict the lines with their numbers."""
    said = [f"Measured: {trend['measured']}."]
    for verdict in VERDICTS:
        lines = [name for name, v in trend["verdicts"].items() if v == verdict]
        if lines:
            each = ", ".join(f"{name} {difference(trend['lines'][name])}" for name in lines)
            said.append(f"{SAYS[verdict]}: {each}.")
    return " ".join(said)


SAYS = {
    "reproduced": "**Reproduced**",
    "within noise": "**Within noise**",
    "not reproduced": "**Not reproduced**, the other way round",
    "no interval": "One number without an interval",
    "not measured": "Not measurable",
}


def difference(line: dict) -> str:
    return spread(line["mean"], line["half_width"], signed=True)


def over_unlearning(mix: dict) -> str:
    """Which algorithm forgets which third of the mixed set too much, by the whole interval of its gap."""
    found = {-1: [], 1: []}
    for method in mix["methods"].values():
        for part in PARTS if method["kind"] == "single" else ():
            gap = method[f"{part}_gap"]
            if gap["half_width"] is not None and abs(gap["mean"]) > gap["half_width"]:
                found[-1 if gap["mean"] < 0 else 1].append(f"{method['title']} the {part} third by {difference(gap)}")
    listed = {side: "; ".join(lines) or "none" for side, lines in found.items()}
    return (
        "### Over-unlearning\n\n![What is forgotten too much and too little](paper/over-unlearning.svg)\n\n"
        "Accuracy on each third of the mixed set less that of the retrained model: below 0 an image is known worse "
        "than by a model that never saw it, which shows what was forgotten. Over-unlearned beyond the spread of seeds: "
        f"{listed[-1]}. Not forgotten enough: {listed[1]}."
    )


def onion(requests: dict) -> str:
    counts, summary = whole_stream(requests), requests["summary"]
    own, again, beyond = (counts[n] for n in ("unlearned", "retrained", "beyond-retraining"))
    drifts = [line for line in requests["drift"] if line["drifts"]]
    moved = (
        "No set that was forgotten earlier moved beyond the noise floor while later ones were forgotten."
        if not drifts
        else "Sets forgotten earlier that moved while later ones were forgotten: "
        + "; ".join(f"set {x['set']} by {x['drift']:+.3f} ± {x['half_width']:.3f}" for x in drifts)
        + "."
    )
    return (
        "### The privacy onion\n\n![How others move when images are removed](paper/onion.svg)\n\n"
        f"The {sum(summary['images']):,} most memorized images are forgotten in {len(summary['images'])} requests by "
        f"`{summary['unlearner']}`. Of {own['tested']:,} images that nobody asked to forget, {own['exposed']:,} are "
        f"found newly exposed to the likelihood-ratio attack after unlearning and {again['exposed']:,} after "
        f"retraining; {beyond['exposed']:,} rise by more than under retraining (false discovery rate 5 %; with so few "
        f"seeds only a rise far beyond its spread can be found). The likelihood ratio of the median image moves by "
        f"{spread(own['median_rise'], signed=True)} under unlearning and by "
        f"{spread(again['median_rise'], signed=True)} under retraining. {moved} Source: Carlini et al. 2022, who "
        "remove the most exposed images and retrain."
    )


def legend(found: dict) -> str:
    return (
        f"Means over {found['setting']['seeds']} seeds with 95 % intervals. {REFERENCES[ORIGINAL]} is doing nothing; "
        f"{REFERENCES[CEILING]} is the noise floor, one retrained model against another. ToW is the paper's measure; "
        "group ToW measures each third by memorization for itself, so that forgetting one too much and another too "
        "little cannot cancel. ToW-MIA has the share of forget images that the confidence attack calls non-members in "
        "the place of their accuracy. Gaps are accuracies less those of the retrained model. LiRA AUC compares with "
        "the second retrained model: 0.5 is perfect."
    )


def set_table(name: str, one: dict | None) -> str:
    """The table of one study; where it was not run, that."""
    if one is None:
        return f"### {name.capitalize()}\n\nNot run."
    ours, theirs = (one["entanglement"][center] for center in ("all", "midpoint"))
    target = "/".join(f"{one['methods'][RETRAINED][f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test"))
    text = (
        f"### {name.capitalize()}\n\n{one['images']:,} images; mean memorization {spread(one['memorization'])}; "
        f"entanglement {ours['score']:,.0f} about the mean of all images ({ours['share_of_random']:.0%} of that of "
        f"random sets as large), {theirs['score']:,.0f} about the midpoint, as the published code has it. "
        f"A retrained model's accuracy on forgotten, kept and test images: {target}."
    )
    if name == "as released":
        text += (
            " `salun` is as its paper means it, `salun-no-2` keeps the least salient weights, `salun-no-3` teaches the "
            "true labels."
        )
    titles = [line["title"] for line in one["methods"].values()]
    rows = [
        (line["title"] if titles.count(line["title"]) == 1 else f"`{method}`",)
        + tuple(_pm(line[m]) for m in ("tow", "group_tow", "tow_mia"))
        + tuple(_pm(line[f"{s}_gap"], signed=True) for s in ("forget", "retain", "test"))
        + (_pm(line["lira_auc"]), f"{line['seconds']:.1f}")
        for method, line in one["methods"].items()
        if method != RETRAINED
    ]
    heads = ("method", "ToW", "group ToW", "ToW-MIA", "forget gap", "retain gap", "test gap", "LiRA AUC", "seconds")
    return f"{text}\n\n{table(heads, rows)}"


def _pm(found: dict, signed: bool = False) -> str:
    return spread(found["mean"], found["half_width"], signed)


def scores(lines: list[dict]) -> str:
    rows = [
        (line["title"], f"{line['correlation']:.2f} ({line['low']:.2f} to {line['high']:.2f})")
        + (f"{line['overlap']:.0%}", f"{line['share_of_bank']:.1%}")
        + (spread(line["group_tow"], line["group_tow_half_width"]),)
        for line in lines
    ]
    heads = ("score", "rank correlation", "same among the highest", "share of the bank's time", "group ToW of RUM")
    return "### Cheaper scores\n\n" + table(heads, rows)


STAGES = {
    "Training": "original and retrained models",
    "BankPart": "models of the bank",
    "Tuning": "choosing learning rates",
    "PlanTrial": "plans tried in the search",
    "Run": "unlearning",
    "Embedding": "embeddings",
    "Map": "map",
    "Curvature": "curvature of the loss, a cheaper score",
    "Holdout": "retraining on held-out images, a cheaper score",
}


def work(found: dict, cost: dict) -> str:
    done, made = found["work"], found["setting"]["made"]
    rows = [(STAGES[k], f"{v['results']:,}", f"{v['seconds']:,.0f}") for k, v in done["kinds"].items()]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    stated = table(("stage", "results", "seconds of one process"), rows)
    return (
        f"{made['device_name']}, {cost['processes']} processes of {made['threads']} thread each: "
        f"{duration(done['wall'])} from the first result to the last. {versions}.\n\n{stated}\n\n"
        "The same command again recomputes nothing."
    )


def full(found: dict, cost: dict) -> str:
    at = SCALES["full"]
    seconds = full_cost(found["work"]["kinds"], found["setting"], cost)
    rows = [(STAGES[kind], f"{s / 3600:,.0f}") for kind, s in seconds.items()]
    return (
        f"The paper's sizes: all images, ResNet-18 by its recipe, forget sets of {at.size:,}, a bank of {at.models}."
        f"\n\n{COMMAND.format('full')}\n\n"
        "Not run: no GPU was at hand. Estimated from what was measured: the seconds of the small study, times how many "
        f"more images each stage goes through, times how much longer an image takes. One process trains "
        f"{cost['small']:,.0f} images a second with the small study's net and {cost['full']:,.1f} with ResNet-18 at "
        f"this recipe, so the whole takes about {sum(seconds.values()) / 3600 / 24:,.0f} days of one such process. "
        "On a GPU it is shorter by as much as that trains more images a second.\n\n"
        + table(("stage", "hours of one process, estimated"), rows)
        + "\n\n"
        + table(("step", "ToW", "group ToW", "LiRA AUC"), [(name, "not run", "not run", "not run") for name in NAMES])
        + "\n\nEntanglement of the paper's three sets, as it publishes them: 310, 1,077 and 1,612 on CIFAR-10 "
        "(ResNet-18), 964, 2,831 and 3,877 on CIFAR-100 (ResNet-50). It grows with the size of a set and the width of "
        "a net, so those of the small study are not to be compared with them."
    )


DIFFERS = [
    ("SalUn keeps the least salient weights", "the most salient", "[the mask the wrong way round](#released-code)"),
    (
        "no random labels but on CIFAR-10 and SVHN",
        "on any data",
        "[true labels in place of random ones](#released-code)",
    ),
    (
        "SalUn and random-label shuffle before they choose the least memorized images, so they forget others than "
        "those on which they are measured",
        "one set for all",
        "[another low set](#other-set)",
    ),
    ("masked weights still move by momentum and weight decay", "they are put back after each step", "not measured"),
    ("a RUM step restarts from the original unless told otherwise", "it goes on from the step before", "not measured"),
    (
        "entanglement about the midpoint of two means",
        "about the mean of all images, as the paper says",
        "in every table",
    ),
]


def written() -> dict[Path, str]:
    """The page and its figures, by file, from what was measured."""
    small, cost = (json.loads((ROOT / "docs" / name).read_text()) for name in ("paper.json", "paper_cost.json"))
    drawn = {FIGURES / name: svg for name, svg in figures(small).items()}
    return drawn | {ROOT / "docs" / "paper.md": page(small, cost)}


def there() -> dict[Path, str]:
    files = [*FIGURES.glob("*.svg"), ROOT / "docs" / "paper.md"]
    return {file: file.read_text() for file in files if file.exists()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        found = numbers(Store(Path(sys.argv[2])), "small")
        if not found:
            sys.exit("Nothing of the paper's study is in this store: run python -m unlearn_core study paper first.")
        for name, content in {"paper.json": found, "paper_cost.json": rates()}.items():
            (ROOT / "docs" / name).write_text(json.dumps(content, allow_nan=False) + "\n")
    if "--check" not in sys.argv:
        FIGURES.mkdir(exist_ok=True)
        for old in there().keys() - written().keys():
            old.unlink()
        for file, text in written().items():
            file.write_text(text)
    elif there() != written():
        sys.exit("docs/paper.md is stale: run python docs/paper.py")
