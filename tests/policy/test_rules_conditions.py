"""Conditions: what may be said, what is refused before it is evaluated, and that two engines agree."""

import time
from typing import Any

import celpy
import pytest
from celpy import celtypes
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.law import rules
from policy.rulebook import conditions
from policy.rulebook.facts import FACTS, RuleError, complete

FACTS_NOW = complete({"category": "ncii", "jurisdictions": ["DK", "US"], "channel": "notice", "synthetic": True})


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("true", True),
        ("false", False),
        ("synthetic", True),
        ("!synthetic", False),
        ("!!synthetic", True),
        ('category == "ncii"', True),
        ("category == 'ncii'", True),
        ('"ncii" != category', False),
        ('"EU" in jurisdictions', True),
        ('category in ["ncii", "fraud"]', True),
        ("category in []", False),
        ('jurisdictions.exists(place, place == "US")', True),
        ('jurisdictions.all(place, place in ["EU", "US"])', False),
        ('jurisdictions.exists(p, p == "GB") || jurisdictions.all(p, p != "GB")', True),
        ('(category == "fraud" || synthetic) && !minor', True),
        ("synthetic == true && (minor != synthetic)", True),
        ('category == "a // b"', False),
    ],
)
def test_comparison_logic_and_one_comprehension_may_be_said(source: str, holds: bool) -> None:
    assert conditions.read(source).holds(FACTS_NOW) is holds


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('categry == "ncii"', "unknown facts"),
        ('category == "ncii" && category + "x" == "y"', "not use '\\+'"),
        ('category.matches("n.*")', "not use matches"),
        ('category.startsWith("n")', "not use startsWith"),
        ("size(jurisdictions)", "not use size"),
        ("jurisdictions.map(x, x)", "not use map"),
        ("jurisdictions.filter(x, true) == jurisdictions", "not use filter"),
        ("has(category)", "not use has"),
        ("1 < 2", "not use '1'"),
        ('{"a": true}', "not use '{'"),
        ("synthetic ? minor : news", "not use '\\?'"),
        ('jurisdictions[0] == "EU"', "not use '0'"),
        ("jurisdictions.exists(a, jurisdictions.exists(b, a == b))", "one comprehension may not stand inside another"),
        ('category.exists(a, a == "x")', "is no list"),
        ("jurisdictions.exists(category, true)", "no new name"),
        ("jurisdictions.exists(a, b)", "unknown facts"),
        ('channel == "notice" && category', "mixes types"),
        ("category == synthetic", "mixes types"),
        ("jurisdictions == jurisdictions", "mixes types"),
        ("category in channel", "mixes types"),
        ("!category", "mixes types"),
        ("category", "not true or false"),
        ('["a"]', "not true or false"),
        ("minor == news == satire", "one comparison at a time"),
        ("minor &&", "ends too early"),
        ("minor minor", "left over"),
        ("(minor", "missing before"),
        ("minor & news", "cannot be read at '&'"),
        ('r"a" == category', "cannot be read|unknown facts"),
        ('category == """a"""', "cannot be read"),
        ('category == "a\\"b"', "cannot be read"),
        ("true || " * 60 + "true", "at most 400"),
        ("", "at most 400"),
        ("(" * 13 + "true" + ")" * 13, "at most 12 levels"),
        ("!" * 200 + "true", "at most 12 levels"),
    ],
)
def test_everything_else_is_refused_in_words(source: str, says: str) -> None:
    with pytest.raises(RuleError, match=says):
        conditions.read(source)


def test_a_bomb_is_refused_before_it_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_holds", lambda *_: pytest.fail("evaluated"))
    bomb = "true"
    for name in "abcdefgh":
        bomb = f"[1,2,3,4,5,6,7,8,9].all({name}, {bomb})"
    started = time.process_time()
    for source in (bomb, bomb.replace("[1,2,3,4,5,6,7,8,9]", "jurisdictions")):
        with pytest.raises(RuleError):
            conditions.read(source)
    assert time.process_time() - started < 0.1


# --- A second engine -----------------------------------------------------------------------------------------------

ENVIRONMENT = celpy.Environment()


def other_engine(source: str, facts: dict[str, Any]) -> bool:
    told = {name: _as_cel(value) for name, value in facts.items()}
    return bool(ENVIRONMENT.program(ENVIRONMENT.compile(source)).evaluate(told))


def _as_cel(value: Any) -> Any:
    if isinstance(value, bool):
        return celtypes.BoolType(value)
    if isinstance(value, list):
        return celtypes.ListType([celtypes.StringType(one) for one in value])
    return celtypes.StringType(value)


def test_both_engines_agree_on_every_condition_over_all_golden_facts() -> None:
    sources = {
        text for pack in rules.shipped() for rule in pack.rules for text in (rule.when, rule.shadow_when) if text
    }
    programs = {source: ENVIRONMENT.program(ENVIRONMENT.compile(source)) for source in sorted(sources)}
    golden = [one.facts for pack in rules.shipped() for one in pack.golden]
    distinct = list({str(facts): facts for facts in golden}.values())
    for facts in distinct:
        told = {name: _as_cel(value) for name, value in facts.items()}
        for source, program in programs.items():
            assert conditions.read(source).holds(facts) == bool(program.evaluate(told)), (source, facts)


TEXTS = [name for name, value in FACTS.items() if value == ""][:3]
FLAGS = [name for name, value in FACTS.items() if value is False][:3]
LEAVES = st.one_of(
    st.sampled_from(FLAGS),
    st.builds('{} == "{}"'.format, st.sampled_from(TEXTS), st.sampled_from(["a", "b"])),
    st.builds('{} in ["{}"]'.format, st.sampled_from(TEXTS), st.sampled_from(["a", "b"])),
    st.builds('"{}" in jurisdictions'.format, st.sampled_from(["EU", "US"])),
    st.builds(
        'jurisdictions.{}(x, x != "{}")'.format, st.sampled_from(["exists", "all"]), st.sampled_from(["EU", "US"])
    ),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
    ),
    max_leaves=4,
)
SAID = st.fixed_dictionaries(
    {
        "jurisdictions": st.lists(st.sampled_from(["EU", "US"]), unique=True, max_size=2),
        **{name: st.sampled_from(["", "a", "b"]) for name in TEXTS},
        **{name: st.booleans() for name in FLAGS},
    }
)


@settings(max_examples=40, deadline=None)
@given(CONDITIONS, SAID)
def test_both_engines_agree_on_made_up_conditions_and_failing_parts_say_so(source: str, said: dict[str, Any]) -> None:
    condition, facts = conditions.read(source), complete(said)
    assert condition.holds(facts) == other_engine(source, facts)
    assert bool(condition.failing(facts)) != condition.holds(facts)
