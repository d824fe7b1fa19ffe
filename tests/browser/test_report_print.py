"""The report as a browser prints it: the short one fits on a sheet, and print is light whatever the screen is."""

import re

import pytest

from unlearn_core import report
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.mark.parametrize("which", ["filled_store", "unbanked_store"])
def test_one_page_is_one_page(page, request, tmp_path, which):
    store = Store(request.getfixturevalue(which))
    study = OpenStudy.open(store, studies(store)[0].key)
    file = tmp_path / "report.html"
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    page.emulate_media(color_scheme="dark")
    for method in {report.headline(study), report.methods(study)[-1]}:
        file.write_text(report.write(study, "executive", method), encoding="utf-8")
        page.goto(file.as_uri())
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, method
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(23, 23, 23)"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert all(url.startswith(("file:", "data:")) for url in asked)
