"""What a chart of a study rests on, for the line below its title: which images, how many, and how many seeds."""

from __future__ import annotations

from pages.shared.text import images


def data(study, *groups: str, more: str = "", over: str = "") -> str:
    """As "120 images to forget, 450 test images; means of 3 seeds with 95 % intervals". `groups` are "forget", "retain"
    and "test"; `more` is said after them, `over` in the place of what is averaged.
    """
    counted = {
        "forget": f"{images(len(study.forget))} to forget",
        "retain": f"{len(study.target.retain):,} kept images",
        "test": f"{len(study.target.test_labels):,} test images",
    }
    seeds = study.spec.seeds
    usual = f"means of {seeds} seeds with 95 % intervals" if seeds > 1 else "one seed, so no intervals"
    return f"{', '.join(counted[group] for group in groups)}{more}; {over or usual}"


def by_third(study) -> str:
    """The same for what is measured on each third."""
    sizes = ", ".join(f"{len(rows):,} {part}" for part, rows in study.parts.items() if len(rows))
    return data(study, "forget", more=f" ({sizes})")
