"""The figures of docs/paper.md as SVG files that stand alone, from the study's numbers."""

from __future__ import annotations

from unlearn_core.experiment.paper import REQUESTS
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED
from unlearn_core.report.charts import Dot, Line, dot_plot
from unlearn_core.rum import PARTS

LEVELS = {"low": "low", "medium": "medium", "high": "high"}
BY_LEVEL = ("entanglement", "memorization")  # findings whose figure has the levels themselves
ZERO = Line(0.0, "no difference", "retrained")
STYLE = """<style>
:root { color-scheme: light dark; --ink: #101014; --ground: #fff; --line: #d5d8dd; --mark: #e69f00; --blue: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #fafafa; --ground: #171717; --line: #3a3f4b; --blue: #56b4e9; } }
svg { background: var(--ground); font-family: system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
text { fill: var(--ink); font-size: 12px; } .grid { stroke: var(--line); } .interval { stroke: var(--ink); }
.dot { fill: var(--mark); stroke: var(--ink); stroke-width: 1.2; } .dot.low { fill: var(--ground); }
.dot.medium { fill: var(--blue); } .bar { fill: var(--blue); }
.reference { stroke: var(--blue); stroke-width: 2; stroke-dasharray: 6 4; }
</style>"""


def figures(found: dict) -> dict[str, str]:
    """File name -> SVG, one a finding, and those of over-unlearning and of the onion."""
    drawn = {}
    for trend in found["trends"]:
        if not trend["lines"]:
            continue
        dots = [Dot(name, line["mean"], line["half_width"]) for name, line in trend["lines"].items()]
        drawn[trend["name"]] = dot_plot(trend["title"], "difference; right of 0 as expected", dots, [ZERO])
    for kind in BY_LEVEL:
        if all(f"{kind} {level}" in found["sets"] for level in LEVELS):
            drawn[kind] = by_level(found["sets"], kind)
    drawn["over-unlearning"] = over_unlearning(found["sets"]["mix"])
    if "requests" in found:
        drawn["onion"] = onion(found["requests"])
    return {f"{name}.svg": alone(str(svg)) for name, svg in drawn.items()}


def by_level(sets: dict, kind: str) -> str:
    """ToW of every algorithm on the low, medium and high set."""
    methods = {name: m["title"] for name, m in sets[f"{kind} low"]["methods"].items() if name != RETRAINED}
    last = [name for name in (ORIGINAL, CEILING) if name in methods]
    order = [name for name in methods if name not in last] + last
    dots = []
    for name in order:
        for level in LEVELS:
            tow = sets[f"{kind} {level}"]["methods"][name]["tow"]
            dots.append(Dot(methods[name], tow["mean"], tow["half_width"], level))
    shapes = {level: f"{level} {kind}" for level in LEVELS}
    return dot_plot(f"Closeness to retraining by {kind}", "ToW, 1 = as retraining", dots, (), shapes)


def over_unlearning(mix: dict) -> str:
    """How much better or worse than a retrained model each algorithm knows each third of the mixed set."""
    dots = [
        Dot(method["title"], method[f"{part}_gap"]["mean"], method[f"{part}_gap"]["half_width"], part)
        for method in mix["methods"].values()
        if method["kind"] in ("single", "plan")
        for part in PARTS
    ]
    axis = "accuracy less that of the retrained model; left of 0 = over-unlearned"
    shapes = {part: f"{part} third" for part in PARTS}
    return dot_plot("What is forgotten too much and too little", axis, dots, [ZERO], shapes)


ONION = {"unlearned": "unlearning", "retrained": "retraining", "retrained-again": "retraining, another seed"}


def onion(requests: dict) -> str:
    """How far the images that nobody asked to forget move when others are removed, request by request."""
    lines = requests["summary"]["onion"]
    steps = [x for kind in ONION for x in lines if x["models"] == kind and x["request"] == x["since"] + 1]
    shapes = dict(zip(LEVELS, (f"request {n}" for n in range(1, REQUESTS + 1)), strict=True))
    names = dict(zip(shapes.values(), shapes, strict=True))
    dots = [Dot(ONION[x["models"]], x["median_rise"], None, names[f"request {x['request']}"]) for x in steps]
    axis = "median change of the log-likelihood ratio of kept images"
    return dot_plot("How others move when images are removed", axis, dots, [ZERO], shapes)


def whole_stream(requests: dict) -> dict[str, dict]:
    """The counts from the original model to the one after the last request, by kind of models."""
    lines = requests["summary"]["onion"]
    last = max(line["request"] for line in lines)
    return {line["models"]: line for line in lines if (line["since"], line["request"]) == (0, last)}


def alone(svg: str) -> str:
    """The same as a file of its own: with its name space and its style."""
    opened, rest = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="640" ', 1).split(">", 1)
    return f"{opened}>{STYLE}{rest}\n"
