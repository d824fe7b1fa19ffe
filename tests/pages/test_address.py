"""A link restores the view: what was chosen is in the address, and what an address cannot mean counts for nothing."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import APP

JUNK = ("", "inf", "-inf", "nan", "-1", "0", "9" * 400, "9" * 9, "1e999", "0x10", "2.5", "<b>", ",,,", "true", "None")


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def widget(at, end: str):
    kinds = (at.multiselect, at.selectbox, at.number_input, at.text_input, at.checkbox, at.segmented_control)
    return next(w for kind in kinds for w in kind if (w.key or "").endswith(end))


@pytest.fixture
def again(open_page, filled_store):
    """again(page, at) -> the page that a link to what is on screen opens elsewhere."""
    return lambda page, at: open_page(page, filled_store, **{name: at.query_params[name] for name in at.query_params})


# -- several of a list -------------------------------------------------------------------------------------------------


def several():
    import streamlit as st

    from pages.shared import address

    names = {"a": "First", "b": "Second", "c": "Third"}
    st.markdown(",".join(address.several("Names", names, "names", ["a"], max_selections=2)) or "none")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("b,c", "b,c"), ("c,b", "c,b"), ("b,b,x", "b"), ("", "none"), ("x,y", "a"), ("a,b,c", "a,b"), ("First", "a"),
     (["c", "b"], "b"), ("\0", "a"), ("a" * 5000, "a")],
)  # fmt: skip
def test_several_names_of_the_address_are_taken_as_far_as_they_are_known(text, shown):
    at = AppTest.from_function(several)
    at.query_params["names"] = text
    at.run()
    assert not at.exception and at.markdown[0].value == shown
    assert ("names" in at.query_params) == (shown != "a")  # what is shown anyway is not in the address


def test_several_names_are_in_the_address_as_they_are_chosen():
    at = AppTest.from_function(several).run()
    assert "names" not in at.query_params and at.multiselect[0].options == ["First", "Second", "Third"]
    at.multiselect[0].set_value(["c", "a"]).run()
    assert at.query_params["names"] == "c,a" and at.markdown[0].value == "c,a"
    at.multiselect[0].set_value([]).run()
    assert at.query_params["names"] == "" and at.markdown[0].value == "none"
    at.multiselect[0].set_value(["a"]).run()
    assert "names" not in at.query_params and at.markdown[0].value == "a"
    at.multiselect[0].set_value(["b"]).run()
    del at.query_params["names"]  # as by a change of page: what was chosen in this visit comes back
    assert at.run().markdown[0].value == "b" and at.query_params["names"] == "b"


# -- numbers -----------------------------------------------------------------------------------------------------------


def numbered():
    import streamlit as st

    from pages.shared import address

    bind = address.bound("size", 2, 50, whole=True)
    st.markdown(str(st.number_input("Size", value=7, step=1, key="size", bind=bind)))
    st.markdown(str(address.page(9, "turned")))


@pytest.mark.parametrize("text", [*JUNK, "1", "51", ["60", "70"]])
def test_a_number_that_cannot_be_meant_counts_for_nothing(text):
    at = AppTest.from_function(numbered)
    at.query_params["size"] = at.query_params["turned"] = text
    at.run()
    assert not at.exception and at.markdown[0].value == "7"
    assert at.markdown[1].value in ("1", text)
    at.run()
    assert not at.exception and at.markdown[0].value == "7"


def test_a_number_of_the_address_is_taken_and_one_typed_here_stays():
    at = AppTest.from_function(numbered)
    at.query_params["size"], at.query_params["turned"] = "12", "4"
    at.run()
    assert [e.value for e in at.markdown] == ["12", "4"]
    at.number_input[0].set_value(99).run()  # what is wrong with it is for the page to say
    assert at.markdown[0].value == "99" and not at.exception


# -- Plan --------------------------------------------------------------------------------------------------------------


def test_a_link_brings_back_what_a_search_was_to_try(open_page, filled_store, again, study, submitted):
    place = f"search.{study.key[:8]}"
    at = open_page("plan", filled_store)
    assert not [name for name in at.query_params if name.startswith("search.")]
    at = open_page(
        "plan", filled_store,
        **{f"{place}.algorithms": "random-label,scrub", f"{place}.rates": "0.3,1", f"{place}.method": "grid",
           f"{place}.trials": "125", f"{place}.seeds": "4", f"{place}.orders": "all"},
    )  # fmt: skip
    for shown in (at, again("plan", at)):
        assert "The grid has 750 plans, but only 125 may be tried" in shown.error[0].value
        assert widget(shown, f"{place}.algorithms").value == ["random-label", "scrub"]
        widget(shown, f"{place}.orders").select("fixed").run()
        assert "125 plans to try" in words(shown) and not shown.error
        next(b for b in shown.button if b.label == "Start the search").click().run()
    first, second = submitted
    assert first == second and first.method == "grid" and first.rates == (0.3, 1.0) and first.seeds == 4


@pytest.mark.parametrize("text", JUNK)
def test_settings_of_a_search_that_are_none_count_for_nothing(open_page, filled_store, study, text):
    usual = open_page("plan", filled_store)
    place = f"search.{study.key[:8]}"
    fields = ("orders", "method", "trials", "together", "tuning_seeds", "seeds", "best", "algorithms", "rates")
    wanted = {f"{place}.{name}": text for name in fields if text or name not in ("algorithms", "rates")}
    wanted[f"{place}.trials"] = "-1" if text == "9" * 9 else text
    at = open_page("plan", filled_store, **wanted, found=text, sets=text, expected=text, lines=text or "x")
    assert not at.exception and not any("could not be drawn" in e.value for e in at.error)
    if text not in ("-1", "0", "9" * 9):
        assert [e.value for e in at.error] == [e.value for e in usual.error]
        assert "64 plans to try" in words(at)


# -- Explore -----------------------------------------------------------------------------------------------------------


def test_a_link_brings_back_the_rule_with_its_settings_and_the_page_of_images(open_page, filled_store, again, study):
    at = open_page("explore", filled_store, page="2", **{"open.score": "true"})
    assert "25 to 30 of 30 images" in words(at)
    at.selectbox(key="address.rule").select("random").run()
    assert at.query_params["rule"] == "random"
    place = f"rule.{study.key[:8]}.random"
    at = open_page("explore", filled_store, rule="random", page="2", **{f"{place}.size": "41", f"{place}.seed": "3"})
    for shown in (at, again("explore", at)):
        assert "Use these 41 as the set" in [b.label for b in shown.button] and "25 to 30 of 30 images" in words(shown)
    at = open_page("explore", filled_store, rule="class", **{"class": "3"})
    assert at.selectbox(key="address.class").value == "3"


@pytest.mark.parametrize("text", JUNK)
def test_a_rule_or_a_page_that_is_none_counts_for_nothing(open_page, filled_store, study, text):
    place = f"rule.{study.key[:8]}.random"
    wanted = dict.fromkeys(("page", f"{place}.size", f"{place}.seed", "class", "at"), text)
    at = open_page("explore", filled_store, rule="random", **wanted)
    assert not at.exception and not any("could not be drawn" in e.value for e in at.error)
    assert "1 to 24 of 30 images" in words(at)
    at = open_page("explore", filled_store, rule=text, **wanted)
    assert at.selectbox(key="address.rule").value == "memorization"


# -- Compare, Audit ----------------------------------------------------------------------------------------------------


def test_a_link_opens_the_numbers_under_a_chart(monkeypatch, filled_store):
    """Folded away they are not even sent."""
    monkeypatch.setenv("UNLEARN_STORE", str(filled_store))
    tables = []
    for is_open in ("false", "true"):
        at = AppTest.from_file(APP, default_timeout=60)
        at.query_params["compare"], at.query_params["open.cells"] = "predictions", is_open
        at.switch_page("pages/compare.py").run()
        assert not at.exception
        tables.append(len(at.dataframe))
    assert tables[0] < tables[1]


@pytest.mark.parametrize("text", [*JUNK, "Cost", "cost"])
def test_a_table_is_opened_by_its_name(open_page, filled_store, text):
    at = open_page("compare", filled_store, compare="numbers", tables=text)
    assert not at.exception and len(at.tabs) == 4
    assert ("tables" in at.query_params) == (text == "Cost")


@pytest.mark.parametrize("text", JUNK)
def test_how_many_models_to_train_is_in_the_address(open_page, filled_store, text):
    usual = open_page("audit", filled_store, evidence="images")
    assert usual.number_input(key="shadows").value == 48
    at = open_page("audit", filled_store, evidence="images", shadows="60")
    assert at.number_input(key="shadows").value == 60
    for view, name, value in (("images", "shadows", 48), ("models", "models", 64)):
        at = open_page("audit", filled_store, evidence=view, **{name: text})
        assert not at.exception and at.number_input(key=name).value == value
