"""JSON bodies that no client sends by mistake."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "{", "[]", "null", '{"statement": NaN}'])
def test_json_that_cannot_be_read_is_the_senders_mistake(api: Callable, db: None, body: str) -> None:
    answer = api().post("/api/v1/notices", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
