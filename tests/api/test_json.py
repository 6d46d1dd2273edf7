"""JSON bodies that no client sends by mistake."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "{", "[]", "null", '{"statement": NaN}'])
def test_json_that_cannot_be_read_is_the_senders_mistake(api: Callable, db: None, body: str) -> None:
    answer = api().post("/api/v1/notices", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", ['{"category": "\\ud800"}', '{"details": {"\\udfff": "x"}}', '{"statement": "a\\ud83d b"}']
)
def test_half_a_character_is_refused_before_anything_is_done(api: Callable, db: None, body: str) -> None:
    answer = api().post("/api/v1/notices", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "half a character" in answer.json()["detail"]
