import re

import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import address, frame, state, thumbnails
from pages.shared.comparison_words import title_of, titles
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.guessing import (
    PAIRS,
    Pair,
    attack_hits,
    hardness,
    opposite_wins,
    pairs,
    right_answers,
    won,
)

NUMBER = re.compile(r"\d{1,4}", re.ASCII)
END, MOST = "end", 10_000


def draw() -> None:
    st.title("Guess")
    study = state.study()
    if study is None:
        frame.empty_state("The game")
        return
    st.markdown(
        "Two images: the model was trained on one of them, and never saw the other. **Which one was it trained on?** "
        "All you get is how sure the model is of each. That is what a membership attack does."
        + (
            ""
            if hardness(study) is None
            else " For models of the bank that saw neither, the two are as nearly equally hard as can be."
        )
    )
    ranked = core.ranked(study, "group_tow")
    names, plans = titles(study, ranked.index), ranked.index[ranked["kind"] == "plan"]
    default = plans[0] if len(plans) else ""
    method = address.choice(st.selectbox, "Model of the second half", names, "method", default=default, width=260)
    game = _game(study, method)
    if game["at"] < len(game["pairs"]):
        _ask(study, game, method)
    else:
        _result(study, game, method)


def _game(study: OpenStudy, method: str) -> dict:
    """The pairs and the answers so far; another study or method is another game.

    The round and the pair on screen are in the address, so a link opens the same two images. The answers are not: they
    are how somebody did, and stay with this visit. Pairs that a link passes over are not answered.
    """
    key = f"{study.key}.{method}"
    game = st.session_state.get("guess")
    turn, at = _of_address() if game is None or address.went_back() else (game["turn"], game["at"])
    if game is not None and game["of"] != key and not address.went_back():
        turn, at = turn + 1, 0
    if game is None or (game["of"], game["turn"]) != (key, turn):
        played = st.session_state.setdefault("guessed", {})  # Back comes to a game with its answers
        if (key, turn) not in played:
            few = min(len(study.forget), len(study.data.test.y)) // 2 * 2  # as many in each half
            asked = pairs(study, (core.ORIGINAL, method), turn, max(2, min(2 * PAIRS, few)))
            played[key, turn] = {"of": key, "turn": turn, "pairs": asked, "answers": {}}
        game = played[key, turn]
    last = len(game["pairs"])
    game["at"] = min(at, last) if at < last or game["answers"] else 0  # without answers there is no end
    st.session_state["guess"] = game
    address.put("turn", str(turn) if turn else None)
    address.put("pair", (END if game["at"] == last else str(game["at"] + 1)) if game["at"] else None)
    return game


def _of_address() -> tuple[int, int]:
    """The round and the pair, both from 0; what the address cannot mean counts for nothing."""
    turn, pair = (st.query_params.get(name, "") for name in ("turn", "pair"))
    number = int(pair) - 1 if NUMBER.fullmatch(pair) else 0
    return int(turn) if NUMBER.fullmatch(turn) else 0, MOST if pair == END else max(0, number)


def _half(game: dict) -> int:
    return len(game["pairs"]) // 2


def _ask(study: OpenStudy, game: dict, method: str) -> None:
    number, half = game["at"], _half(game)
    first = number < half
    model = core.ORIGINAL if first else method
    pair: Pair = game["pairs"][number]
    whose = "the original model, before anything was forgotten" if first else escape(title_of(study, method))
    st.subheader(f"Pair {number + 1} of {len(game['pairs'])}: {whose}")
    if number - 1 in game["answers"]:
        st.caption(_last(game))
    tiles = [study.pixels[pair.row], study.data.test.x[pair.stranger].numpy()]
    classes = [study.classes[study.labels[pair.row]], study.classes[int(study.data.test.y[pair.stranger])]]
    if not pair.left:
        tiles, classes = tiles[::-1], classes[::-1]
    columns = st.columns([2, 2, 3])
    sides = zip(columns, ("Left", "Right"), tiles, classes, pair.shown(model), strict=False)
    for column, side, tile, name, sure in sides:
        with column, st.container(border=True):
            thumbnails.show(tile[None], [(f"labelled {name}", "")], alt=f"{side} image, class {name}", across=1)
            st.markdown(f"The model is **{_percent(sure)}** sure of its label.")
            st.button(f"{side} one", key=f"guess.{side}", on_click=_answer, args=(side == "Left",), width="stretch")
    st.caption("A link to this page opens this pair. Your answers are not in it: whoever opens it begins with none.")


def _percent(sure: float) -> str:
    return "over 99.9 %" if sure > 0.999 else f"{100 * sure:.1f} %"


def _answer(left: bool) -> None:
    game = st.session_state["guess"]
    game["answers"][game["at"]] = left
    game["at"] += 1


def _last(game: dict) -> str:
    number = game["at"] - 1
    right = game["answers"][number] == game["pairs"][number].left
    side = "left" if game["pairs"][number].left else "right"
    word = "Correct" if right else "Wrong"  # "right" is a side here
    return f"{word}: of the last pair the model was trained on the image on the {side}. {_score(game)}"


def _score(game: dict) -> str:
    hits, answered = right_answers(game["pairs"], game["answers"], slice(game["at"]))
    return f"{hits} of {answered} so far."


def _result(study: OpenStudy, game: dict, method: str) -> None:
    half = _half(game)
    st.subheader("How you did")
    halves = (core.ORIGINAL, slice(half)), (method, slice(half, None))
    for column, (model, part) in zip(st.columns(2), halves, strict=True):
        asked = game["pairs"][part]
        hits, answered = right_answers(game["pairs"], game["answers"], part)
        with column:
            help = "Blind guessing gets half of the pairs on average."
            st.metric(escape(title_of(study, model)), f"{hits} of {answered}", help=help)
            won = attack_hits(asked, model)
            opposite = f", the opposite rule {len(asked) - won:g}" if 2 * won < len(asked) else ""
            st.caption(
                f"“The surer one was trained on” gets {won:g} of {len(asked)} of these pairs{opposite}; "
                f"guessing blindly, {len(asked) / 2:g}."
            )
    _over_all(study, method)
    with st.container(horizontal=True):
        st.button("Play again", icon=":material/replay:", type="primary", on_click=_again)
        st.page_link("pages/audit.py", label="What stronger attacks find", icon=":material/policy:")


def _over_all(study: OpenStudy, method: str) -> None:
    """What the attack gets over all pairs, and what a retrained model says of that; nothing where nothing is known."""
    right = won(study, tuple(dict.fromkeys((core.ORIGINAL, method, core.RETRAINED))))
    if any(share.mean is None for share in right.values()):
        return
    drawn = "a forget image and a test image" if hardness(study) is None else "a forget image and its partner"
    st.markdown(
        f"Over all pairs of {drawn} that attack is right for **{right[core.ORIGINAL].mean:.0%}** of them with the "
        f"original, **{right[method].mean:.0%}** with {escape(title_of(study, method))} and "
        f"**{right[core.RETRAINED].mean:.0%}** with a model retrained without the images, which is the value to reach: "
        f"not 50 %, and not as low as possible. Means over {study.spec.seeds} seeds."
    )
    shares = opposite_wins(right)
    if told := _opposite(study, shares):
        st.markdown(told)
    if core.RETRAINED in shares:
        st.caption(_why_under_half(study))


def _opposite(study: OpenStudy, shares: dict[str, float]) -> str:
    """With which models the rule turned round is the better one, as a sentence; empty where with none but retrained."""
    told = [f"**{shares[m]:.0%}** with {escape(title_of(study, m))}" for m in shares if m != core.RETRAINED]
    if not told:
        return ""
    text = "The opposite rule wins here: “the less sure one was trained on” is right for "
    if core.RETRAINED in shares:
        beside = f"and for {shares[core.RETRAINED]:.0%} with a retrained model too, which never saw them"
    else:
        beside = "and does not win with a retrained model"
        if core.ORIGINAL not in shares:
            beside += ", so the images stand out by what was done to forget them"
    return f"{text}{' and '.join(told)}, {beside}."


def _why_under_half(study: OpenStudy) -> str:
    hard = "Why the value to reach is under one half: images to forget are often the hard ones"
    if hardness(study) is None:
        return f"{hard}, so even a model that never saw them is less sure of them than of test images."
    return (
        f"{hard}. Where no test image is as hard, even a model that never saw them is less sure of them than of their "
        "partners."
    )


def _again() -> None:
    st.session_state["guess"]["of"] = ""


frame.page(draw)
