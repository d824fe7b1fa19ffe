"""Every widget whose state changes what is on screen is in the address, or is listed here with why not."""

import ast
from functools import cache
from pathlib import Path

import pytest

from pages.shared import folds

PAGES = Path(__file__).parents[2] / "pages"
# What holds a state of its own: Streamlit's, and this program's form of a spec. A fold is always in the address.
HOLD = {
    "selectbox", "segmented_control", "pills", "toggle", "slider", "select_slider", "number_input", "radio", "tabs",
    "multiselect", "checkbox", "text_input", "text_area", "date_input", "time_input", "datetime_input", "pagination",
    "color_picker", "data_editor", "file_uploader", "feedback", "chat_input", "camera_input", "audio_input", "expander",
    "popover",
}  # fmt: skip
MECHANISM = {"shared/address.py", "shared/forms.py"}  # they bind what others ask them for


def held(file: str, tree: ast.Module) -> dict[str, bool]:
    """ "file: what the widget is called" of each widget of a file -> whether it is bound to the address."""
    shared = set()  # what several widgets are given alike, `bind` among it
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            shared |= {node.targets[0].id for key in node.value.keys if key is not None and _text(key) == "bind"}
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = {word.arg: word.value for word in node.keywords if word.arg}
        spread = {ast.unparse(word.value) for word in node.keywords if not word.arg}
        called = ast.unparse(node.func)
        own = called.startswith("st.") and called.removeprefix("st.") in HOLD
        if own or called == "form" or "on_select" in named:
            label = next((_text(arg) for arg in node.args[:1]), "")
            bound = "bind" in named and _text(named["bind"]) != "None" or bool(spread & shared)
            found[f"{file}: {label}"] = found.get(f"{file}: {label}", True) and bound
    return found


def _text(node: ast.AST) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


@cache
def widgets() -> dict[str, bool]:
    found = {}
    for path in sorted(PAGES.rglob("*.py")):
        file = str(path.relative_to(PAGES))
        if file not in MECHANISM:
            found |= held(file, ast.parse(path.read_text()))
    return found


DRAFT = "a draft of what a button starts, saves or removes; nothing that is measured is shown by it"
PLAN = "part of the plan on screen, which is in the address as a whole, as `plan`"
HELP = "words that are the same for everyone and every study"
FILE = "a file of the person's own, which no link can bring"
PICK = "names what the button beside it takes, which then is in the address or in the store"
HAND = "what the next stroke of the hand does; the set that it makes is in the address"
WAY = "in the address by a way of its own"
LEFT_OUT = {
    "choosing/brush.py: fig": PICK,
    "choosing/brush.py: What dragging across the bars does": HAND,
    "choosing/near_images.py: Find the image of this row": f"{WAY}, as `near`",
    "choosing/recommended_sets.py: More": "opens on words and a link",
    "choosing/recommended_sets.py: one.title": "opens on a set and its evidence; taken, the set is in the address",
    "choosing/saved_sets.py: Name": DRAFT,
    "comparing/images.py: shown": PICK,
    "comparing/picks.py: Methods, beside the original and the retrained model": f"{WAY}, as `methods`",
    "runs.py: Details": "unfolds one of many jobs, which come and go",
    "shared/add_images.py: Folder or parquet file": FILE,
    "shared/add_images.py: Name of the dataset": DRAFT,
    "shared/add_images.py: Test share": DRAFT,
    "shared/add_images.py: Side in pixels": DRAFT,
    "shared/algorithms.py: cls": PLAN,
    "shared/algorithms.py: Algorithm inside": PLAN,
    "shared/forget_builder.py: Picked": "row numbers being typed; the set that they become is in the address",
    "shared/forget_builder.py: Or a file with one row number a line": FILE,
    "shared/frame.py: Study": f"{WAY}, as `study`",
    "shared/how_to_read.py: How to read this page": HELP,
    "shared/job_table.py: table": f"{WAY}, as `job`",
    "shared/new_study.py: Dataset": DRAFT,
    "shared/new_study.py: How the images are chosen": DRAFT,
    "shared/forget_rule.py: FORGET_SETS[rule]": DRAFT,
    "shared/new_study.py: Algorithms": DRAFT,
    "shared/new_study.py: Study": DRAFT,
    "shared/new_study.py: Use fewer images, or split them differently": DRAFT,
    "shared/new_study.py: Data": DRAFT,
    "shared/new_study.py: Change the model or how it is trained": DRAFT,
    "shared/new_study.py: Training": DRAFT,
    "shared/new_study.py: Train with differential privacy": DRAFT,
    "shared/new_study.py: Start from a model you trained elsewhere": DRAFT,
    "shared/new_study.py: Stop the bank early": DRAFT,
    "shared/own_model.py: Images of the model": DRAFT,
    "shared/own_model.py: Training": DRAFT,
    "shared/own_model.py: What the model is called": DRAFT,
    "shared/own_model.py: Rows it should have forgotten": DRAFT,
    "shared/own_model.py: Pairs of retrained models": DRAFT,
    "shared/plan_beside.py: Retrained models": "always ticked, and cannot be changed",
    "shared/plan_cuts.py: The two cuts; or drag a line in the chart": PLAN,
    "shared/plan_cuts.py: fig": PLAN,
    "evidence/before_and_after.py: fig": "moves the threshold of the slider above it, which is in the address",
    "shared/plan_cuts.py: label": PLAN,
    "shared/plan_editor.py: label": PLAN,
    "shared/plan_editor.py: Name of the plan": PLAN,
    "shared/plan_saved.py: Load a plan": FILE,
    "shared/progress.py: Show technical details": "what a job that failed wrote, for who reads it now",
    "shared/proxy_table.py: What the scores mean": HELP,
    "shared/recorded.py: Open a study from a file": "folds away a form for a file",
    "shared/recorded.py: A .zip file that Report or `bundle export` wrote": FILE,
    "shared/removal.py: What to empty": DRAFT,
    "shared/try_everything.py: Take over": PICK,
    "shared/weights_file.py: label": FILE,
    "shared/weights_file.py: Names and shapes of the weights": HELP,
    "start.py: Set up a study": f"{WAY}, as `own`",
    "start.py: Study to open": PICK,
    "start.py: Words used here": HELP,
}


def test_every_widget_is_in_the_address_or_listed_with_the_reason():
    free = {name for name, bound in widgets().items() if not bound}
    assert free - set(LEFT_OUT) == set(), "bind these to the address (pages/shared/address.py), or say here why not"
    assert set(LEFT_OUT) - free == set(), "these are listed and not there, or bound by now"
    assert all(LEFT_OUT.values()) and len(widgets()) > 40


@pytest.mark.parametrize(
    ("line", "bound"),
    [("st.toggle('Unseen', key='unseen')", False), ("st.toggle('Unseen', key='unseen', bind=None)", False),
     ("st.toggle('Unseen', key='unseen', bind='query-params')", True), ("st.slider('Cut', **KEPT)", True),
     ("form(Study, place)", False), ("form(Study, place, bind='query-params')", True),
     ("st.slider('Cut', **OF)", False), ("st.tabs(['a', 'b'])", False),
     ("st.dataframe(table, on_select='rerun')", False)],
)  # fmt: skip
def test_a_widget_that_is_not_in_the_address_would_be_seen(line, bound):
    tree = ast.parse(f"KEPT = {{'bind': 'query-params'}}\nOF = {{'width': 3}}\n{line}\nst.markdown('x')")
    assert list(held("page.py", tree).values()) == [bound]


# -- what they are called in the address -------------------------------------------------------------------------------

# One name for the same choice on several pages, or on views that are never drawn together.
SHARED = {"method", "of", "group", "images", "image", "plan", "map"}
CALLS = {"address.choice": 3, "address.several": 2, "address.page": 1, "address.bound": 0, "fold": 0, "folds.fold": 0}


@cache
def names() -> dict[str, list[str]]:
    """What widgets are called in the address -> where they are drawn."""
    found = {}
    for path in sorted(PAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called, given = ast.unparse(node.func), {word.arg: word.value for word in node.keywords}
            if called in CALLS and CALLS[called] < len(node.args) and called != "address.bound":
                name = ("open." if "fold" in called else "") + _text(node.args[CALLS[called]])
            elif "bind" in given and isinstance(given.get("key"), ast.Constant):
                name = given["key"].value
            else:
                continue
            found.setdefault(name, []).append(f"{path.relative_to(PAGES)}:{node.lineno}")
    return found


def test_no_two_widgets_have_one_name():
    twice = {name: places for name, places in names().items() if len(places) > 1 and name not in SHARED}
    assert not twice, f"choose another name, or say in SHARED that they are one choice: {twice}"
    assert len(names()) > 60 and all(len(name) < 30 for name in names())


def test_every_fold_is_named():
    drawn = {name.removeprefix("open.") for name in names() if name.startswith("open.")} - {"part"}
    assert drawn - set(folds.NAMES) == set(), "add these to NAMES of pages/shared/folds.py"
    assert set(folds.NAMES) - drawn == {"low", "medium", "high"}, "but for a plan's parts, these are drawn nowhere"
