"""What docs/paper.md says of a scale: on what it ran, what it took, and the full scale beside the small one."""

from __future__ import annotations

from paper_cost import FULL, full_cost
from paper_findings import sentence
from paper_notes import share
from paper_tables import legend, tables
from tables import table

from unlearn_core.experiment.paper import OWN_COPY, SCALES
from unlearn_core.words import duration

COMMAND = """```sh
python -m unlearn_core study paper --dataset CIFAR-10 --scale {} --store ./paper-store
```"""
NARROW = (
    "The net is narrow so that the whole study, bank included, takes an hour and a half on two processor cores, and "
    "wide enough to fit its images: what is not fitted is not memorized."
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
        f"{share(a['retain'])} of the kept images and {share(a['test'])} of the test images right: these models see "
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
