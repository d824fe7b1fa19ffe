"""What the core knows of a study, section by section, as plain values. Nothing is computed in a new way."""

from __future__ import annotations

import base64
import io
import json
import shlex

import numpy as np
import pandas as pd
from PIL import Image

import unlearn_core.report.by_audit as by_audit
import unlearn_core.report.charts as charts
import unlearn_core.report.protocol as protocol
import unlearn_core.report.words as words
from unlearn_core.attacks import ATTACKS
from unlearn_core.data import DATASETS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit, measured_groups, verdicts
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.bundle import recorded
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.experiment.tiers import TIERS, Audit, deepest
from unlearn_core.experiment.tiers.overview import BESIDE_A_STUDY, RULE, shown, tally, verdict
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.forget import Picked
from unlearn_core.params import plain, settings
from unlearn_core.words import duration, estimate, hardness, hundredths, spread

PAPER = "Zhao et al. (2024)"  # the report goes to people who do not know which paper is meant
SHOWN = {"executive": 3, "technical": 6}  # images of each third
# Columns of the table of all methods.
TABLE = ("group_tow", "tow", "forget_accuracy", "retain_accuracy", "test_accuracy", "lira_auc", "attack_auc")


def sections(study: OpenStudy, audience: str, method: str) -> dict:
    """Everything that the page shows, by section."""
    found = deepest(study.store, subject_of_method(study, method))
    technical = audience == "technical"
    statements = words.statements(study, method)
    if found is not None:
        statements = by_audit.many_models(by_audit.shadow_models(statements, found.table()), found.table())
        if found.spec().tier >= 1:
            statements = by_audit.neighbours(statements, found.table("neighbours"))
        statements = by_audit.in_the_audit(statements, study, found.table()) if technical else statements
    return {
        "technical": technical,
        "name": study.spec.name,
        "method": _title(study, method),
        "statements": statements,
        "closest": _closest(study, method),
        "asked": _asked(study, SHOWN[audience]),
        "hard": _hard(study),
        "done": _done(study, method),
        "gaps": _gaps(study, method),
        "cost": _cost(study, method),
        "diverged": core.diverged(study).get(method, 0),
        "others": _others(study) if technical else None,
        "scores": _scores(study, method) if technical else None,
        "protocol": _protocol(study, method, found) if technical else None,
        "audit": _audit(study, method, found),
        "privacy": study.summary.get("privacy"),
        "not_claimed": words.not_claimed(study, None if found is None else found.spec().tier, technical),
        "provenance": _provenance(study, method, None if found is None else found.spec()),
    }


def _title(study: OpenStudy, method: str) -> str:
    return study.table.loc[study.table["method"] == method, "title"].iloc[0]


# -- what was asked, and why it is hard --------------------------------------------------------------------------------


def _asked(study: OpenStudy, most: int) -> dict:
    name = study.spec.training.data.name
    per_class = study.about(study.forget).per_class
    classes = [(study.classes[c], int(per_class[c])) for c in np.argsort(-per_class, kind="stable") if per_class[c]]
    return {
        "images": len(study.forget),
        "of": len(study.labels),
        "dataset": DATASETS[name].title if name in DATASETS else name,
        "rule": _rule(study),
        "classes": classes[:12],
        "more_classes": max(0, len(classes) - 12),
        "thumbnails": {
            measured_groups.third(name): _thumbnails(study, study.parts[name], most)
            for name in measured_groups.filled(study)
        },
        "model": study.spec.training.model,
    }


def _rule(study: OpenStudy) -> str:
    rule = study.spec.forget
    return (
        "by hand or from a list"
        if isinstance(rule, Picked)
        else f"{rule.title.lower()} ({settings(rule)})".replace(" ()", "")
    )


def _thumbnails(study: OpenStudy, rows: np.ndarray, most: int) -> list[dict]:
    """The images of a third with the highest scores, as the pages show them."""
    scores = study.memorization.scores
    shown = rows[np.lexsort((rows, -scores[rows]))][:most]
    return [
        {
            "png": png(study.pixels[row]),
            "words": f"Row {row}, class {study.classes[study.labels[row]]}, {study.score_words.name} "
            f"{hundredths(scores[row])}",
        }
        for row in shown
    ]


def png(tile: np.ndarray) -> str:
    """An image (C, H, W) uint8 as the base64 text of a PNG; of two channels, or more than three, the first ones."""
    image = Image.fromarray(tile[0] if len(tile) < 3 else np.ascontiguousarray(np.moveaxis(tile[:3], 0, -1)))
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _hard(study: OpenStudy) -> dict:
    facts, parts, said = study.about(study.forget), study.summary["parts"], describe(study, study.forget)
    return {
        "word": study.score_words.name,
        "about": study.score_words.about,
        "ends": study.score_words.ends,
        "score": facts.memorization,
        "models": study.summary["bank_models"],
        "entanglement": facts.entanglement,
        "verdict": "" if said.few_kept else hardness(said.stands_out, said.apart, study.score_words.name, PAPER),
        "kept": said.kept,
        "thirds": [(measured_groups.third(name), part["images"], part["memorization"]) for name, part in parts.items()],
        "lost": facts.lost[:5],
    }


# -- what was done, and what came of it --------------------------------------------------------------------------------


def _done(study: OpenStudy, method: str) -> dict:
    parts = measured_groups.own_parts(study, method)
    on = {p.name: f"{p.name} part" if len(parts) > 1 else "all images" for p in parts}
    steps = [(on[p.name], measured_groups.images_of(study, p), p.unlearner) for p in parts]
    steps = steps or [("all images", len(study.forget), study.run_result(method, 0).spec().unlearner)]
    rates = core.learning_rates(study)
    return {
        "plan": bool(parts),
        "steps": [
            {"on": f"{on} ({images:,})", "algorithm": u.title, "settings": settings(u) or "none"}
            for on, images, u in steps
        ],
        "beside": measured_groups.beside_the_plan(study, method),
        "left": measured_groups.left_as_it_is(study, method),
        "tuned": len(rates) > 0,
        "edge": list(rates.loc[rates["edge"], "name"]),
        "kind": study.means("tow").loc[method, "kind"],
    }


def _closest(study: OpenStudy, method: str) -> dict:
    """Group ToW of the method beside that of two retrained models, as Compare has it."""
    means, order = study.means("group_tow"), core.ranked(study, "group_tow")
    line, ceiling = means.loc[method], means.loc[core.CEILING]
    told = {
        True: "the two can be told apart",
        False: "the two cannot be told apart, which does not make them equal",
        None: "with so few seeds they cannot be compared",
    }
    return {
        "name": METRICS["group_tow"].label,
        "short": METRICS["group_tow"].short,
        "value": spread(line["mean"], line["half_width"]),
        "ceiling": spread(ceiling["mean"], ceiling["half_width"]),
        "told": told[line["distinguishable"]],
        "place": list(order.index).index(method) + 1,
        "methods": len(order),
        "best": order.iloc[0]["title"],
        "same": _same(study, method),
        "versus": [
            (_title(study, v.second), estimate(v.difference, signed=True), core.side_of_zero(v.difference))
            for v in (core.plan_against_rivals(study, method) if line["kind"] == "plan" else [])
        ],
    }


def _same(study: OpenStudy, method: str) -> list[str]:
    """The titles of the methods that are the very same runs as this one, under other names."""
    same = core.twins(study)
    of = same.get(method, method)
    return [_title(study, name) for name in dict.fromkeys([of, *same]) if name != method and same.get(name, name) == of]


def _gaps(study: OpenStudy, method: str):
    """The accuracy on each third minus a retrained model's, the original's beside it."""
    own, before = core.part_gaps(study, method), core.part_gaps(study, core.ORIGINAL)
    dots = []
    for part in own:
        third = measured_groups.third(part)
        dots.append(charts.Dot(f"{third}, original", before[part].mean, before[part].half_width, "control"))
        dots.append(charts.Dot(f"{third}, unlearned", own[part].mean, own[part].half_width, "plan"))
    return charts.dot_plot(
        f"Accuracy on each third of the forgotten images against retraining, before and after {_title(study, method)}",
        "Accuracy minus a retrained model's (left of 0: over-unlearned)",
        dots,
        [charts.Line(0.0, "a perfect run", "retrained")],
    )


def _cost(study: OpenStudy, method: str) -> dict:
    line, retraining = core.everything(study).loc[method], core.retraining_seconds(study)
    rows = [("Retraining", retraining, duration(retraining))]
    rows.append((_title(study, method), line["seconds"], duration(line["seconds"])))
    return {
        "seconds": duration(line["seconds"]),
        "retraining": duration(retraining),
        "share": line["share_of_seconds"],
        "work": line["share_of_work"],
        "chart": charts.bars("Seconds for one model: retraining and unlearning", "Seconds for one model", rows),
        "stages": [(name, duration(taken)) for name, taken in study.summary["seconds"].items()],
        "bank": study.summary["bank_models"],
        "tuning": bool(study.spec.tuning_seeds),
    }


def _others(study: OpenStudy) -> dict:
    """All methods beside each other, the references first."""
    table, means, order = core.everything(study), study.means("group_tow"), core.ranked(study, "group_tow")
    names, same = [core.ORIGINAL, core.RETRAINED, core.CEILING, *order.index], core.twins(study)
    columns = [m for m in TABLE if table[m].notna().any()]
    lines = [
        {
            "title": table.loc[name, "title"]
            + (f" (the same runs as {_title(study, same[name])})" if name in same else ""),
            "cells": [spread(table.loc[name, m], table.loc[name, f"{m}_half_width"]) for m in columns],
            "seconds": duration(table.loc[name, "seconds"]),
            "diverged": int(table.loc[name, "diverged"]),
        }
        for name in names
    ]
    dots = [charts.Dot(m.title, m.mean, m.half_width, m.kind) for m in order.itertuples()]
    references = [
        charts.Line(means.loc[core.CEILING, "mean"], "one retrained model against another", "retrained"),
        charts.Line(means.loc[core.ORIGINAL, "mean"], "original", "original"),
    ]
    about = METRICS["group_tow"]
    return {
        "columns": [core.COLUMNS[m].label for m in columns],
        "lines": lines,
        "chart": charts.dot_plot(
            f"{order.iloc[0]['title']} is closest to retraining", about.label, dots, references, ends=about.ends
        ),
        "help": about.help,
    }


def _scores(study: OpenStudy, method: str):
    """The scores of the attack on the forgotten images, before and after and as a perfect run has them."""
    statistic = audit.default_statistic(study)
    found = verdicts.judge(study, method, statistic)
    models = {"original": found.original, "unlearned": found.audited, "retrained": found.retrained}
    edges, shares = audit.histograms({role: m.members for role, m in models.items()}, audit.is_ratio(statistic))
    names = {"original": "original", "unlearned": _title(study, method), "retrained": "retrained"}
    label = audit.STATISTICS[statistic].label
    return charts.distributions(
        f"Scores of the forgotten images under the attack “{label}”",
        "Score (right = more likely seen in training)",
        edges,
        shares,
        names,
    )


# -- evidence and provenance -------------------------------------------------------------------------------------------


def _protocol(study: OpenStudy, method: str, found) -> dict:
    """Who attacks, on how many models, in what numbers, and what a reader may look for in vain."""
    asked, answered = (None, set()) if found is None else (found.spec(), protocol.answered(found.table()))
    title = _title(study, method)
    return {
        "threat": protocol.threat_model(study, _rule(study), asked, answered),
        "models": protocol.models(study, title, asked, answered),
        "attacks": protocol.attacks(study, method, title),
        "classes": protocol.classes(study, method),
        "not_measured": protocol.not_measured(answered),
    }


def _audit(study: OpenStudy, method: str, found) -> dict:
    """The deepest stored audit of the method, or None: its lines, and the evidence that nobody collected."""
    tier = -1 if found is None else found.spec().tier
    missing = [(t.name, t.question, t.models) for t in TIERS[tier + 1 :]]
    if found is None:
        return {"summary": None, "lines": [], "missing": missing}
    table, title = found.table(), _title(study, method)
    lines = [
        {
            "what": METRICS[line["metric"]].label + _by(line["by"]),
            "on": measured_groups.where(line["on"]),
            "cells": [_cell(line, kind) for kind in ("unlearned", "retrained", "original")],
            "difference": spread(line["gap"], line["gap_half_width"], signed=True),
            "says": verdict(line),
        }
        for _, line in table.iterrows()
    ]
    about = {"tier": TIERS[tier].name, "key": found.key, "created": found.manifest()["created"]}
    said = {
        "tally": tally(title, table),
        "rule": RULE,
        "beside": BESIDE_A_STUDY,
        "closeness": by_audit.closeness(table),
    }
    return {"summary": found.json("summary") | about, "lines": lines, "missing": missing} | said


def _by(attack: str) -> str:
    return "" if not attack else f": {ATTACKS[attack].label if attack in ATTACKS else attack}"


def _cell(line: pd.Series, kind: str) -> str:
    value, low, high = shown(line, kind)
    return spread(value) if pd.isna(low) else f"{spread(value)} ({hundredths(low)} to {hundredths(high)})"


def _provenance(study: OpenStudy, method: str, audit: Audit | None) -> dict:
    made, run = study.result.manifest(), study.run_result(method, 0).manifest()
    note = recorded(study.store, study.key)
    weights = " --weights original.safetensors" if study.spec.training.weights else ""
    of = shlex.quote(method)  # a name out of a file from elsewhere must be no command
    return {
        "key": study.key,
        "dataset": study.spec.training.data.name,
        "fingerprint": study.data.fingerprint(),
        "seeds": study.spec.seeds,
        "created": made["created"],
        "device": run["device"],
        "machine": made["machine"],
        "commit": made.get("commit"),
        "versions": {"python": made["python"]} | made["versions"],
        "ours": ("python", "torch", "unlearning-workbench"),  # what the short report names: there is a page for it
        "imported": None if note is None else note["imported"],
        "study": json.dumps(plain(study.spec), indent=1, ensure_ascii=True),
        "command": f"python -m unlearn_core study report.html{weights} --store ./store",
        "audit": None if audit is None else _audit_command(study, of, audit),
        "report": f"python -m unlearn_core report {study.key} --method {of} -o report.html --store ./store",
    }


def _audit_command(study: OpenStudy, method: str, audit: Audit) -> str:
    """The command that makes the evidence of this audit again, in a store that holds the study."""
    asked = {"seeds": 1, "shadows": 2, "deletions": 2, "models": 3}  # from which tier on it is a choice
    sizes = "".join(f" --{name} {getattr(audit, name)}" for name, least in asked.items() if audit.tier >= least)
    return f"python -m unlearn_core audit {study.key} --method {method} --tier {audit.tier}{sizes} --store ./store"
