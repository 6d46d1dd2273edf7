"""What drf-spectacular cannot see: every refusal of the API has one shape, RFC 9457 problem+json."""

from typing import Any

from core.http import PROBLEM_JSON

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `detail` and `next_step` are for people.",
    "properties": {
        "type": {"type": "string", "description": "A page of this office that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "next_step": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"description": "What is wrong with each field."},
    },
    "required": ["type", "title", "status", "code"],
}
CONTENT = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def document_problems(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Postprocessing hook: each documented 4xx gets the problem's shape, and the others share one `4XX`."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path in result["paths"].values():
        for operation in path.values():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    response["content"] = CONTENT
            operation["responses"]["4XX"] = {"description": "Refused; `code` says why.", "content": CONTENT}
    return result
