"""JSON bodies of the API: whatever cannot be read is the sender's mistake, never an error of ours."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError


class JSONParser(parsers.JSONParser):
    """DRF's, which lets nesting deeper than Python's stack through as a RecursionError, and half a character (a lone
    `\\ud800`), which no database and no log can keep, as text.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            found = super().parse(stream, media_type, parser_context)
            json.dumps(found, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except UnicodeEncodeError:
            raise ParseError("A text in the JSON has half a character in it (a lone surrogate).") from None
        return found
