"""Names from data and values of the address are text on every page: no error, no markup, nothing that is called."""

import ast
import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.shared import downloads
from tests.pages.conftest import APP
from tests.views import views
from unlearn_core import jobs, report
from unlearn_core.data import Data, add
from unlearn_core.experiment import LayerCka, OpenStudy, Study, embedded_images, forget_sets, fulfil, shared_map
from unlearn_core.experiment.judged import ask
from unlearn_core.experiment.saved_plans import save
from unlearn_core.experiment.tiers import Audit, from_models
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.forget import Picked
from unlearn_core.params import key
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, RandomLabel

NAMES = (
    "<img src=x onerror=alert(1)>", "![i](http://evil.example/i.png)", "[x](http://evil.example)", ":material/home:",
    "$x^2$", "=cmd()|'/c calc'!A1", ":red[r]",
)  # fmt: skip
WHOLE = " ".join(NAMES)
ROOT = Path(APP).parent


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> tuple[Store, Study]:
    """A store in which everything that can have a name has one of NAMES, and its one study."""
    root = tmp_path_factory.mktemp("hostile")
    store, rng = Store(root / "store"), np.random.default_rng(0)

    def png(y: int) -> dict:
        out = io.BytesIO()
        Image.fromarray((rng.integers(0, 80, (8, 8)) + 40 * y).astype(np.uint8)).save(out, "PNG")
        return {"bytes": out.getvalue(), "path": None}

    rows = pa.array([png(i % 4) for i in range(160)], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    classes = (*NAMES[:3], NAMES[5])
    pq.write_table(pa.table({"image": rows, "label": [classes[i % 4] for i in range(160)]}), root / "images.parquet")
    mine = add(root / "images.parquet", "mine", store.root / "data", test_share=0.3)
    training = Training(data=Data(name="mine", fingerprint=mine.fingerprint), model="mlp", width=8, epochs=4, batch=16)
    study = Study(
        name=WHOLE,
        training=training,
        models=0,
        forget=Picked(named="0-11"),
        unlearners=(FineTune(epochs=1),),
        plans=(Plan(name=WHOLE, medium=FineTune(epochs=1), high=RandomLabel(epochs=1)),),
        seeds=2,
        tuning_seeds=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy()
        )  # seconds, and tested elsewhere
        for name in ("lines", "relearned"):
            patch.setattr(from_models, name, lambda *_: [])
        fulfil(store, study)
        opened = OpenStudy.open(store, key(study))
        plan = next(m for m in opened.table.loc[opened.table["kind"] == "plan", "method"])
        fulfil(store, LayerCka(study=study, images=20))
        fulfil(store, shared_map.asked(opened, plan, "pca"))
        fulfil(store, Audit(name=WHOLE, subject=subject_of_method(opened, plan), tier=1, seeds=2))
    weights = store.find(training).folder / "weights.safetensors"
    fulfil(store, ask(store, WHOLE[:60], training, "0-5", weights, 2))
    for i, name in enumerate(NAMES):
        forget_sets.give_name(opened, np.arange(i, i + 3), name)
        save(store, Plan(name=name))
    patch.setattr(jobs, "_start", lambda *_: None)
    for state in ("failed", "done"):
        job = jobs.submit(store, study.but(name=f"{WHOLE} {state}", seeds=3 if state == "done" else 4))
        said = {"state": state, "message": WHOLE, "detail": WHOLE, "ended": 2.0}
        (store.root / "jobs" / job / "outcome.json").write_text(json.dumps(said))
    patch.undo()
    return store, study


# -- what a browser would read as markup -------------------------------------------------------------------------------

# Texts that the browser shows letter by letter, by the kind of element and the field; all others are Markdown or HTML.
PLAIN = {
    "selectbox": {"options", "set_value", "raw_value"}, "multiselect": {"options", "raw_values"},
    "text_input": {"default", "value", "placeholder"}, "code": {"code_text"}, "arrow_data_frame": {"alt"},
    "plotly_chart": {"spec"},  # see `tags`
}  # fmt: skip
ALWAYS_PLAIN = {
    "id",
    "key",
    "form_id",
    "element_id",
    "user_key",
    "data",
    "columns",
    "query_param_key",
    "alt",
    "url_path",
}


def texts(message, of: str = "", field: str = ""):
    """(kind of element, field, text) of every text in what is sent to the browser."""
    for about, value in message.ListFields():
        many = value if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") else [value]
        for each in many:
            if isinstance(each, str):
                yield of, about.name, each
            elif hasattr(each, "ListFields"):
                yield from texts(each, of or about.name, about.name)


def sent(at: AppTest):
    """The texts of all elements and boxes of a page."""

    def walk(node):
        proto = getattr(node, "proto", None)
        if proto is not None and hasattr(proto, "ListFields"):
            yield from texts(proto, getattr(node, "type", "") or type(proto).__name__)
        for child in getattr(node, "children", {}).values():
            yield from walk(child)

    yield from walk(at._tree)


def markup(at: AppTest, names: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Where a name stands as it is in a text that is read as markup."""
    return [
        (of, field, text[:200])
        for of, field, text in sent(at)
        if field not in ALWAYS_PLAIN | PLAIN.get(of, set()) and any(name in text for name in names)
    ]


def tags(at: AppTest) -> list[str]:
    """Texts of charts that hold a tag of a name: what Plotly reads is no Markdown, but a little HTML."""
    found = []
    for chart in at.get("plotly_chart"):
        json.loads(chart.proto.spec, object_hook=lambda part: found.extend(map(str, part.values())))
    return [text for text in found if "<img" in text]


# -- what an address can say -------------------------------------------------------------------------------------------

VALUES = (
    "<img src=x onerror=alert(1)>", "![i](http://evil.example/i.png)", "../../../etc/passwd", "%2e%2e%2f", "\0", "",
    "\N{COLLISION SYMBOL}" * 500, "9" * 5000, "-1", "nan", "0-999999999999", "[]", "{}", "None", "0" * 32,
    "\u202e\n\t", ":red[r]" * 300, "eJwr" * 50, "=cmd()|'/c calc'!A1",
)  # fmt: skip


@cache
def parameters() -> list[str]:
    """Every name that a page reads from its address, by its source: asked for, bound to a widget, or a choice."""
    found = set()
    for file in (ROOT / "pages").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called, args = ast.unparse(node.func), node.args
                named = {word.arg: word.value for word in node.keywords}
                if called in (places := {"address.choice": 3, "address.several": 2, "address.page": 1}):
                    name = args[places[called]]
                    found.add(name.value if isinstance(name, ast.Constant) else "")
                elif called.endswith(("query_params.get", "query_params.pop")) and isinstance(args[0], ast.Constant):
                    found.add(args[0].value)
                elif {"bind", "key"} <= set(named):
                    found.add(ast.literal_eval(named["key"]) if isinstance(named["key"], ast.Constant) else "")
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "st.query_params":
                found.add(node.slice.value if isinstance(node.slice, ast.Constant) else "")
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ADDRESS":
                found.add(str(ast.literal_eval(node.value)))
    return sorted(found - {""})


def addressed(number: int) -> dict[str, str]:
    """A hostile value for every parameter, others for another number."""
    return {name: VALUES[(7 * i + number) % len(VALUES)] for i, name in enumerate(parameters())}


def test_the_parameters_are_those_that_pages_read():
    assert {"study", "forget", "set", "plan", "near", "compare", "evidence", "method", "map", "colour"} <= set(
        parameters()
    )
    assert len(parameters()) >= 30
    tried = [set(addressed(number)[name] for number in range(len(WAYS))) for name in parameters()]
    assert all(values == set(VALUES) for values in tried)


# -- every page --------------------------------------------------------------------------------------------------------

PAGES = sorted(file.stem for file in (ROOT / "pages").glob("*.py"))
WAYS = [(page, None) for page in PAGES]  # every value of the address is hostile
WAYS += [("start", {"own": "yes"}), ("explore", {"change": "Saved sets"}), ("report", {"audience": "technical"})]
WAYS += [("plan", {}), ("runs", {}), ("guess", {})]
WAYS += [("compare", {"compare": view}) for view in views("compare")]
WAYS += [("audit", {"evidence": view}) for view in views("audit")]


@pytest.mark.parametrize("number", range(len(WAYS)), ids=lambda i: f"{i}-{WAYS[i][0]}")
def test_names_and_addresses_are_text_on_every_page(number, hostile, open_page):
    page, chosen = WAYS[number]
    store, study = hostile
    address = addressed(number)
    if chosen is not None:  # so that the view is reached, and has something with a name on it
        plan = next(m for m in OpenStudy.open(store, key(study)).table["method"] if m.startswith("img"))
        address |= {"study": key(study), "method": plan, "of": plan, "forget": "1-5", "set": ""} | chosen
    at = open_page(page, store.root, **address)
    assert not any("could not be drawn" in e.value for e in at.error)
    assert not markup(at, NAMES) and not tags(at)  # the markup among VALUES is that of NAMES
    if chosen is not None and page != "guess":
        assert any(name in text.replace("\\", "") for _, _, text in sent(at) for name in NAMES)


@pytest.mark.parametrize("page", PAGES)
def test_addresses_are_text_where_there_is_no_study(page, store, open_page):
    """What was asked for and is not there is said with nothing beside it, so no name of a study hides it."""
    for number, study in enumerate(NAMES[:3]):
        at = open_page(page, store.root, **addressed(number) | {"study": study})
        assert not any("could not be drawn" in e.value for e in at.error)
        assert not markup(at, NAMES[:3]) and not tags(at)  # the pages' own icons are of the others


def test_a_name_that_is_markup_would_be_seen():
    def page():
        import plotly.graph_objects as go
        import streamlit as st

        from pages.shared.text import escape

        name = "<img src=x onerror=alert(1)>"
        st.markdown(escape(name))
        st.selectbox("Names", [name])
        if st.checkbox("fault"):
            st.button("x", help=f"about {name}")
            with st.expander(name):
                st.caption(name)
            st.plotly_chart(go.Figure(go.Bar(x=[name], y=[1])))

    at = AppTest.from_function(page).run()
    assert not markup(at, NAMES) and not tags(at)
    at.checkbox[0].check().run()
    assert len(markup(at, NAMES)) == 3 and len(tags(at)) == 1


# -- what is taken away ------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("audience", report.AUDIENCES)
def test_names_are_text_in_the_report(audience, hostile):
    store, study = hostile
    written = report.write(OpenStudy.open(store, key(study)), audience)
    tags = Tags(written).found
    assert "evil.example" in written or audience == "brief"
    assert not [a for tag, a in tags if tag == "img" and not a.get("src", "").startswith("data:")]
    assert not [a for _, a in tags if "evil" in str(a.get("href", "")) or any(name.startswith("on") for name in a)]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1+2", "@x", "\t=1", "\r=1", " =1", "\u00a0=1", "%x", "|x", "a\n=1", "\n=1", "\uff1d1", NAMES[5]],
)
def test_no_cell_of_a_file_for_spreadsheets_is_a_formula(cell):
    table = pd.DataFrame({cell: [cell, "RUM"], "kind": pd.Categorical([cell, "x"]), "value": [-1.5, 2.0]})
    text = downloads.csv(table).decode("utf-8-sig")
    assert not re.search(r"(?m)^[\"\s\u00a0]*[=+@%|\uff1d-]|,[\"\s\u00a0]*[=+@%|\uff1d]", text.replace("-1.5", "1.5"))
    again = pd.read_csv(io.StringIO(text, newline=""))
    assert again["value"].tolist() == [-1.5, 2.0]  # a number below zero stays a number
    assert again[again.columns[0]].tolist()[1] == "RUM"


def test_ordinary_cells_stay_as_they_are():
    table = pd.DataFrame({"title": ["RUM", "a-b", "50%", "x = 1", "", None], "n": range(6)})
    assert downloads.csv(table).decode("utf-8-sig") == table.to_csv(index=False)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "9" * 400, "1e999", "0x10", ""])
def test_numbers_of_the_address_that_are_none_count_for_nothing(open_page, filled_store, study, value):
    """Streamlit makes a number of what is bound to a widget, and stops where it cannot."""
    place = f"beside.{study.key[:8]}"
    wanted = {f"{place}.{name}": value for name in ("seeds", "tuning_seeds")}
    assert not open_page("plan", filled_store, **wanted).exception
    asked = {"evidence": "requests", "deal": "random", "method": "fine-tune"}
    at = open_page("audit", filled_store, **asked, **dict.fromkeys(("requests", "shuffle", "streams"), value))
    assert not at.exception and not at.error and at.number_input(key="streams").value == study.spec.seeds
    typed = {f"typed_{name}": value for name in ("likelihood_ratio", "confidence")}
    assert not open_page("audit", filled_store, evidence="one", **typed).exception
