"""Write docs/paper.md and its figures from docs/paper.json, what the paper's study showed.

`python docs/paper.py --measure STORE` reads the store first; `--check` only says if the page is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from paper_cost import rates  # noqa: E402
from paper_figures import figures  # noqa: E402
from paper_findings import finding, onion, over_unlearning  # noqa: E402
from paper_numbers import numbers  # noqa: E402
from paper_scales import COMMAND, full, setting, work  # noqa: E402
from paper_tables import legend, tables  # noqa: E402
from tables import table  # noqa: E402

from unlearn_core.experiment.paper_trends import FINDINGS, VERDICTS  # noqa: E402
from unlearn_core.store import Store  # noqa: E402

FIGURES = ROOT / "docs" / "paper"
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
