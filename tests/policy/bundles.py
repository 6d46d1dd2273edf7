"""Authorities and their bundles, asked for and built at once as a worker would."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from accounts.models import User
from core import jobs, storage
from core.clock import now
from core.models import Job
from policy.audits import exports, reconciliation_regulators, regulators
from policy.models import Export, Person

PURPOSE = "Yearly supervision of this office, file 12/2026"


def terms(**other: Any) -> regulators.Terms:
    """Of an authority of the United States; nothing of the European Union is theirs."""
    said: dict[str, Any] = {
        "authority": "Media Authority",
        "jurisdictions": ["US"],
        "legal_basis": "An act of congress, section 3",
        "scopes": ["cases"],
        "days": 90,
    }
    return regulators.Terms(**{**said, **other})


def taken(user: User, *, purpose: str, **query: Any) -> Export:
    """The built bundle of this query. Raises what asking for it raises; fails when it cannot be built."""
    export = exports.request_export(user, query=query, purpose=purpose)
    build(export)
    export.refresh_from_db()
    assert export.state == Export.State.BUILT, export.error_code
    return export


def known(file: Callable[..., Any]) -> Callable[..., Any]:
    """Files as `file` does; whoever filed has used the link that went to their address."""

    def filed(*given: Any, **other: Any) -> Any:
        notice, pin = file(*given, **other)
        Person.objects.filter(pk=notice.filer_id).update(contact_proved_at=now())
        return notice, pin

    return filed


def build(export: Export) -> None:
    for job in Job.objects.filter(name="policy.build_export", state=Job.State.QUEUED):
        jobs.run(str(job.pk))
    export.refresh_from_db()


def members(export: Export) -> zipfile.ZipFile:
    with storage.open_file(export.key) as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def text_of(export: Export) -> str:
    """Everything that stands in the bundle."""
    with members(export) as bundle:
        return "\n".join(bundle.read(name).decode(errors="replace") for name in bundle.namelist())


def opened(export: Export) -> list[dict[str, Any]]:
    """What is disclosed in it, line by line."""
    with members(export) as bundle:
        return [json.loads(line) for line in bundle.read("disclosures.jsonl").splitlines()]


def agree() -> None:
    """What the office has about authorities is what the log says."""
    assert not list(reconciliation_regulators.regulators())
