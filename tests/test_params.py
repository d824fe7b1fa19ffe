"""Declared values: checked when made, written in one way, read back as the same thing."""

import dataclasses
import json
import pickle

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import unlearn_core.experiment  # noqa: F401 - with it all specs of the program are known
from unlearn_core.forget import FORGET_SETS, ForgetSet
from unlearn_core.params import (
    SPECS,
    BadField,
    BadValue,
    Spec,
    build,
    canonical,
    key,
    param,
    params,
    plain,
    renewed,
    spec,
)
from unlearn_core.rum import PARTS, Part, Plan, Rum
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, RandomLabel, Unlearner

OURS = {name: cls for name, cls in SPECS.items() if cls.__module__.startswith("unlearn_core.")}


@spec
class Knobs(Spec):
    """One field of each kind."""

    count: int = param(3, 0, 10, help="how many")
    rate: float = param(0.5, 1e-3, 2.0, log=True, help="how fast")
    on: bool = param(True, help="whether")
    word: str = param("a", choices=("a", "b"), help="which")
    inner: Training = param(Training(), help="a spec inside")
    several: tuple = param((), help="several")
    note: str = param("", help="any text")


@spec
class Below(Spec):
    """A field with one end only."""

    most: int = param(3, high=5, help="how many at most")


# -- checks ------------------------------------------------------------------------------------------------------------


def test_the_declaration_can_be_read_back():
    count, rate, on, word, inner, several, _ = params(Knobs)
    assert (count.name, count.kind, count.default, count.low, count.high, count.help) == (
        "count",
        int,
        3,
        0,
        10,
        "how many",
    )
    assert rate.log and not count.log
    assert word.choices == ("a", "b")
    assert (on.kind, inner.kind, several.kind) == (bool, Training, tuple)


@pytest.mark.parametrize(
    "good", [{"count": 0}, {"count": 10}, {"rate": 1e-3}, {"rate": 2}, {"rate": 2.0}, {"word": "b"}]
)
def test_ranges_include_their_ends(good):
    assert Knobs(**good)


@pytest.mark.parametrize(
    "bad",
    [
        {"count": -1},
        {"count": 11},
        {"count": 1.0},
        {"count": True},
        {"count": "3"},
        {"count": None},
        {"count": 10**400},
        {"count": -(10**400)},
        {"rate": 0.0},
        {"rate": 2.1},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"rate": False},
        {"rate": 10**400},
        {"on": 1},
        {"on": "true"},
        {"word": "c"},
        {"word": 1},
        {"word": ["a"]},
        {"note": "\ud800x"},
        {"note": "a\udfff"},
        {"several": (1, ("\ud800",))},
        {"inner": FineTune()},
        {"inner": None},
        {"several": [1]},
    ],
    ids=lambda bad: str(bad)[:30],
)
def test_a_value_that_does_not_fit_is_refused_by_name(bad):
    with pytest.raises(BadValue) as error:
        Knobs(**bad)
    message = str(error.value)
    assert (
        message.startswith(f"{next(iter(bad)).capitalize()} must be ") and message.endswith(".") and len(message) < 120
    )


def test_a_spec_cannot_be_changed_only_copied():
    knobs = Knobs()
    with pytest.raises(dataclasses.FrozenInstanceError):
        knobs.count = 4
    assert knobs.but(count=4) == Knobs(count=4)
    with pytest.raises(BadValue):
        knobs.but(count=99)


def test_two_specs_cannot_share_a_name():
    with pytest.raises(TypeError, match="Training"):
        spec(type("Training", (Spec,), {"__module__": "elsewhere"}))
    assert SPECS["Training"] is Training


# -- identity ----------------------------------------------------------------------------------------------------------


def test_the_way_a_spec_is_written_is_fixed():
    """Stored results are found by this text, so it may never change by accident."""
    text = canonical(FineTune(lr=1, epochs=2))
    assert text == (
        '{"batch":64,"bn":"train","epochs":2,"lr":1.0,"momentum":0.9,"spec":"FineTune","version":1,"weight_decay":0.0}'
    )
    assert key(FineTune(lr=1, epochs=2)) == "0cd85b08c53927a001edc9aec17494a0"


def test_the_key_does_not_depend_on_the_order_of_fields():
    data = plain(Plan())
    backwards = {name: dict(reversed(v.items())) if isinstance(v, dict) else v for name, v in reversed(data.items())}
    assert list(backwards) != list(data)
    assert build(backwards) == Plan() and key(build(backwards)) == key(Plan())


def test_one_and_one_point_nought_are_the_same_setting():
    assert key(Training(lr=1)) == key(Training(lr=1.0))
    assert json.dumps(plain(Training(lr=1))) == json.dumps(plain(Training(lr=1.0)))


def test_nought_has_no_sign():
    assert Training(weight_decay=-0.0) == Training(weight_decay=0.0)
    assert key(Training(weight_decay=-0.0)) == key(Training(weight_decay=0.0))


def test_specs_that_differ_only_in_kind_have_different_keys():
    shared = {"epochs": 5, "lr": 0.01}
    with_fine_tune, with_labels = (
        Rum(parts=(Part(name="all", rows="1-9", unlearner=cls(**shared)),)) for cls in (FineTune, RandomLabel)
    )
    assert key(with_fine_tune) != key(with_labels)
    assert key(Plan(high=FineTune())) != key(Plan(high=RandomLabel()))


def test_the_version_is_part_of_the_key():
    before = key(Knobs())
    Knobs.version = 2
    try:
        assert key(Knobs()) != before
    finally:
        Knobs.version = 1


def test_every_field_is_part_of_the_key():
    changed = [
        {"count": 4},
        {"rate": 0.6},
        {"on": False},
        {"word": "b"},
        {"inner": Training(seed=1)},
        {"several": (1,)},
        {"note": "Ω"},
    ]
    assert len({key(Knobs(**c)) for c in [{}, *changed]}) == len(changed) + 1


# -- there and back ----------------------------------------------------------------------------------------------------


def values(p):
    """Values that fit one declared field."""
    if p.choices:
        return st.sampled_from(p.choices)
    if p.kind is bool:
        return st.booleans()
    if p.kind is int:
        return st.integers(int(p.low or 0), int(p.high if p.high is not None else 10**6))
    if p.kind is float:
        return st.floats(p.low, p.high, allow_nan=False, allow_infinity=False)
    if p.kind is str:
        return st.text(max_size=8)
    if p.kind is tuple:
        return st.just(p.default) if p.default else st.just((1, "x", 2.5, None, FineTune()))
    if p.kind is Unlearner:
        return st.sampled_from(list(ALGORITHMS.values())).flatmap(instances)
    if p.kind is ForgetSet:
        return st.sampled_from(list(FORGET_SETS.values())).flatmap(instances)
    return instances(p.kind)


FIELDS = {
    (Rum, "parts"): st.deferred(lambda: st.lists(instances(Part), min_size=1, max_size=3).map(tuple)),
    (Plan, "order"): st.permutations(PARTS).map(tuple),
    (OURS["Study"], "unlearners"): st.just((FineTune(), RandomLabel(exclude_true=True))),
    (OURS["Study"], "plans"): st.just((Plan(), Plan(control="shuffle"))),
    (OURS["Subject"], "parts"): st.sampled_from([(), ("low:1-2", "high:3,7-9")]),
    (OURS["Landscape"], "unlearners"): st.just((FineTune(), RandomLabel(exclude_true=True))),
    (OURS["Landscape"], "sizes"): st.sampled_from([(20, 60, 120), (2,), (40, 30)]),
    (OURS["TryEverything"], "unlearners"): st.just((FineTune(), RandomLabel(exclude_true=True))),
    (OURS["TryEverything"], "plans"): st.just((Plan(), Plan(control="shuffle"))),
    (OURS["Attempt"], "parts"): st.just(("1-2", "3,7-9", "")),
    (OURS["Stream"], "requests"): st.just(("1-2", "3,7-9")),
    (OURS["PerExample"], "shadows"): st.integers(6, 30).map(lambda thirds: 3 * thirds),
    (OURS["Audit"], "shadows"): st.integers(6, 30).map(lambda thirds: 3 * thirds),
}


def instances(cls):
    def make(fields):
        try:
            return cls(**fields)
        except BadValue:  # fields that do not fit together, such as a low cut above the high one
            assume(False)

    return st.fixed_dictionaries({p.name: FIELDS.get((cls, p.name), values(p)) for p in params(cls)}).map(make)


@pytest.mark.parametrize("cls", OURS.values(), ids=OURS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(data=st.data())
def test_every_spec_survives_json(cls, data):
    made = data.draw(instances(cls))
    again = build(json.loads(json.dumps(plain(made), allow_nan=False)))
    assert again == made and type(again) is cls
    assert key(again) == key(made)


@pytest.mark.parametrize("cls", OURS.values(), ids=OURS)
def test_every_field_of_the_program_says_what_it_means(cls):
    for p in params(cls):
        assert p.help and not p.help.endswith("."), f"{cls.__name__}.{p.name}"
        assert cls.__doc__


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"spec": "Nothing"}, "'Nothing' is nothing this version knows"),
        ({"spec": None}, "not written by this program"),
        ({"spec": ["Knobs"]}, "nothing this version knows"),
        ({"spec": {"spec": "Knobs"}}, "nothing this version knows"),
        ({"version": 2}, "version 2 cannot be read"),
        ({"version": None}, "not a Knobs as this program writes it: its version is missing"),
        ({"extra": 1}, "no field 'extra'"),
        ({"count": 99}, "Knobs.count must be"),
        ({"inner": {"spec": "Nothing"}}, "'Nothing' is not"),
        ({"inner": {}}, "not written by this program"),
        ({"note": "\ud800"}, "Knobs.note must be text that can be written, not '.ud800'"),
        ({"inner": plain(FineTune())}, "Knobs.inner must be of the kind Training"),
    ],
)
def test_data_that_is_no_spec_is_refused(changes, says):
    with pytest.raises(BadValue, match=says):
        build(plain(Knobs()) | changes)
    with pytest.raises(BadValue):
        build(renewed(plain(Knobs()) | {"version": 0} | changes))


def test_a_missing_field_without_a_default_is_refused():
    with pytest.raises(BadValue, match="incomplete.*rows"):
        build({"spec": "Part", "version": 1, "name": "low"})


def test_only_plain_values_can_be_written():
    with pytest.raises(TypeError, match="object cannot be part of a spec"):
        plain(Knobs(several=(object(),)))


def test_an_error_of_a_field_passes_between_processes():
    error = pickle.loads(pickle.dumps(BadField("lr", "must be at most 1.")))  # noqa: S301 - our own bytes
    assert (error.field, error.fault, str(error)) == ("lr", "must be at most 1.", "Lr must be at most 1.")


def test_a_field_with_one_end_says_that_end():
    with pytest.raises(BadField, match=r"must be at most 5, not 6\."):
        Below(most=6)
