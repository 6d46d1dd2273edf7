"""PostgreSQL roles: the office may append and erase, the sequencer may give indices and sign; neither may change those.

Triggers refuse the same, but their owner can switch them off. Neither of these roles owns a table, so neither can.
Migrations are run by a third role, the owner, whose password no process of the office needs.
"""

from typing import Final

from django.conf import settings
from django.db import connection, transaction

# What each may do with the log's tables, beyond reading them. Locking a row needs UPDATE of some column of it.
OFFICE: Final = {
    "ledger_entry": ("INSERT",),
    "ledger_outbox": ("INSERT",),
    "ledger_sealedsection": ("INSERT", "DELETE"),
    "ledger_personkey": ("INSERT", "DELETE", "UPDATE (wrapped, version)"),
    "ledger_stamp": ("INSERT",),  # beat's hourly time stamp
    "ledger_alarm": ("INSERT", "DELETE"),  # and by _ALARMS not those that halt the log
}
SEQUENCER: Final = {
    "ledger_entry": ("INSERT",),  # record:changed
    "ledger_outbox": ("INSERT", "DELETE"),
    "ledger_change": ("DELETE",),
    "ledger_sequence": ("INSERT",),
    "ledger_tile": ("INSERT", "UPDATE (data)"),
    "ledger_checkpoint": ("INSERT",),
    "ledger_cosignature": ("INSERT",),
    "ledger_stamp": ("INSERT",),
    "ledger_logkey": ("INSERT", "UPDATE (until, retires_at)"),
    "ledger_alarm": ("INSERT", "DELETE"),
}
# Row security: the office's role may not end what halts the log, nor halt it, but for its nightly audit's verdict.
_ALARMS: Final = """\
ALTER TABLE ledger_alarm ENABLE ROW LEVEL SECURITY
DROP POLICY IF EXISTS everybody_reads ON ledger_alarm
DROP POLICY IF EXISTS office_raises ON ledger_alarm
DROP POLICY IF EXISTS office_clears ON ledger_alarm
DROP POLICY IF EXISTS sequencer_works ON ledger_alarm
CREATE POLICY everybody_reads ON ledger_alarm FOR SELECT USING (true)
CREATE POLICY office_raises ON ledger_alarm FOR INSERT TO {app} WITH CHECK (NOT halts OR kind = 'audit')
CREATE POLICY office_clears ON ledger_alarm FOR DELETE TO {app} USING (NOT halts)
CREATE POLICY sequencer_works ON ledger_alarm TO {sequencer} USING (true) WITH CHECK (true)"""


class BadRole(ValueError):
    """This role cannot be bound by grants, or does not exist; in words for the operator."""


def statements(app: str, sequencer: str) -> list[str]:
    """GRANT and REVOKE for both roles, to be run by the owner of the tables after each migration. PostgreSQL only."""
    schema = _quoted(_current_schema())
    made = [f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"]
    made += [f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC" for function in ("ledger_note", "ledger_note_all")]
    tables = connection.introspection.table_names()
    ours = sorted(table for table in tables if table.startswith("ledger_"))
    for role, grants in ((_quoted(app), OFFICE), (_quoted(sequencer), SEQUENCER)):
        made += _clean(role, schema)
        made += [f"GRANT {', '.join(('SELECT', *grants.get(table, ())))} ON {table} TO {role}" for table in ours]
    made += _ALARMS.format(app=_quoted(app), sequencer=_quoted(sequencer)).split("\n")
    business = sorted(set(tables) - {*ours, "django_migrations"})
    return made + [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {_quoted(app)}" for table in business]


def _clean(role: str, schema: str) -> list[str]:
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {role}",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON django_migrations TO {role}",
    ]


def apply(app: str, sequencer: str) -> None:
    """Run the statements, all or none. Raises BadRole."""
    refuse_unbound(app)
    refuse_unbound(sequencer)
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements(app, sequencer):
            cursor.execute(statement)


def refuse_unbound(role: str) -> None:
    """Raises BadRole for a role that grants do not bind: a superuser, an owner of tables, or a member of one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone()
        if found is None:
            raise BadRole(f"There is no role {role}. Make it first: CREATE ROLE {_quoted(role)} LOGIN PASSWORD '…'")
        cursor.execute(_SUPER, [role])
        if cursor.fetchone()[0]:
            raise BadRole(
                f"The role {role} is a superuser, whom no grant and no trigger binds, or a member of one. Use another."
            )
        if found[0]:
            raise BadRole(f"The role {role} has BYPASSRLS, whom no row rule binds: ALTER ROLE … NOBYPASSRLS.")
        cursor.execute(_OWNS, [role])
        if cursor.fetchone()[0]:
            raise BadRole(f"The role {role} owns tables, or is a member of who does, and could switch triggers off.")


_SUPER: Final = "SELECT count(*) FROM pg_roles WHERE rolsuper AND pg_has_role(%s, oid, 'MEMBER')"
_OWNS: Final = """SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = current_schema() AND relkind = 'r' AND pg_has_role(%s, relowner, 'MEMBER')"""


def become_sequencer() -> None:
    """This process works with the sequencer's own role from now on, in all its threads, if the office has set one."""
    if settings.SEQUENCER_DATABASE:
        connection.close()
        # Every thread's connection is made from this one dictionary.
        connection.settings_dict.update(settings.SEQUENCER_DATABASE)


def _current_schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
