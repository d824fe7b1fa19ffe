"""The pages show what a released version made."""

import zipfile

import pytest

from tests.golden_stores import FOLDER
from unlearn_core.experiment import Study, fulfil
from unlearn_core.experiment.outdated import outdated
from unlearn_core.store import Store


@pytest.mark.parametrize("released", sorted(FOLDER.glob("*.zip")), ids=lambda file: file.stem)
@pytest.mark.parametrize("page", ["explore", "plan", "runs", "compare", "audit", "report"])
def test_a_page_shows_a_released_store(page, released, open_page, tmp_path):
    with zipfile.ZipFile(released) as archive:
        archive.extractall(tmp_path)
    for each in outdated(Store(tmp_path)):
        fulfil(Store(tmp_path), each.spec)
    at = open_page(page, tmp_path)
    assert not at.exception and [error.value for error in at.error] == []
    assert at.selectbox(key="study").options[0].startswith("Golden")


def test_runs_offers_to_measure_a_study_of_an_earlier_version_again(open_page, tmp_path, monkeypatch):
    with zipfile.ZipFile(sorted(FOLDER.glob("*.zip"))[0]) as archive:
        archive.extractall(tmp_path)
    monkeypatch.setattr(Study, "version", Study.version + 1)
    at = open_page("runs", tmp_path)
    assert not at.exception and "Made by an earlier version" in [each.value for each in at.subheader]
    (old,) = outdated(Store(tmp_path))
    assert old.seconds > 0 and any("if no model was removed" in each.value for each in at.markdown)
    at.button(key=f"outdated.{old.key}").click().run()
    assert not at.exception and old.spec.name in " ".join(each.value for each in at.markdown)
