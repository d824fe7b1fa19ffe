"""What stands under a finding of docs/paper.md beside its numbers: what else could have made them."""

from __future__ import annotations

from unlearn_core.experiment.study_table import CEILING, ORIGINAL
from unlearn_core.rum import PARTS
from unlearn_core.words import spread


def pm(found: dict, signed: bool = False) -> str:
    """A mean over seeds with its interval."""
    return spread(found["mean"], found["half_width"], signed)


def share(found: dict) -> str:
    """A mean over seeds as a percentage."""
    return f"{found['mean']:.1%}"


def level_note(small: dict) -> str:
    """What else is different between the levels of entanglement; nothing where one of them is missing."""
    if not all(f"entanglement {level}" in small["sets"] for level in PARTS):
        return ""
    levels = [small["sets"][f"entanglement {level}"] for level in PARTS]
    memorized = ", ".join(spread(one["memorization"]) for one in levels)
    untouched = ", ".join(pm(one["methods"][ORIGINAL]["tow"]) for one in levels)
    shares = ", ".join(f"{one['entanglement']['all']['share_of_random']:.0%}" for one in levels)
    largest = "; ".join(most(one["classes"], small["setting"]["classes"]) for one in levels)
    highest = max(one["entanglement"]["all"]["share_of_random"] for one in levels)
    below = ", so the highest is still less entangled than a random set" if highest < 1 else ""
    return (
        " The sets of low, medium and high entanglement differ in more than that. Their mean memorization is "
        f"{memorized}, so doing nothing reads a ToW of {untouched} on them. Their largest classes are: {largest}. They "
        f"have {shares} of the entanglement of random sets as large{below}."
    )


def most(counts: list[int], classes: list[str], named: int = 3) -> str:
    """The classes with most images in a set."""
    order = sorted(range(len(counts)), key=lambda i: -counts[i])[:named]
    return ", ".join(f"{counts[i]} {classes[i]}" for i in order if counts[i])


def settings_note(small: dict) -> str:
    return (
        " The published example sets every part for itself, and by report the paper gives only ranges of its settings; "
        "here an algorithm has one learning rate, chosen for the whole set, in all parts; [plans searched "
        "for](#searched) are the exception." + KEPT
    )


KEPT = (
    " The third that is forgotten last is trained on until then, so a method that forgets only by training on the rest "
    "has to undo more."
)


RATES = (
    " Each part, and the algorithm that runs three times as long, has the learning rate that was chosen for the short "
    "run on the whole set: a longer run might want a lower one."
)


def proxy_note(small: dict) -> str:
    """The margin and the differences without it; what the score that knows least, and parts at random, come to."""
    exact, *rest = small["scores"]
    again = small["sets"]["mix"]["methods"][CEILING]["group_tow"]
    plain = ", ".join(
        f"{line['title']} {spread(line['difference'], line['difference_half_width'], signed=True)}" for line in rest
    )
    least = min(rest, key=lambda line: line["correlation"])
    shuffled = small["sets"]["mix"]["methods"]["rum-shuffle"]["group_tow"]
    return (
        f" The margin is {spread(1 - again['mean'], again['half_width'])}; its own interval is not counted. The "
        f"differences without it: {plain}. RUM by memorization reads a group ToW of "
        f"{spread(exact['group_tow'], exact['group_tow_half_width'])}, by "
        f"the score that agrees least with it ({least['title']}, rank correlation {least['correlation']:.2f}) "
        f"{spread(least['group_tow'], least['group_tow_half_width'])}, and with parts drawn at random {pm(shuffled)}."
    )


def released_note(small: dict) -> str:
    """Where the errors are, and at which rates each variant runs."""
    return (
        " Both errors are switched on here on CIFAR-10. There, as on SVHN, the published code does draw random labels; "
        "on all other data it teaches true ones. Each variant runs at a learning rate of its own, chosen for it."
    )


def other_note(small: dict) -> str:
    """How far the other low set is another one."""
    images = small["sets"]["other low set"]["images"]
    return f" The two sets share {small['other set']['shared']} of {images} images."


def order_note(small: dict) -> str:
    """What the orders come to, the closest first."""
    sets = small["sets"]
    orders = [sets["mix"]["methods"]["rum"] | {"title": "RUM low medium high"}]
    orders += [line for line in sets["orders"]["methods"].values() if line["kind"] == "plan"]
    ranked = sorted(orders, key=lambda line: -line["tow"]["mean"])
    return " ToW by order: " + ", ".join(f"{line['title']} {pm(line['tow'])}" for line in ranked) + "."


def search_note(small: dict) -> str:
    """The plans that were found, and what they are held against."""
    search = small["search"]
    single = search["single"]
    plans = "; ".join(
        f"plan {i}: {', '.join(f'{part} {plan[part]}' for part in PARTS)} ({pm(plan['confirmed'])}; "
        f"{plan['tuning']:.3f} in the search)"
        for i, plan in enumerate(search["plans"], 1)
    )
    return (
        f" Of {search['trials']} different plans, tried on one model that is not reported, the best two, with the "
        f"group ToW that they reach on the reported ones: {plans}. The best single algorithm: {single['title']} "
        f"({pm(single['confirmed'])}). Retrained again: {pm(search['ceiling'])}."
    )


NOTES = {
    "entanglement": level_note,
    "refining": settings_note,
    "alike": lambda small: KEPT,
    "longer": lambda small: RATES + KEPT,
    "order": order_note,
    "searched": search_note,
    "cheaper-scores": proxy_note,
    "released-code": released_note,
    "other-set": other_note,
}
