"""Every declared spec as a form: the defaults come back unchanged, and a changed widget changes its field."""

import pytest
from streamlit.testing.v1 import AppTest

from unlearn_core.forget import FORGET_SETS
from unlearn_core.unlearning import ALGORITHMS


def drawn(kind: str, name: str) -> AppTest:
    def script(kind, name):
        import streamlit as st

        from pages.shared.forms import form
        from unlearn_core.forget import FORGET_SETS
        from unlearn_core.unlearning import ALGORITHMS

        made = form({"algorithm": ALGORITHMS, "rule": FORGET_SETS}[kind][name], "it")
        st.code("nothing" if made is None else repr(made))

    return AppTest.from_function(script, args=(kind, name)).run()


@pytest.mark.parametrize("kind, name", [("algorithm", n) for n in ALGORITHMS] + [("rule", n) for n in FORGET_SETS])
def test_untouched_form_gives_the_defaults(kind, name):
    at = drawn(kind, name)
    assert not at.exception and not at.error
    assert at.code[0].value == repr({"algorithm": ALGORITHMS, "rule": FORGET_SETS}[kind][name]())


def test_changed_widgets_change_their_fields_and_no_other():
    at = drawn("algorithm", "neggrad-plus")
    at.number_input(key="it.lr").set_value(0.003)
    at.slider(key="it.alpha").set_value(0.5)
    at.selectbox(key="it.bn").set_value("frozen").run()
    assert at.code[0].value == repr(ALGORITHMS["neggrad-plus"](lr=0.003, alpha=0.5, bn="frozen"))


def test_help_says_the_range():
    at = drawn("rule", "class")
    assert "Range: 0.001 to 1" in at.number_input(key="it.share").help


def test_values_that_do_not_fit_together_are_one_sentence():
    def script():
        import streamlit as st

        from pages.shared.forms import form
        from unlearn_core.rum import Plan

        st.code(repr(form(Plan, "plan", only=("low_cut", "high_cut"))))

    at = AppTest.from_function(script).run()
    at.number_input(key="plan.low_cut").set_value(0.9).run()
    assert not at.exception
    assert [e.value for e in at.error] == ["The low cut lies above the high cut."]
    assert at.code[0].value == "None"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("epochs", 100_000, "Epochs must be at least 1 and at most 200, not 100,000."),
     ("epochs", -1, "Epochs must be at least 1 and at most 200, not -1."),
     ("lr", 99.0, "Learning rate must be at least")],
)  # fmt: skip
def test_a_number_outside_its_range_is_refused_and_not_passed_over(name, value, says):
    at = drawn("algorithm", "neggrad-plus")
    assert not at.number_input(key=f"it.{name}").proto.has_max  # the browser would keep such a number to itself
    at.number_input(key=f"it.{name}").set_value(value).run()
    (error,) = at.error
    assert error.value.replace("\\", "").startswith(says) and at.code[0].value == "nothing"


def test_a_name_from_data_is_text_on_buttons_and_in_lists():
    def page():
        import streamlit as st

        from pages.shared import address

        names = {"a": "![x](https://e.example/p.png)", "b": "*b*"}
        address.choice(st.segmented_control, "Method", names, "of", required=True)
        address.choice(st.selectbox, "Method", names, "method")

    at = AppTest.from_function(page).run()
    assert not at.exception
    (group,) = at.get("button_group")
    assert [option.content for option in group.proto.options] == [
        r"\!\[x\]\(https\://e.example/p.png\)", r"\*b\*"
    ]  # fmt: skip
    assert at.selectbox[0].options == ["![x](https://e.example/p.png)", "*b*"]  # a list reads no Markdown
