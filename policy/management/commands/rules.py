"""`manage.py rules`: read, test, compare and publish packs of rules at the command line.

A pack is a file or a folder, a name ("law": the version in force), or a name and version ("law@2").
Exit code 1 when something is wrong, with a sentence for each.
"""

import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.clock import now
from core.problems import NotFound, Problem
from policy.law import rule_impact, rule_packs, rules
from policy.models import PackVersion
from policy.rulebook import comparing, dates, facts, packs
from policy.rulebook.packs import Pack


class Command(BaseCommand):
    help = "Rule packs: lint, test, explain, diff, impact, export, propose, submit, approve, publish, retire."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for name, words in (("lint", "read packs and say what is wrong"), ("test", "run their golden tests")):
            verbs.add_parser(name, help=words).add_argument("packs", nargs="*", help="all in force by default")
        explain = verbs.add_parser("explain", help="which rules these facts match, until when, and why not the others")
        explain.add_argument("facts", nargs="*", metavar="name=value", help="category=ncii jurisdictions=US,IN …")
        explain.add_argument("--at", type=_moment, help="moment, as 2026-06-01T12:00Z; now by default")
        explain.add_argument("--event", action="append", dest="events", help="only rules that start with this event")
        explain.add_argument("--pack", help="a draft, in place of the pack in force of its name")
        diff = verbs.add_parser("diff", help="what the second says otherwise than the first")
        diff.add_argument("old")
        diff.add_argument("new")
        impact = verbs.add_parser("impact", help="which clocks of the last days would have been different")
        impact.add_argument("--pack", help="a pack; without it, what each bill would have changed")
        impact.add_argument("--days", type=int, default=rule_impact.DAYS)
        verbs.add_parser("export", help="print a pack's text").add_argument("pack")
        self._add_verbs(verbs)

    def _add_verbs(self, verbs: Any) -> None:
        propose = verbs.add_parser("propose", help="hand in a new version, as a draft")
        propose.add_argument("pack", help="file or folder")
        made = [propose]
        for name in ("submit", "approve", "publish", "retire"):
            verb = verbs.add_parser(name, help=f"{name} a version")
            verb.add_argument("pack", help="name@version")
            made.append(verb)
            if name == "publish":
                verb.add_argument("--from", dest="effective_from", type=_moment, help="moment; now by default")
        for verb in made:
            verb.add_argument("--by", required=True, help="e-mail address of who does it")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem
        except rules.RuleError as error:
            raise CommandError(str(error)) from error

    # --- Reading

    def _lint(self, options: dict[str, Any]) -> None:
        for pack in _packs(options):
            self.stdout.write(f"{pack.name} {pack.version}: {len(pack.rules)} rules, {len(pack.golden)} golden tests.")
            for rule_id in packs.unproven(pack):
                self.stdout.write(f"  {rule_id}: no golden test on its first day and on the day before")

    def _test(self, options: dict[str, Any]) -> None:
        wrong = [error for pack in _packs(options) for error in rule_packs.examine(pack.text)["errors"]]
        if wrong:
            raise CommandError("\n".join(wrong))
        self.stdout.write("Every golden test comes out.")

    def _explain(self, options: dict[str, Any]) -> None:
        at, events = options["at"] or now(), options["events"]
        book, whole = rules.pack(at), rules.complete(facts.read(options["facts"]))
        if options["pack"]:
            draft = _sound(_pack(options["pack"]))
            book = packs.bind([draft, *(one for one in book.packs if one.name != draft.name)])
        matched = book.due(whole, at, events)
        self.stdout.write(f"At {dates.moment(at)}: {len(matched)} rules match.")
        for clock in matched:
            self.stdout.write(f"\n{clock.rule_id}  [{clock.status}]  {_due(clock.due_at)}")
            self.stdout.write("".join(f"  {sentence}\n" for sentence in clock.trace), ending="")
        self.stdout.write("\nWhy the others did not match:")
        names = {clock.rule_id for clock in matched}
        for rule in book.rules:
            if rule.id not in names:
                reasons = comparing.why_not(rule, whole, at.astimezone(dt.UTC).date(), events)
                self.stdout.write(f"{rule.id}  [{rule.status}]  {' '.join(reasons)}")

    def _diff(self, options: dict[str, Any]) -> None:
        changes = comparing.diff(_pack(options["old"]), _pack(options["new"]))
        for one in changes:
            self.stdout.write(f"{one.rule_id}: {one.what}")
            if one.what not in ("gone", "holidays"):
                self.stdout.write(f"  - {one.before}\n  + {one.after}")
        self.stdout.write(f"{len(changes)} differences." if changes else "No rule differs.")

    def _impact(self, options: dict[str, Any]) -> None:
        days = options["days"]
        if not 1 <= days <= 3650:
            raise CommandError("--days is between 1 and 3650.")
        if options["pack"] is None:
            return self._shadows(days)
        report = rule_impact.impact(_sound(_pack(options["pack"])), days=days)
        self.stdout.write(f"Since {report.since:%Y-%m-%d}: {report.clocks} clocks of this pack were looked at.")
        self.stdout.write(", ".join(f"{count} {how}" for how, count in report.counts.items()) + ".")
        self.stdout.write(f"{report.missed} would have been missed; {report.missed_before} were.")
        if report.unknown:
            self.stdout.write(f"{report.unknown} older clocks keep no facts and are left out.")
        for one in report.shown:
            late = "  MISSED" if one.missed else ""
            where = f"case {one.case_id[-6:]}" if one.case_id else one.purpose
            self.stdout.write(f"{one.how:8} {one.rule_id}  {where}  {_due(one.was)} → {_due(one.would)}{late}")
        return None

    def _shadows(self, days: int) -> None:
        self.stdout.write(f"If these bills had been law in the last {days} days:")
        for one in rule_impact.shadows(days=days):
            counts = f"{one.notices} notices, {one.shorter} with a shorter deadline, {one.missed} missed"
            self.stdout.write(f"{one.rule.id}  [{one.rule.status}]  {counts}")

    def _export(self, options: dict[str, Any]) -> None:
        self.stdout.write(_pack(options["pack"]).text, ending="")

    # --- Changing

    def _propose(self, options: dict[str, Any]) -> None:
        row = rule_packs.propose(account(options["by"]), _text(Path(options["pack"])))
        self.stdout.write(f"{row.name}@{row.version}: a draft, digest {row.digest}.")

    def _submit(self, options: dict[str, Any]) -> None:
        rule_packs.submit(row := _row(options["pack"]), account(options["by"]))
        self.stdout.write(f"{row}: {row.get_state_display()}.")

    def _approve(self, options: dict[str, Any]) -> None:
        rule_packs.approve(row := _row(options["pack"]), account(options["by"]))
        missing = rule_packs.lacks(row)
        self.stdout.write(f"{row}: still needs {missing}." if missing else f"{row}: approved, to be published.")

    def _publish(self, options: dict[str, Any]) -> None:
        row = _row(options["pack"])
        rule_packs.publish(row, account(options["by"]), effective_from=options["effective_from"])
        self.stdout.write(
            f"{row}: signed; clocks that start from {row.effective_from:%Y-%m-%d %H:%M} UTC on follow it."
        )

    def _retire(self, options: dict[str, Any]) -> None:
        rule_packs.retire(row := _row(options["pack"]), account(options["by"]))
        self.stdout.write(f"{row}: retired.")


def _packs(options: dict[str, Any]) -> list[Pack]:
    return [_pack(name) for name in options["packs"]] or list(rules.pack().packs)


def _pack(name: str) -> Pack:
    """A file, a folder, a name, or name@version. Raises RuleError, NotFound."""
    path = Path(name)
    if path.exists():
        return packs.parse(_text(path))
    if "@" in name:
        return packs.parse(_row(name).content)
    for pack in rules.pack().packs:
        if pack.name == name:
            return pack
    raise rules.RuleError(f"{name}: no such file, and no such pack in force")


def _text(path: Path) -> str:
    try:
        return packs.read_folder(path) if path.is_dir() else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise rules.RuleError(f"{path}: cannot be read: {error}") from error


def _sound(pack: Pack) -> Pack:
    """A draft is evaluated here only after it came out of the guarded child whole."""
    if errors := rule_packs.examine(pack.text)["errors"]:
        raise rules.RuleError("\n".join(errors))
    return pack


def _row(name: str) -> PackVersion:
    title, _, version = name.partition("@")
    row = PackVersion.objects.filter(name=title, version=version).first()
    if row is None:
        raise NotFound("rule pack")
    return row


def _moment(text: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _due(at: dt.datetime | None) -> str:
    return dates.moment(at) if at else "no number"


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "\n".join(text for texts in errors.values() for text in texts)
    return problem.detail or problem.title
