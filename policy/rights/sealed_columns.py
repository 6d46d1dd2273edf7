"""Every sealed column: whose key seals it, under which context, and what is read out of it."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.db import models

from ledger import vault
from policy.rights import people


class Column(NamedTuple):
    """owner: the actor whose key seals the value of a row. context: with which it was sealed. needs: to be joined."""

    owner: Callable[[Any], str]
    context: str
    needs: tuple[str, ...] = ()


_APPELLANT = ("user", "person", "notice__filer")

COLUMNS: dict[str, Column] = {
    "policy.Person.sealed_contact": Column(lambda row: row.actor, people.CONTACT),
    "policy.Notice.sealed_text": Column(lambda row: row.filer.actor, "policy.notice.text", ("filer",)),
    "policy.Appeal.sealed_grounds": Column(lambda row: row.appellant, "policy.appeal.grounds", _APPELLANT),
    "policy.AppealMessage.sealed_text": Column(
        lambda row: row.appeal.appellant, "policy.appeal.message", tuple(f"appeal__{name}" for name in _APPELLANT)
    ),
    "policy.CounterNotice.sealed_fields": Column(lambda row: row.by.actor, "policy.counter_notice.fields", ("by",)),
    "policy.Attachment.sealed_name": Column(lambda row: row.owner, "policy.attachment.name"),
    "policy.DataRequest.sealed_text": Column(
        lambda row: (row.user or row.person).actor, "policy.data_request.text", ("user", "person")
    ),
}


def with_owner(rows: "models.QuerySet[Any]") -> Iterable[Any]:
    """The rows with whatever says whose key seals them, in the same query."""
    label = rows.model._meta.label
    needs = {name for key, column in COLUMNS.items() if key.rpartition(".")[0] == label for name in column.needs}
    return rows.select_related(*sorted(needs)) if needs else rows


def opened(row: models.Model, column: str, known: vault.Keys) -> Any:
    """What a sealed column says, without empty parts; "" when there is nothing or its key is gone."""
    how = COLUMNS[f"{row._meta.label}.{column}"]
    value: Any = people.unseal(how.owner(row), getattr(row, column), how.context, known)
    if isinstance(value, dict):
        value = {key: part for key, part in value.items() if part}
        return value if len(value) != 1 else next(iter(value.values()))
    return value or ""
