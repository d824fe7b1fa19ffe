"""Files that were not used, in a few lines: the first by name, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

FEW = 5


def named(left_out: Sequence[tuple[str, str]], line: Callable[[str, str], str] = "{}: {}".format) -> list[str]:
    """A line for each of the first few pairs of a file and a reason, and "and 3 more" where there are more."""
    more = len(left_out) - FEW
    return [line(*each) for each in left_out[:FEW]] + ([f"and {more:,} more"] if more > 0 else [])
