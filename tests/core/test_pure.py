import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import NotCanonical, canonical_json
from core.ids import uuid7
from core.problems import Conflict, Problem


def test_identifiers_are_version_7_and_ordered() -> None:
    made = [uuid7() for _ in range(100)]
    assert {one.version for one in made} == {7}
    assert made == sorted(made)


def test_canonical_json_sorts_and_strips() -> None:
    assert canonical_json({"b": [1, True, None], "a": "é"}) == '{"a":"é","b":[1,true,null]}'.encode()


@pytest.mark.parametrize("value", [1.5, {"a": [0.0]}, 2**60, "\ud800"])
def test_what_has_no_portable_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)  # type: ignore[arg-type]


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8), max_size=6))
def test_the_order_of_keys_never_matters(value: dict[str, int | str]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(backwards)


def test_a_problem_is_an_rfc_9457_object() -> None:
    problem = Problem("media.odd", "The file is odd", status=422, detail="Very.", next_step="Even.", extra={"x": 1})
    assert problem.as_dict("/api/v1/assets") == {
        "type": "/problems/media.odd",
        "title": "The file is odd",
        "status": 422,
        "code": "media.odd",
        "detail": "Very.",
        "next_step": "Even.",
        "instance": "/api/v1/assets",
        "x": 1,
    }


def test_a_conflict_is_409() -> None:
    assert Conflict("Already decided.").status == 409
