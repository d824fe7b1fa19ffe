"""The Report page: the file that it shows and offers is the core's."""

import base64
import io
import zipfile

import pytest

from pages.shared import report_downloads
from unlearn_core import report
from unlearn_core.experiment import comparison as core


def shown(at) -> str:
    """The report inside the page."""
    source = at.get("iframe")[0].proto.src
    head, _, body = source.partition(",")
    assert head == "data:text/html;base64"
    return base64.b64decode(body).decode()


def test_without_a_study_there_is_one_button(open_page, tmp_path):
    assert [b.label for b in open_page("report", tmp_path / "empty").button] == [
        "Open a recorded run",
        "Run the example",
    ]


def test_it_opens_with_one_page_on_the_plan(open_page, filled_store, study):
    at = open_page("report", filled_store)
    assert not at.error and shown(at) == report.write(study, "executive", "rum")
    assert at.selectbox(key="address.method").options == list(core.ranked(study, "group_tow")["title"])


def test_the_address_chooses_and_is_kept(open_page, filled_store, study):
    at = open_page("report", filled_store, audience="technical", method="random-label")
    assert shown(at) == report.write(study, "technical", "random-label")
    at.selectbox(key="address.method").select("fine-tune").run()
    assert at.query_params["method"] == "fine-tune" and shown(at) == report.write(study, "technical", "fine-tune")


@pytest.mark.parametrize("address", [{"audience": "all"}, {"method": "<script>"}])
def test_an_address_that_names_nothing_counts_for_nothing(open_page, filled_store, study, address):
    assert shown(open_page("report", filled_store, **address)) == report.write(study)


def test_the_study_as_one_file_is_made_when_asked_for(study):
    with zipfile.ZipFile(io.BytesIO(report_downloads.whole(study))) as archive:
        assert f"results/Study/{study.key}/spec.json" in archive.namelist() and archive.testzip() is None


def test_both_files_are_offered(open_page, filled_store):
    buttons = [b.proto for b in open_page("report", filled_store).get("download_button")]
    assert [b.label for b in buttons] == ["Download HTML", "Study as one file"]
    assert "larger than the report" in buttons[1].help
    way_in = buttons[1].help.split("“")[1].split("”")[0]
    assert way_in in [e.label for e in open_page("start", filled_store).expander]
