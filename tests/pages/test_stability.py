"""The curve that says how stable a bank's scores are, and the sentence that it comes to."""

import numpy as np
import pandas as pd
import pytest

from pages.shared import stability_chart


def grown(study, pearson: list[float], stop_at: float = 0.0, models: int = 64, images: int = 0):
    """The study as if its bank had grown through these split-half correlations, eight models at a time."""
    pearson = np.array(pearson)
    members = 8 * np.arange(1, len(pearson) + 1)
    study.stability = pd.DataFrame(
        {"members": members, "images": images or len(study.labels), "pearson": pearson, "spearman": pearson / 2}
    ).assign(reliability=2 * pearson / (1 + pearson))
    study.spec = study.spec.but(models=models, stop_at=stop_at)
    return study


def test_explore_shows_the_kept_curve(open_page, filled_store, study):
    at = open_page("explore", filled_store)
    assert "How stable the scores are" in [e.label for e in at.expander]
    assert stability_chart.words(study) in [c.value for c in at.caption]
    halves, whole = stability_chart.draw(study).data
    assert list(halves.x) == list(whole.x) == study.stability["members"].tolist() == [8, 10]
    np.testing.assert_array_equal(halves.y, study.stability["pearson"])
    np.testing.assert_array_equal(whole.y, study.stability["reliability"])


def test_what_more_models_would_bring(study):
    said = stability_chart.words(grown(study, [0.2, 0.5], models=16))
    assert "**0.50**" in said and "**0.67**" in said  # Spearman and Brown: 2 * 0.5 / 1.5
    assert "the halves agreed to 0.20, so more models would still sharpen the scores." in said
    assert "the two rankings agree to 0.25" in said
    said = stability_chart.words(grown(study, [0.5, 0.6, 0.65, 0.61], models=32))
    assert "agreed to 0.60, so more models would change the scores little." in said
    assert "half as many" not in stability_chart.words(grown(study, [0.5], models=10))
    assert "stopped" not in said and "judge" not in said
    assert "score the 417 images that both halves can judge" in stability_chart.words(grown(study, [0.5], images=417))


def test_a_bank_that_stopped_early_says_so(study):
    study = grown(study, [0.4, 0.7, 0.8], stop_at=0.85)
    assert "Training stopped early, as asked, after 24 of 64 models." in stability_chart.words(study)
    assert [shape.y0 for shape in stability_chart.draw(study).layout.shapes] == [0.85]


@pytest.mark.parametrize("last", [np.nan, -0.1, 0.0])
def test_too_few_models_say_nothing(study, last):
    study = grown(study, [np.nan, last], models=16)
    assert "do not agree" in stability_chart.words(study) and "nan" not in stability_chart.words(study)
    assert stability_chart.draw(study).layout.title.text == "Too few models to say how stable the scores are"
