"""One attack on the chosen method: before and after, third by third, in numbers, and the images at most risk."""

from __future__ import annotations

from functools import lru_cache
from html import escape as html

import streamlit as st

from pages.evidence import attack_numbers, before_and_after, images_at_risk, single_images
from pages.shared import address, numbers, risk_by_part, theme
from pages.shared import audit_words as words
from pages.shared.comparison_words import title_of
from pages.shared.folds import fold
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit, telling
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.measured_groups import beside_the_plan, filled, group, left_as_it_is, sizes
from unlearn_core.experiment.verdicts import Verdict, judge
from unlearn_core.experiment.views import NO_RATIO


def draw(study, method: str, top) -> None:
    """`top` is the place for what the attack comes to."""
    statistic, part, seeds = choices(study)
    verdict = judge(study, method, statistic, part, seeds)
    thirds = [judge(study, method, statistic, p, seeds) for p in filled(study)]
    with top:
        reported = words.in_the_report(telling.told(study, method), _by_others(study, method))
        st.markdown(words.result(title_of(study, method), verdict, statistic, thirds), help=reported)
        if stronger := single_images.told(study, method):
            st.markdown(f"{stronger} That attack is shown under *Single images*.")
        warnings = [words.over_unlearned(verdict, statistic), words.no_power(verdict)]
        said = (about(study, method) for about in (beside_the_plan, left_as_it_is))
        st.caption(" ".join(filter(None, [sizes(study), *said])))
        if promised := words.privacy(study):
            st.markdown(promised)
        if any(warnings):
            st.warning("\n\n".join(filter(None, warnings)))
    before_and_after.draw(shown(study, method, statistic, verdict))
    whole = judge(study, method, statistic, "all", seeds)
    by_third(study, method, statistic, (whole, *thirds))
    numbers_of_the_attack(study, method, verdict)
    st.subheader(METRICS["mia_efficacy"].short, help=METRICS["mia_efficacy"].help)
    found, target = (audit.efficacy(study, m, seeds) for m in (method, core.RETRAINED))
    st.markdown(words.efficacy(found, target))
    images_at_risk.draw(study, method, part, seeds)


# All attacks on all groups of images, while the view is drawn at every click; as many as studies are kept open.
@lru_cache(maxsize=8)
def _by_others(study, method: str) -> bool:
    return bool(telling.others(study, method))


def choices(study) -> tuple[str, str, tuple[int, ...]]:
    """Which attack, on which images, over which seeds (none = all)."""
    attacks = audit.statistics(study)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        statistic = address.choice(
            st.selectbox,
            "Attack",
            {name: attack.label for name, attack in attacks.items()},
            "attack",
            default=audit.default_statistic(study),
            help="\n".join(f"- **{a.label}**: {a.help}" for a in attacks.values()),
            width=310,
        )
        groups = {p: group(p) for p in ("all", *filled(study))}
        part = address.choice(st.selectbox, "Images", groups, "part", width=150)
        seeds = {"all": "all"} | {str(s): f"only {s}" for s in audit.all_seeds(study)}
        seed = address.choice(st.selectbox, "Seeds", seeds, "seed", width=100)
    if not study.spec.models:
        st.caption(NO_RATIO)
    return statistic, part, () if seed == "all" else (int(seed),)


@lru_cache(maxsize=8)  # as many as studies are kept open, for each of these holds on to its own
def shown(study, method: str, statistic: str, verdict: Verdict) -> before_and_after.Shown:
    """The attack with its threshold and its ROC."""
    models = {"original": verdict.original, "unlearned": verdict.audited, "retrained": verdict.retrained}
    seeds = len(verdict.audited.seeds)
    each = f"{seeds} models of each kind" if seeds > 1 else "one model of each kind"
    return before_and_after.Shown(
        statistic,
        audit.is_ratio(statistic),
        models,
        {role: model.members for role, model in models.items()} | {"unseen": verdict.audited.others},
        words.models(title_of(study, method)),
        f"{words.images(verdict).capitalize()}: {words.says(verdict, statistic)}",
        f"AUC {verdict.audited.success.value:.2f} where retraining reads {verdict.retrained.success.value:.2f}",
        f"{len(verdict.audited.rows):,} forgotten, {verdict.audited.unseen:,} unseen images; {each}",
        lambda cut: words.at_threshold(cut, verdict.audited, verdict.original, verdict.retrained),
        "unseen images",
        f"Unseen images are {words.unseen(statistic)}. The histograms pool the models, and their outermost bars hold "
        "everything beyond. ROC curves are "
        + ("means over seeds with 95 % intervals" if seeds > 1 else "of one model each"),
    )


def by_third(study, method: str, statistic: str, verdicts: tuple[Verdict, ...]) -> None:
    """The same attack on each third."""
    st.subheader("Third by third")
    theme.show(*_thirds(study, method, statistic, verdicts))
    st.caption(words.floors(verdicts))


@theme.kept
def _thirds(study, method: str, statistic: str, verdicts: tuple[Verdict, ...]) -> tuple:
    """The chart and what it shows in words."""
    title = words.parts(verdicts, statistic)
    read = [
        f"{group(v.part)}: {numbers.interval(v.audited.success)}, retrained {numbers.interval(v.retrained.success)}"
        for v in verdicts
    ]
    lines, axis = risk_by_part.of_verdicts(verdicts), "Attack success (AUC); target: retrained"
    fig = risk_by_part.draw(html(title), axis, lines, words.models(title_of(study, method)))
    return fig, f"{title}. AUC on {'; '.join(read)}."


def numbers_of_the_attack(study, method: str, verdict: Verdict) -> None:
    """The attack on four models, among them the ceiling."""
    with fold("attack", "The attack in numbers, beside a second retrained model", ":material/table:") as box:
        if box.open:
            _table(study, method, verdict)


def _table(study, method: str, verdict: Verdict) -> None:
    models = {
        "Original (is there anything to find?)": verdict.original,
        title_of(study, method): verdict.audited,
        "Retrained (the target)": verdict.retrained,
        "Retrained again (the ceiling)": verdict.again,
    }
    attack_numbers.draw(models, [numbers.interval(model.resampled) for model in models.values()])
    rates = {head: verdict.audited.found_at(alpha) for head, alpha in attack_numbers.RATES.items()}
    seeds = len(verdict.audited.seeds)
    unit = f"over {seeds} seeds" if seeds > 1 else "over images (DeLong), so they speak of these models only"
    st.caption(
        f"95 % intervals {unit}. "
        + "".join(f"{head} is {numbers.missing(rate.why)}. " for head, rate in rates.items() if rate.value is None)
        + attack_numbers.LEAST
    )
