"""Who comes in, who may do what, and that the pages ask at the moment they act."""

import runpy
import socket
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.testing.v1 import AppTest

from pages.shared import access, chosen_set
from pages.shared.text import escape
from tests.pages.conftest import APP
from unlearn_core import jobs
from unlearn_core.experiment import example, forget_sets
from unlearn_core.experiment.saved_plans import save, saved
from unlearn_core.params import key
from unlearn_core.rum import Plan
from unlearn_core.store import Store

PAGES = sorted(file.stem for file in (Path(APP).parent / "pages").glob("*.py"))
ANY = "0.0.0.0"  # noqa: S104
IN = {"is_logged_in": True}
LOGIN = {"auth": dict.fromkeys(access.LOGIN, "x")}
LISTS = {"admin": ["ada@lab.example"], "runner": ["Rob@Lab.Example"], "viewer": "everyone"}


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    """Neither a proxy nor a role of whoever runs the tests; what a test says of the server is taken back."""
    for name in ("UNLEARN_BEHIND_PROXY", "UNLEARN_ROLE"):
        monkeypatch.delenv(name, raising=False)
    before = config.get_option("server.address")
    yield
    config.set_option("server.address", before)


@pytest.fixture
def says(monkeypatch):
    """says(secrets, **claims): what the secrets hold, and what the login says of whoever asks; without a page."""

    def told(secrets, **claims):
        monkeypatch.setattr(access, "_secrets", lambda: secrets)
        monkeypatch.setattr(st, "user", claims)

    return told


def leaves(at) -> list:
    """All that is drawn, boxes left out."""
    return [e for block in (at.main, at.sidebar) for e in block if not hasattr(e, "children") and e.type != "html"]


# -- coming in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_where_others_can_reach_it_every_page_is_one_sentence(page, open_page, filled_store, monkeypatch):
    """The first page that a fresh server is asked for, too: it runs alone, and hands over."""
    handed, run_path = [], runpy.run_path
    monkeypatch.setattr(runpy, "run_path", lambda path, **how: (handed.append(path), run_path(path, **how))[1])
    config.set_option("server.address", ANY)
    at = open_page(page, filled_store, study="x")
    assert [(e.type, e.value) for e in leaves(at)] == [("markdown", escape(access.EXPOSED))]
    assert handed == ([] if page == "start" else [APP])


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.0.0.53", True), ("::1", True), ("localhost", True), ("", False), (ANY, False)]
    + [(a, False) for a in ("::", "0", "192.168.0.7", "lab.example", "unix:///run/u.sock", "127.0.0.1.evil.example")],
)
def test_which_addresses_are_of_this_machine_only(address, here, says):
    says({})
    config.set_option("server.address", address or None)
    assert access._is_loopback(address) == here
    assert (access.barred() == "") == here and access.role() == ("admin" if here else "")


def test_what_counts_is_where_the_server_listens_and_not_what_the_setting_says_by_now():
    with socket.create_server((ANY, 0)) as server:
        port = server.getsockname()[1]
        assert access._listens(port, "127.0.0.1") == {ANY}
    assert access._listens(1, "127.0.0.1") == {"127.0.0.1"}  # nothing listens there: the setting is all there is


def test_what_came_through_a_proxy_is_not_of_this_machine(says, monkeypatch):
    says({})
    assert access.role() == "admin"
    monkeypatch.setattr(type(st.context), "headers", property(lambda self: {"X-Forwarded-For": "10.0.0.9"}))
    assert access.barred() == access.EXPOSED
    monkeypatch.setenv("UNLEARN_BEHIND_PROXY", "yes")
    assert access.role() == "runner"


@pytest.mark.parametrize("word", ["", "no", "true", "1", "YES"])
def test_only_one_word_says_that_a_proxy_stands_guard(word, says, monkeypatch):
    says({})
    config.set_option("server.address", ANY)
    monkeypatch.setenv("UNLEARN_BEHIND_PROXY", word)
    assert access.barred() == access.EXPOSED


def test_a_role_for_everybody_without_a_login(says, monkeypatch):
    says({})
    for name in access.ROLES:
        monkeypatch.setenv("UNLEARN_ROLE", name)
        assert (access.role(), access.barred()) == (name, "")
    monkeypatch.setenv("UNLEARN_ROLE", "root")
    assert access.role() == "" and "one of viewer, runner, admin" in access.barred()
    monkeypatch.setenv("UNLEARN_ROLE", "admin")
    config.set_option("server.address", ANY)
    assert access.barred() == access.EXPOSED  # a role is no guard


def test_secrets_that_cannot_be_read_let_nobody_in(monkeypatch, tmp_path):
    class Unreadable:
        error: type[Exception] = StreamlitSecretNotFoundError

        def to_dict(self):
            raise self.error("no")

    monkeypatch.setattr(st, "secrets", Unreadable())
    files = [str(tmp_path / "secrets.toml")]
    monkeypatch.setattr(st, "get_option", lambda name: files if name == "secrets.files" else config.get_option(name))
    assert access.role() == "admin"  # there are none
    (tmp_path / "secrets.toml").write_text("[auth")
    assert (access.role(), access.barred()) == ("", access.UNREADABLE)
    monkeypatch.setattr(Unreadable, "error", PermissionError)
    assert access.barred() == access.UNREADABLE


# -- with a login ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "lists", "expected"),
    [
        ({}, LISTS, access.STRANGER),
        ({"is_logged_in": False, "email": "ada@lab.example"}, LISTS, access.STRANGER),
        (IN | {"email": "ada@lab.example"}, LISTS, "admin"),
        (IN | {"email": " ADA@lab.example "}, LISTS, "admin"),
        (IN | {"email": "rob@lab.example", "email_verified": True}, LISTS, "runner"),
        (IN | {"email": "anyone@else.example"}, LISTS, "viewer"),
        (IN | {"email": "anyone@else.example"}, {"viewer": ["rob@lab.example"]}, access.UNKNOWN),
        (IN | {"email": "ada@lab.example", "email_verified": False}, LISTS, access.UNVERIFIED),
        (IN | {"email": "ada@lab.example", "email_verified": "false"}, LISTS, access.UNVERIFIED),
        (IN | {"email": None}, LISTS, access.UNKNOWN),
        (IN, {"admin": [""]}, access.UNKNOWN),
        (IN | {"email": "\u212aay@lab.example"}, {"admin": ["kay@lab.example"]}, access.UNKNOWN),  # the Kelvin sign
        (IN | {"email": "ada@lab.example"}, None, access.NO_ROLES),
        (IN | {"email": "ada@lab.example"}, {}, access.NO_ROLES),
        (IN | {"email": "ada@lab.example"}, {"admin": "ada@lab.example"}, access.BAD_ROLES),
        (IN | {"email": "ada@lab.example"}, {"admin": "everyone"}, access.BAD_ROLES),
        (IN | {"email": "ada@lab.example"}, {"admins": ["ada@lab.example"]}, access.BAD_ROLES),
        (IN | {"email": "ada@lab.example"}, {"admin": ["ada@lab.example", 7]}, access.BAD_ROLES),
        (IN | {"email": "ada@lab.example"}, ["ada@lab.example"], access.BAD_ROLES),
    ],
)
def test_the_lists_decide(claims, lists, expected, says, monkeypatch):
    config.set_option("server.address", ANY)
    monkeypatch.setenv("UNLEARN_ROLE", "admin")  # counts for nothing where there is a login
    says(LOGIN | ({} if lists is None else {"roles": lists}), **claims)
    role = expected if expected in access.ROLES else ""
    assert (access.role(), access.barred()) == (role, "" if role else expected)


@pytest.mark.parametrize("name", access.LOGIN)
def test_half_a_login_lets_nobody_in(name, says):
    says({"auth": {each: "x" for each in access.LOGIN if each != name}}, is_logged_in=True, email="ada@lab.example")
    assert access.role() == "" and name in access.barred()
    says({"auth": "yes"})
    assert "redirect_uri" in access.barred()


def test_a_login_without_its_libraries_lets_nobody_in(says, monkeypatch):
    monkeypatch.setattr(access, "NEEDED", ("authlib", "no_such_library"))
    says(LOGIN | {"roles": LISTS}, **IN, email="ada@lab.example")
    assert (access.role(), access.barred()) == ("", access.NOT_INSTALLED)


def test_whoever_is_not_logged_in_sees_a_button_and_a_sentence(monkeypatch, filled_store):
    monkeypatch.setenv("UNLEARN_STORE", str(filled_store))
    at = AppTest.from_file(APP, default_timeout=60)
    at.secrets = LOGIN | {"roles": LISTS}
    monkeypatch.setattr(st, "user", {"is_logged_in": False})
    at.switch_page("pages/explore.py")
    at.run()
    assert [getattr(e, "label", None) or e.value for e in leaves(at)] == [access.STRANGER, "Log in"]
    monkeypatch.setattr(st, "user", IN | {"email": "mallory@lab.example", "email_verified": False})
    at.run()
    assert [getattr(e, "label", None) or e.value for e in leaves(at)] == [escape(access.UNVERIFIED), "Log out"]
    monkeypatch.setattr(st, "user", IN | {"email": "_x_@lab.example"})
    at.run()
    assert not at.exception and at.title[0].value == "Explore"
    assert f"Logged in as {escape('_x_@lab.example')}, viewer." in [c.value for c in at.sidebar.caption]


# -- doing something ---------------------------------------------------------------------------------------------------


def test_each_role_holds_those_before_it(says, monkeypatch):
    says({})
    for i, mine in enumerate(access.ROLES):
        monkeypatch.setenv("UNLEARN_ROLE", mine)
        assert [access.may(wanted) for wanted in access.ROLES] == [j <= i for j in range(3)]
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    with pytest.raises(access.NotAllowed, match="You are here as a viewer, and to start work"):
        access.need("runner")
    config.set_option("server.address", ANY)
    assert not access.may("viewer")
    with pytest.raises(access.NotAllowed, match="nothing stands guard"):
        access.need("viewer")


def test_a_job_is_started_in_the_name_of_whoever_is_logged_in(says, monkeypatch):
    asked = []
    monkeypatch.setattr(jobs, "submit", lambda store, spec, expected=None, by="local": asked.append(by))
    monkeypatch.setitem(jobs.Job.__dataclass_fields__, "by", None)
    says({})
    access.submit(None, example())
    says(LOGIN | {"roles": LISTS}, is_logged_in=True, email="Rob@lab.example")
    access.submit(None, example())
    assert asked == ["local", "Rob@lab.example"]
    monkeypatch.setenv("UNLEARN_ROLE", "admin")
    for act in (lambda: access.submit(None, example()), lambda: access.resume(None, "0" * 32)):
        says(LOGIN | {"roles": LISTS}, is_logged_in=True, email="eve@lab.example")
        with pytest.raises(access.NotAllowed, match="takes a runner"):
            act()
    assert len(asked) == 2


ACTS = ("Open a recorded run", "Run the example", "Open this file", "Cancel", "Resume", "Remove")


def held(root) -> set:
    """Every file of a store but its locks, with its time."""
    return {(p, p.stat().st_mtime_ns) for p in Path(root).rglob("*") if p.is_file() and p.parent.name != "locks"}


@pytest.mark.parametrize(("page", "label"), [("start", "Run the example"), ("runs", "Remove"), ("runs", "Resume")])
def test_a_click_that_comes_all_the_same_changes_nothing(page, label, open_page, store, monkeypatch):
    """The button was drawn for an admin; by the time it is pressed they are a viewer."""
    monkeypatch.setattr(jobs, "_start", lambda *_: None)
    other = example().but(name="Other", seeds=2)
    jobs.submit(store, other)
    (store.root / "jobs" / key(other) / "outcome.json").write_text(
        '{"state": "cancelled", "message": "Cancelled.", "detail": "", "ended": 2.0}'
    )
    at = open_page(page, store.root)
    before = held(store.root)
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception and held(store.root) == before
    button = next(b for b in at.button if b.label == label)
    assert button.disabled and "You are here as a viewer" in button.help


def test_a_viewer_sees_every_act_off_and_a_runner_those_that_destroy(open_page, store, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda *_: None)
    jobs.submit(store, example().but(name="Other", seeds=2))
    for role, off in (("viewer", set(ACTS)), ("runner", {"Remove"})):
        monkeypatch.setenv("UNLEARN_ROLE", role)
        drawn = [b for page in ("start", "runs") for b in open_page(page, store.root).button if b.label in ACTS]
        assert len({b.label for b in drawn}) == 5
        assert {b.label for b in drawn if b.label in off} == {b.label for b in drawn if b.disabled}


def test_a_runner_saves_plans_and_replaces_and_removes_none(says, store, monkeypatch):
    from pages.shared import plan_saved, state

    says({})
    monkeypatch.setattr(state, "store", lambda: store)
    monkeypatch.setenv("UNLEARN_ROLE", "runner")
    assert "is saved" in plan_saved._kept(Plan(name="Mine"), "runner")
    for act in (lambda: plan_saved._removed("Mine"), lambda: plan_saved._kept(Plan(name="Mine"), "admin")):
        with pytest.raises(access.NotAllowed, match="to remove or replace what is kept takes an admin"):
            act()
    assert [plan.name for plan in saved(store)] == ["Mine"] and not save(store, Plan(name="Mine"))


def test_a_viewer_explores_with_long_sets_and_keeps_none(study, says, monkeypatch):
    """The set lives in the visit; a link carries it where somebody who may has kept it."""
    kept, odd = [], list(range(1, len(study.labels), 2))
    says({})
    monkeypatch.setattr(forget_sets, "keep", lambda study, rows: kept.append(len(rows)) or "0" * 32)
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(chosen_set, "ADDRESS", 20)
    chosen_set.change(study, odd)
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    assert chosen_set.rows(study).tolist() == odd and st.query_params == {} and not kept
    monkeypatch.setattr(Store, "kind_of", lambda self, name: "KeptSet")
    st.session_state.pop(f"kept.{study.key}")
    chosen_set.rows(study)
    assert st.query_params == {"set": forget_sets.key_of(study, chosen_set.rows(study))} and not kept
    monkeypatch.setenv("UNLEARN_ROLE", "runner")
    st.session_state.pop(f"kept.{study.key}")
    chosen_set.rows(study)
    assert kept == [len(odd)]


def test_runs_says_who_started_a_job_where_people_log_in(store, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda *_: None)
    job = jobs.submit(store, example(), by="_x_@lab.example")
    assert jobs.find(store, job).by == "_x_@lab.example"
    jobs.resume(store, job)
    assert jobs.find(store, job).by == "_x_@lab.example"  # who goes on with it did not start it
    monkeypatch.setenv("UNLEARN_STORE", str(store.root))
    monkeypatch.setattr(st, "user", IN | {"email": "ada@lab.example"})
    for secrets, shown in (({}, False), (LOGIN | {"roles": LISTS}, True)):
        at = AppTest.from_file(APP, default_timeout=60)
        at.secrets = secrets
        at.switch_page("pages/runs.py")
        at.run()
        assert not at.exception
        assert any(f"by {escape('_x_@lab.example')}" in m.value for m in at.markdown) == shown
