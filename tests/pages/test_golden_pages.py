"""The pages show what a released version made."""

import zipfile

import pytest

from tests.golden_stores import FOLDER


@pytest.mark.parametrize("released", sorted(FOLDER.glob("*.zip")), ids=lambda file: file.stem)
@pytest.mark.parametrize("page", ["explore", "plan", "runs", "compare", "audit", "report"])
def test_a_page_shows_a_released_store(page, released, open_page, tmp_path):
    with zipfile.ZipFile(released) as archive:
        archive.extractall(tmp_path)
    at = open_page(page, tmp_path)
    assert not at.exception and [error.value for error in at.error] == []
    assert at.selectbox(key="study").options[0].startswith("Golden")
