"""A decision that is half written, while its reviewer does something else on the same page: each of those buttons
belongs to the composer's form, so that what is written goes along and comes back. Without JavaScript too; nothing is
kept.
"""

import uuid
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from web.forms_decision import DecisionForm

# Whether words are names is asked anew about the words as they are then.
_FIELDS: Final = [name for name in DecisionForm.base_fields if name != "no_names"]


def is_sent(data: QueryDict) -> bool:
    """Whether the composer came along."""
    return "explanation" in data


def fields(data: QueryDict) -> list[tuple[str, str]]:
    """(name, value) of what came along, to be sent on by another form."""
    return [(name, value) for name in _FIELDS for value in data.getlist(name)]


def initial(data: QueryDict) -> dict[str, Any]:
    """What the composer begins with: what was written, unjudged."""
    widgets = {name: DecisionForm.base_fields[name].widget for name in _FIELDS}
    return {name: widget.value_from_datadict(data, {}, name) for name, widget in widgets.items()}


def words(data: QueryDict) -> list[str]:
    """What was written in sentences."""
    said = (data.get(name, "").strip() for name in ("facts_text", "explanation"))
    return [text for text in said if text]


def back(request: HttpRequest, pk: uuid.UUID, fragment: str = "") -> HttpResponse:
    """To the page of the case: with the composer, if it came along. 307 lets a browser send it on to `review_draft`."""
    carried = is_sent(request.POST)
    address = reverse("review_draft" if carried else "review_case", args=[pk])
    return redirect(address + fragment, preserve_request=carried)


def about(data: QueryDict, mark: str) -> QueryDict:
    """The fields of one of several things on the page: what is called `name:mark` there, as `name`."""
    said = data.copy()
    for name in list(data):
        if name.endswith(f":{mark}"):
            said.setlist(name.removesuffix(f":{mark}"), data.getlist(name))
    return said
