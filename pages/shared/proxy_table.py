"""Scores that cost less than a bank of models, beside the exact ones: how they rank, their cost, what RUM becomes."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from pages.shared import access, cost_words, downloads, numbers, progress, recorded, state
from pages.shared.text import duration, images
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, ProxyTable
from unlearn_core.experiment import proxy_table as core
from unlearn_core.proxies import PROXIES

ABOUT = {
    core.EXACT: "From the bank of models: what seeing the image in training changes for it.",
    **{name: f"{proxy.help} Costs {proxy.cost}. {proxy.source}." for name, proxy in PROXIES.items()},
}
GROUP_TOW = METRICS["group_tow"].short
NO_EXACT = "No bank of models was trained, so there are no exact scores to hold cheaper ones against."


def draw(study: OpenStudy) -> None:
    """The table; before it was made whole, the rankings that cost nothing and the button that has the rest made."""
    made = core.finished(study)
    if made is None:
        _rankings(study)
        _offer(study)
    else:
        _whole(study, *made)


def _rankings(study: OpenStudy) -> None:
    if not study.spec.models:
        st.markdown(f"{NO_EXACT} What each costs, and what RUM becomes when its parts are cut by it, can be measured.")
        return
    table = core.ready(study)
    st.markdown(
        "Scores that training records anyway cost nothing. This is how they rank all "
        f"{images(len(study.labels))} beside the memorization scores of the bank."
    )
    _show(table, core.part_size(study), len(study.labels))
    st.caption(_how_to_read(core.part_size(study), core.halves(study)))


def _offer(study: OpenStudy) -> None:
    asked, (runs, seconds) = ProxyTable(study=study.spec), core.cost(study)
    if progress.under_way(asked):
        return
    others = [PROXIES[name].title.lower() for name in core.able(study) if not study.is_ready(name)]
    work = [f"computes {' and '.join(others)}"] if others else []
    work += [f"runs this study's first plan with its parts cut by each score ({runs} runs)"] if runs else []
    st.markdown(
        f"The whole comparison {' and '.join(work) or 'puts all scores together'}: "
        f"{cost_words.roughly(state.store(), 'ProxyTable', seconds)}.{cost_words.queue(state.store())}"
    )
    if recorded.start("Compare all scores", icon=":material/play_arrow:"):
        access.submit(state.store(), asked, cost_words.unsure(state.store(), "ProxyTable", seconds))
        st.switch_page("pages/runs.py", query_params={"study": study.key})


def _whole(study: OpenStudy, table: pd.DataFrame, about: dict) -> None:
    st.markdown(_sentence(study, table))
    _show(table, about["part_size"], len(study.labels))
    seeds = f"Intervals of closeness are 95 % over {study.spec.seeds} seeds"
    if study.spec.models:
        st.caption(
            f"{_how_to_read(about['part_size'], about['halves'])} {seeds}, those of the ranking 95 % over images. "
            "A difference whose interval holds 0 cannot be told from none."
        )
    else:
        st.caption(f"{seeds}.")
    if "holdout_retraining" not in table.index:
        st.caption(
            f"{PROXIES['holdout_retraining'].title} is left out: it needs validation images, and there are none."
        )
    downloads.buttons(table.reset_index(), f"cheaper-scores-{study.key[:8]}")


def _sentence(study: OpenStudy, table: pd.DataFrame) -> str:
    """The proxy that ranks best, and whether RUM is any worse for it."""
    if not study.spec.models:
        return f"{NO_EXACT} Closeness is measured on parts by confidence, which favours the plan that is cut by it."
    best = table.drop(index=core.EXACT).iloc[0]
    spent = f"in {best['share_of_bank']:.0%} of the bank's time" if best["seconds"] else "at no extra cost"
    text = f"**{best['title']}** ranks the images most like the bank does ({best['correlation']:.2f}), {spent}."
    level = (table.drop(index=[core.EXACT, best.name])["correlation"] > best["low"]).sum()
    if level:
        others = "another score" if level == 1 else f"{level} other scores"
        text += f" The ranking of {others} lies inside its interval: they cannot be told apart."
    apart, half = best["difference"], best["difference_half_width"]
    if not numbers.known(apart):
        return text
    by = f"{numbers.spread(apart, half, signed=True)} {GROUP_TOW}"
    text += f" RUM cut by it differs by {by} from RUM cut by exact scores"
    if not numbers.known(half):
        return f"{text}; one seed cannot say whether that is more than chance."
    if abs(apart) <= half:
        return f"{text}: with {study.spec.seeds} seeds not to be told from no difference."
    return f"{text}: {'better' if apart > 0 else 'worse'} on these seeds."


def _how_to_read(k: int, again: float | None) -> str:
    text = (
        "Same ranking: 1 = in the same order as exact memorization, 0 = no relation. Top images found: share of "
        f"the {k:,} most memorized images that are also among the {k:,} highest by this score."
    )
    if again is None:
        return text
    return f"{text} One half of the bank ranks the images like the other to {again:.2f} itself."


def _show(table: pd.DataFrame, k: int, n: int) -> None:
    exact = table["overlap"].notna().all()  # without a bank there is nothing to agree with
    shown = table[["title"]].copy()
    if exact:
        ranks = zip(table["correlation"], table["low"], table["high"], strict=True)
        shown["correlation"] = [_ranked(*line) for line in ranks]
        shown["overlap"] = [f"{share:.0%}" for share in table["overlap"]]
    config = {
        "title": st.column_config.TextColumn("Score", width=205),
        "correlation": st.column_config.TextColumn(
            "Same ranking",
            help="Spearman's rank correlation with exact memorization over all training images, and its 95 % interval.",
        ),
        "overlap": st.column_config.TextColumn(
            "Top images found", help=f"Of the {k:,} most memorized images; by chance it would be {k / n:.0%}."
        ),
    }
    if "seconds" in table:
        spent = zip(table["seconds"], table["share_of_bank"], strict=True)
        shown["seconds"] = [f"{duration(s)}{f' ({share:.0%})' if exact else ''}" if s else "none" for s, share in spent]
        pairs = zip(table["group_tow"], table["group_tow_half_width"], strict=True)
        shown["tow"] = [numbers.spread(*pair) for pair in pairs]
        if exact:
            pairs = zip(table["difference"], table["difference_half_width"], strict=True)
            shown["apart"] = [numbers.spread(*pair, signed=True) for pair in pairs]
            shown.loc[core.EXACT, ["correlation", "overlap", "apart"]] = ["itself", "itself", ""]
        config |= {
            "seconds": st.column_config.TextColumn(
                "Extra time",
                help="Beyond the training of the model itself, and as a share of the time of the bank, if any.",
            ),
            "tow": st.column_config.TextColumn(
                "RUM cut by it",
                help=f"{METRICS['group_tow'].label} of the study's first plan with its parts cut by this score: "
                "1 = as a retrained model. Measured on the same images for all scores.",
            ),
            "apart": st.column_config.TextColumn(
                "Against exact", help=f"Difference in {GROUP_TOW} to the plan cut by exact scores, on the same seeds."
            ),
        }
    order = "those first that rank the images most like exact memorization" if exact else "with their cost"
    alt = f"Scores, {order}: {', '.join(table['title'])}."
    st.dataframe(shown, column_config=config, hide_index=True, height="content", alt=alt)
    with st.popover("What the scores mean"):
        st.markdown("\n".join(f"- **{line['title']}**: {ABOUT[name]}" for name, line in table.iterrows()))


def _ranked(correlation: float, low: float, high: float) -> str:
    return numbers.MISSING if math.isnan(correlation) else f"{correlation:.2f} ({low:.2f} to {high:.2f})"
