"""Write docs/paper.md and its figures from docs/paper.json, what the paper's study showed.

`python docs/paper.py --measure STORE` reads the store first; `--check` only says if the page is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from paper_cost import FULL, full_cost, rates  # noqa: E402
from paper_figures import BY_LEVEL, figures, whole_stream  # noqa: E402
from paper_notes import NOTES  # noqa: E402
from paper_numbers import numbers  # noqa: E402
from paper_tables import legend, scores, set_table  # noqa: E402
from tables import table  # noqa: E402

from unlearn_core.evaluation.seeds import stands_out  # noqa: E402
from unlearn_core.experiment.paper import OWN_COPY, SCALES, STUDIES  # noqa: E402
from unlearn_core.experiment.paper_trends import FINDINGS, VERDICTS  # noqa: E402
from unlearn_core.experiment.study_table import CEILING  # noqa: E402
from unlearn_core.rum import PARTS  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.words import duration, spread  # noqa: E402

FIGURES = ROOT / "docs" / "paper"
COMMAND = """```sh
python -m unlearn_core study paper --dataset CIFAR-10 --scale {} --store ./paper-store
```"""

HEAD = """# The paper on real images

What "What makes unlearning hard and what to do about it" (Zhao et al. 2024) and those who follow it find, looked for
again on CIFAR-10 with scores and models of our own, and questions of our own beside it. A finding is a difference over
seeds that should lie above 0: *reproduced* where its whole 95 % interval does, *not reproduced* where the whole
interval lies below 0, else *within noise*. With few seeds an interval is wide, so "within noise" says that so few
cannot tell, not that there is nothing; and of many lines a few lie beyond their intervals by chance, since these are
not adjusted for being many. An interval covers the seeds of training alone, unless a finding says otherwise: each
level is one forget set, so a line says something of these sets, and not yet of entanglement or memorization in
general. What others say "by report" we know from summaries alone, and the paper's own numbers are not repeated here but
for its entanglement scores, as a summary gives them.

"""

WORDS = """- **Memorization** of an image: how much likelier models that were trained on it are to get it right than
  models that were not; about 0 to 1.
- **Entanglement** of a forget set with the images that stay: how near the two lie in the embedding of an original
  model, measured by their spread over the distance of their means; larger is nearer. Sets are chosen by it, and it is
  measured, on the first original model alone.
- **ToW**, closeness to retraining: (1 − |gap on forgotten images|) · (1 − |gap on kept|) · (1 − |gap on test images|),
  where a gap is an accuracy less that of a model retrained without the forgotten images. 1 is as good as retraining.
  **Group ToW** measures each third of the forgotten images by memorization for itself, so that forgetting one too much
  and another too little cannot cancel. **ToW-MIA** has the share of forgotten images that the confidence attack takes
  for unseen in the place of their accuracy.
- **LiRA AUC**: how well a likelihood-ratio attack tells the forgotten images under this model from the same images
  under a second retrained model. 0.5 is perfect.
- **RUM** cuts the forgotten images into thirds by memorization and forgets one after the other, each with an algorithm
  of its own: {plan}.
  **RUM^F** has the same algorithm for all three. **Shuffled**: the parts are drawn at random.
  **No parts, 3x epochs**: the algorithm on all of them, for as many epochs as the parts take together. A part whose
  turn has not come stays among the kept images, as in the published code.
- **Original** is doing nothing; **Retrained again** is the noise floor, one retrained model against another. An
  original and the retrained model that it is held against start from the same weights, as in the published code; the
  second retrained model starts from others."""


def page(small: dict, cost: dict) -> str:
    """The whole document, from the numbers of the small study and how fast this machine trains."""
    parts = [
        HEAD + COMMAND.format("small") + "\n\nmakes every number below, from nothing; with `--data PATH` from your own "
        "copy of the images. Then `python docs/paper.py --measure ./paper-store` writes this page.",
        "## Words",
        WORDS.format(
            plan=", ".join(f"{title} on the {part} third" for part, title in small["setting"]["plan"].items())
        ),
        "## What was found",
        overview(small),
        "## On what",
        setting(small),
        "## Finding by finding",
        *(finding(trend, small) for trend in small["trends"]),
        over_unlearning(small["sets"]["mix"]),
        *([onion(small["requests"])] if "requests" in small else []),
        "## Findings that cannot be shown here",
        NOT_SHOWN,
        "## Tables",
        legend(small),
        *tables(small),
        "## What it took",
        work(small, cost),
        "## Full scale",
        full(small, cost),
        "## What differs from the published code",
        table(("in the published code", "here", "what it does"), DIFFERS),
    ]
    return "\n\n".join(parts) + "\n"


NOT_SHOWN = """- By report entanglement makes forgetting harder on four pairs of data and net: here is one.
- By report the maximum mean discrepancy between forgotten and kept images falls as entanglement rises: it is not
  measured here.
- By report NegGrad+ gains by RUM when the attack is counted and parts are cut by cheaper scores: RUM with one algorithm
  for all parts is run here with parts by memorization alone, which [is shown](#attack-refined)."""


def tables(found: dict, scale: str = "") -> list[str]:
    """Every study's table, and that of cheaper scores where it was run."""
    each = [set_table(name, found["sets"].get(name), scale) for name in STUDIES]
    return each + ([scores(found, scale)] if "scores" in found else [])


def overview(small: dict) -> str:
    """How many lines of each finding got which verdict."""
    said_by = {finding.name: finding.said_by for finding in FINDINGS}
    rows = [
        (f"[{t['title']}](#{t['name']})", said_by[t["name"]])
        + tuple(list(t["verdicts"].values()).count(v) or "" for v in VERDICTS[:4])
        + (of(t),)
        for t in small["trends"]
    ]
    said = f"Lines of each finding by what they came to, over {small['setting']['seeds']} seeds.\n\n"
    return said + table(("finding", "said by", *VERDICTS[:4], "of"), rows)


def of(trend: dict) -> str:
    return str(len(trend["lines"])) if trend["lines"] else "not run"


def setting(found: dict) -> str:
    s = found["setting"]
    t, a, m, i = s["training"], s["accuracy"], s["memorization"], s["influence"]
    width = f" of width {t['width']}" if t["width"] else ""
    edge = " **That is the edge of what was tried, so a better step may lie beyond.**" if i["at_edge"] else ""
    return (
        f"{s['train']:,} training, {s['validation']:,} validation and {s['test']:,} test images of "
        f"{s['dataset'].removesuffix(OWN_COPY)}, stratified; {t['model']}{width}, {t['epochs']} epochs, "
        f"learning rate {t['lr']:g}, batches of {t['batch']}, {t['precision']}, no augmentation. {s['seeds']} original "
        "models and twice as many retrained ones for each forget set. An algorithm unlearns for "
        f"{' or '.join(map(str, s['epochs']))} epochs, RUM for as many on each part. The originals get "
        f"{_share(a['retain'])} of the kept images and {_share(a['test'])} of the test images right: these models see "
        f"{s['train'] / FULL:.0%} of the images that the paper trains on, and what does not generalize is memorized. "
        f"{NARROW if width else ''}\n\n"
        f"Memorization comes from a bank of {s['models']} models, which fit {s['fitted']:.1%} of their images; between "
        f"its halves the scores correlate by {s['stability']['pearson']:.2f} (Pearson), which means a reliability of "
        f"{s['stability']['reliability']:.2f}, and agree on {s['stability']['overlap']:.0%} of the most memorized "
        f"tenth. The median image scores {m['median']:.2f}. {m['at_highest']:,} images share the highest score and "
        f"{m['at_zero']:,} score exactly 0, as so few models can tell them apart no further: among these the most and "
        "the least memorized are chosen by row number.\n\n"
        "Learning rates were chosen by group ToW on the mixed set itself, on one other original model and with "
        "validation images for test images; for one class, on another class. The length of influence's step was chosen "
        f"once, on the mixed set, for every set: {i['alpha']:g}, of {i['tried'][0]:g} to {i['tried'][1]:g}.{edge} The "
        "sets of one level run at what was chosen on the mixed set, so a difference between levels is also one between "
        "settings that suit and settings that do not."
    )


NARROW = (
    "The net is narrow so that the whole study, bank included, takes an hour and a half on two processor cores, and "
    "wide enough to fit its images: what is not fitted is not memorized."
)


def _share(found: dict) -> str:
    return f"{found['mean']:.1%}"


def finding(trend: dict, small: dict) -> str:
    head = f'<a id="{trend["name"]}"></a>\n\n### {trend["title"]}'
    if not trend["lines"]:
        return f"{head}\n\nNot run."
    shown = f"difference with its interval, line by line: {trend['measured']}"
    if trend["name"] in BY_LEVEL:
        shown = f"ToW of every algorithm on the sets of low, medium and high {trend['name']}"
    picture = f"![{shown}](paper/{trend['name']}.svg)"
    note = NOTES[trend["name"]](small) if trend["name"] in NOTES else ""
    return f"{head}\n\n{picture}\n\n{sentence(trend)}{note}"


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
    """Which algorithm forgets which third of the mixed set too much, beyond its interval and retraining's noise."""
    found, noise = {-1: [], 1: []}, [mix["methods"][CEILING][f"{part}_gap"] for part in PARTS]
    for method in mix["methods"].values():
        gaps = [method[f"{part}_gap"] for part in PARTS]
        beyond = stands_out(*_columns(gaps), *_columns(noise))
        for part, gap, told in zip(PARTS, gaps, beyond, strict=True):
            if told and method["kind"] == "single":
                found[-1 if gap["mean"] < 0 else 1].append(f"{method['title']} the {part} third by {difference(gap)}")
    listed = {side: "; ".join(lines) or "none" for side, lines in found.items()}
    mean, half_width = _columns(noise)
    floor = np.max(abs(mean) + half_width)  # NaN where one of them has no interval
    least = "" if np.isnan(floor) else f" and beyond the {floor:.3f} by which two retrained models may differ"
    return (
        "### Over-unlearning\n\n![Accuracy on each third of the mixed set less that of the retrained model, for every "
        "algorithm](paper/over-unlearning.svg)\n\n"
        "Accuracy on each third of the mixed set less that of the retrained model: below 0 an image is known worse "
        "than by a model that never saw it, which shows what was forgotten. Over-unlearned, beyond the spread of seeds"
        f"{least}: {listed[-1]}. Not forgotten enough: {listed[1]}."
    )


def _columns(found: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Means and half widths."""
    mean, half_width = np.array([(one["mean"], one["half_width"]) for one in found], np.float64).T
    return mean, half_width


def onion(requests: dict) -> str:
    counts, summary = whole_stream(requests), requests["summary"]
    own, again, beyond = (counts[n] for n in ("unlearned", "retrained", "beyond-retraining"))
    drifts = [line for line in requests["drift"] if line["drifts"]]
    moved = (
        "No set that was forgotten earlier moved beyond the noise floor while later ones were forgotten."
        if not drifts
        else "Sets forgotten earlier that moved while later ones were forgotten: "
        + "; ".join(f"set {x['set']} by {spread(x['drift'], x['half_width'], signed=True)}" for x in drifts)
        + "."
    )
    kept = {kind: [_share(requests["kept"][c][kind]) for c in requests["kept"]] for kind in ("unlearned", "retrained")}
    return (
        "### The privacy onion\n\n![Median change of the log-likelihood ratio of kept images, request by request]"
        "(paper/onion.svg)\n\n"
        f"The {sum(summary['images']):,} most memorized images are forgotten in {len(summary['images'])} requests by "
        f"`{summary['unlearner']}`, over {requests['kept']['retain_accuracy']['unlearned']['n']} seeds. After the last "
        f"one the unlearned models get {kept['unlearned'][0]} of the kept and {kept['unlearned'][1]} of the test "
        f"images right, retrained ones {kept['retrained'][0]} and {kept['retrained'][1]}: its learning rate was chosen "
        f"for one request, and damage adds up. Of {own['tested']:,} images that nobody asked to forget, "
        f"{own['exposed']:,} are found newly exposed to the likelihood-ratio attack after unlearning and "
        f"{again['exposed']:,} after retraining; {beyond['exposed']:,} rise by more than under retraining (false "
        "discovery rate 5 %; with so few seeds only a rise far beyond its spread can be found, and none in models that "
        "know all images worse). Where the log-likelihood ratio is above 0, an image looks trained on; its median "
        f"change is {spread(own['median_rise'], signed=True)} under unlearning and "
        f"{spread(again['median_rise'], signed=True)} under retraining. {moved} Source: Carlini et al. 2022, who "
        "remove the most exposed images and retrain."
    )


STAGES = {
    "Training": "original and retrained models",
    "BankPart": "parts of the bank, several models each",
    "Tuning": "choosing learning rates",
    "PlanTrial": "plans and single algorithms tried in the search, with the steps that plans share counted for each",
    "Run": "unlearning",
    "Embedding": "embeddings",
    "Map": "map",
    "Curvature": "curvature of the loss, a cheaper score",
    "Holdout": "retraining on validation images, a cheaper score",
}


def work(found: dict, cost: dict) -> str:
    done, made = found["work"], found["setting"]["made"]
    rows = [(STAGES[k], f"{v['results']:,}", f"{v['seconds']:,.0f}") for k, v in done["kinds"].items()]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    stated = table(("stage", "results", "seconds of one process"), rows)
    return (
        f"{made['device_name']}, {made['threads']} thread a process; the machine where this page was written runs "
        f"{cost['processes']} processes. {duration(done['wall'])} from the first result to the last, pauses included. "
        f"{versions}."
        f"\n\n{stated}\n\n"
        "The same command again recomputes nothing."
    )


def full(small: dict, cost: dict) -> str:
    at = SCALES["full"]
    return (
        f"All images, ResNet-18 by the paper's recipe but in half precision, forget sets of {at.size:,}, a bank of "
        f"{at.models} models (the published code has 400).\n\n{COMMAND.format('full')}\n\n"
        + (full_results(small["full"], cost) if "full" in small else estimated(small, cost))
        + "\n\nEntanglement of the paper's three sets, as a summary gives it: 310, 1,077 and 1,612 on CIFAR-10 "
        "(ResNet-18), 964, 2,831 and 3,877 on CIFAR-100 (ResNet-50). It grows with the size of a set and the width of "
        "a net, so those of the small study are not to be compared with them."
    )


def full_results(found: dict, cost: dict) -> str:
    """What a study at full scale shows: its setting, every finding in a sentence, its tables, and what it took."""
    findings = [f"**{t['title']}.** {sentence(t) if t['lines'] else 'Not run.'}" for t in found["trends"]]
    return "\n\n".join([setting(found), *findings, legend(found), *tables(found, "full scale, "), work(found, cost)])


def estimated(small: dict, cost: dict) -> str:
    """What a study at full scale would take."""
    seconds = full_cost(small["work"]["kinds"], small["setting"], cost)
    rows = [(STAGES[kind], f"{s / 3600:,.0f}") for kind, s in seconds.items()]
    return (
        "Not run: it wants a GPU. Estimated from what was measured: the seconds of the small study, times how many "
        f"more images each stage goes through, times how much longer an image takes. One process trains "
        f"{cost['small']:,.0f} images a second with the small study's net and {cost['full']:,.1f} with ResNet-18 at "
        f"this recipe, so the whole takes about {sum(seconds.values()) / 3600 / 24:,.0f} days of one such process. "
        "On a GPU it is shorter by as much as that trains more images a second.\n\n"
        + table(("stage", "hours of one process, estimated"), rows)
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
    ("the model moves while SalUn measures which weights matter", "it stays as it is", "not measured"),
    (
        "the published example of RUM ends in SalUn, on the most memorized third",
        "RUM ends in random-label",
        "beside RUM^F SalUn in [one algorithm](#one-algorithm), not measured by itself",
    ),
    (
        "steps of that example that do not relabel restart from the original, and it is the original that is evaluated "
        "at the end",
        "every step goes on from the one before, and its last model is evaluated",
        "not measured",
    ),
    (
        "parts are shuffled anew in each process, so those of a plan with several algorithms may overlap",
        "shuffled once a seed",
        "not measured",
    ),
    (
        "SCRUB pushes away in every epoch, as it counts them from 0",
        "in the first half; the others repair",
        "not measured",
    ),
    (
        "influence unlearning, and whatever goes by epochs, stops with an error over an option that is not declared",
        "they run",
        "in every table",
    ),
    (
        "a retrained model's learning rate falls over as many epochs as the original's, however many it trains for",
        "both train for as many",
        "not measured",
    ),
    (
        "entanglement about the midpoint of two means",
        "about the mean of all images, which the paper's text may mean",
        "in every table",
    ),
]


def written() -> dict[Path, str]:
    """The page and its figures, by file, from what was measured."""
    small, cost = (json.loads((ROOT / "docs" / name).read_text()) for name in ("paper.json", "paper_cost.json"))
    if [t["name"] for t in small["trends"]] != [finding.name for finding in FINDINGS]:
        sys.exit("docs/paper.json has other findings than there are: run python docs/paper.py --measure STORE.")
    drawn = {FIGURES / name: svg for name, svg in figures(small).items()}
    return drawn | {ROOT / "docs" / "paper.md": page(small, cost)}


def there() -> dict[Path, str]:
    files = [*FIGURES.glob("*.svg"), ROOT / "docs" / "paper.md"]
    return {file: file.read_text() for file in files if file.exists()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        store = Store(Path(sys.argv[2]))
        if not (found := numbers(store, "small")):
            sys.exit("Nothing of the paper's study is in this store: run python -m unlearn_core study paper first.")
        if at_full := numbers(store, "full"):
            found["full"] = at_full
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
