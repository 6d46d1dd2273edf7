"""Start-up checks: rules that load, words the law's database knows, and no personal field without a register row."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from policy.deciding import outcomes, statement_prose, statements
from policy.law import rules
from policy.models import PackVersion
from policy.rights import personal_fields


@register()
def check_rules(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    try:
        rules.shipped()
    except rules.RuleError as error:
        yield Error(f"A rule cannot be loaded: {error}", id="policy.E001")


@register(Tags.database)
def check_published(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> Iterable[CheckMessage]:
    """After an upgrade: published versions that this release passes over. Asked by `migrate` and `check --database`."""
    if not databases or PackVersion._meta.db_table not in connection.introspection.table_names():
        return
    for fault in rules.faults():
        yield Warning(
            f"A published rule pack is not used: {fault}",
            hint="What was in force before it is in force. Publish a version that loads.",
            id="policy.W001",
        )


@register()
def check_words(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    """Everything we say in a statement of reasons is a word of the transparency database."""
    known = statements.enums()
    used = {
        "statement_categories": statements.CATEGORY_OF.values(),
        "keywords": statements.KEYWORD_OF.values(),
        "decision_grounds": statements.GROUND_OF.values(),
        "content_types": statements.CONTENT_OF.values(),
        "decision_visibilities": [each.visibility for each in outcomes.OUTCOMES.values() if each.visibility],
        "decision_accounts": [each.account for each in outcomes.OUTCOMES.values() if each.account],
        "source_types": statements.SOURCE_OF.values(),
    }
    for language in statement_prose.LANGUAGES:
        try:
            statement_prose.texts(language)
        except (OSError, ValueError) as error:
            yield Error(f"The texts of statements of reasons: {error}", id="policy.E004")
    for name, values in used.items():
        if unknown := set(values) - set(known[name]):
            yield Error(f"Not in the DSA transparency database's {name}: {sorted(unknown)}", id="policy.E002")


@register()
def check_register(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    if missing := personal_fields.unregistered():
        yield Error(
            f"Fields that could hold personal data and are in no register: {', '.join(missing)}",
            hint="Add each to PERSONAL or, with a reason, to NOT_PERSONAL in policy/rights/personal_fields.py.",
            id="policy.E003",
        )
