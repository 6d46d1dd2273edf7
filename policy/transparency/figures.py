"""Figures of the log: a small query language over entries, kept as data so that a figure can be counted again. Pure.

A query is JSON, and is asked of the entries of a range of indices [first, size):

| member | value |
|---|---|
| `of` | types of entries; required |
| `where` | list of [path, op, value], all of which hold; op: `is`, `is not`, `in`, `has`, `lacks` (of lists) |
| `since`, `until` | days, both included, of the entry's `ts` |
| `links` | {name: {`of`, `where`, `key`, `with`, `which`}}: an earlier entry whose `key` is this one's `with` |
| `latest` | path: of the entries up to `until` only the newest for each value counts, whatever day it is of |
| `distinct` | path: each value counts once, with its first entry |
| `by` | path: a table instead of a number; an entry whose value is a list counts once for each member |
| `seconds_from` | name of a link: {"median", "count"} of the whole seconds from that entry to this one |
| `list` | paths: a list of rows instead of a number |

A path is `type`, `role`, `object`, `day`, `month`, `facts.<name>`, `about.<name>` (of the section of that name, which
is sealed under the case), or `<link>.<path>`; the name of a link alone is whether there is one. `which` is `first` or
`last`; a link is looked for below the entry's own index, from 0 on, and on any day.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from core.canonical import Json

Query = Mapping[str, Any]
Value = Any  # int, {label: int}, or a list of rows

UNREADABLE: Final = "unreadable"
NONE: Final = "none"
_SHAPES: Final = frozenset({"by", "seconds_from", "list"})
_MEMBERS: Final = frozenset({"of", "where", "since", "until", "links", "latest", "distinct"}) | _SHAPES
_LINK: Final = frozenset({"of", "where", "key", "with", "which"})
_ALONE: Final = ("type", "role", "object", "day", "month")
_SECTIONS: Final = ("facts", "about")


class BadQuery(ValueError):
    """The query says something that this language does not know."""


class _Sealed:
    """The value of a section that cannot be opened."""


_SEALED: Final = _Sealed()


@dataclass(frozen=True, slots=True)
class Said:
    """What an entry says. about: the opened section; of an entry from before there was one, its facts; None where it
    cannot be opened any more.
    """

    index: int
    type: str
    ts: str
    role: str
    object: str
    facts: Mapping[str, Any]
    about: Mapping[str, Any] | None


class Question(NamedTuple):
    query: Query
    first: int
    size: int


class Answer(NamedTuple):
    """unreadable: how many entries it would have had to read, and could not."""

    value: Value
    unreadable: int


def count(questions: Mapping[str, Question], entries: Iterable[Said]) -> dict[str, Answer]:
    """The answer to each question, in one pass. entries: ascending by index, at least those of `needed`.

    Raises BadQuery.
    """
    asked = {name: _Asked(question) for name, question in questions.items()}
    for said in entries:
        for one in asked.values():
            one.hear(said)
    return {name: one.answer() for name, one in asked.items()}


def needed(queries: Iterable[Query]) -> frozenset[str]:
    """The types of all entries that these queries look at."""
    return frozenset(
        kind for query in queries for part in (query, *query.get("links", {}).values()) for kind in part["of"]
    )


def looks_back(query: Query) -> bool:
    """Whether the answer depends on entries of before its first day."""
    return bool(query.get("links") or query.get("latest"))


def is_public(query: Query) -> bool:
    """Whether everybody can count it in the public log: nothing that it asks for is sealed."""
    links = query.get("links", {}).values()
    clauses = [clause[0] for part in (query, *links) for clause in part.get("where", ())]
    paths = [*_named(query), *clauses, *(link["key"] for link in links)]
    return not any("about" in path.split(".") for path in paths)


def label(value: object) -> str:
    """How a value is called in a table."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return UNREADABLE if isinstance(value, _Sealed) else str(value)


# --- Reading a query -------------------------------------------------------------------------------------------------


def check(query: Query) -> None:
    """Raises BadQuery, so that a word that is spelled wrong is no silent zero."""
    _refuse(set(query) - _MEMBERS, "members")
    _refuse({"of"} - set(query), "nothing is said of")
    names = tuple(query.get("links", {}))
    for link in query.get("links", {}).values():
        _refuse(set(link) - _LINK, "members of a link")
        _refuse({"of", "key", "with"} - set(link), "nothing is said of")
        _paths([link["key"], *(clause[0] for clause in link.get("where", ()))], ())
    _paths(_named(query), names)
    clauses = [clause for part in (query, *query.get("links", {}).values()) for clause in part.get("where", ())]
    _refuse({clause[1] for clause in clauses} - set(_OPERATIONS), "comparisons")
    _refuse({query["seconds_from"]} - set(names) if "seconds_from" in query else set(), "links")
    if len(_SHAPES & set(query)) > 1:
        raise BadQuery("a figure is a table, a median or a list")


def _named(query: Query) -> list[str]:
    own = [query[name] for name in ("latest", "distinct", "by") if name in query]
    given = [link["with"] for link in query.get("links", {}).values()]
    return [*own, *given, *query.get("list", ()), *(clause[0] for clause in query.get("where", ()))]


def _paths(paths: Iterable[str], links: tuple[str, ...]) -> None:
    for path in paths:
        head, _, rest = path.partition(".")
        if head in links and rest:
            _paths([rest], ())
        elif not (path in _ALONE or path in links or (head in _SECTIONS and rest)):
            raise BadQuery(f"no such path: {path}")


def _refuse(wrong: set[str], what: str) -> None:
    if wrong:
        raise BadQuery(f"unknown {what}: {', '.join(sorted(wrong))}")


# --- Counting --------------------------------------------------------------------------------------------------------

_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "is": lambda value, asked: bool(value == asked),
    "is not": lambda value, asked: bool(value != asked),
    "in": lambda value, asked: value in asked,
    "has": lambda value, asked: asked in (value or ()),
    "lacks": lambda value, asked: asked not in (value or ()),
}
_Links = Mapping[str, Said | None]


def _value(said: Said, path: str, linked: _Links) -> Any:
    head, _, rest = path.partition(".")
    if head in linked:
        other = linked[head]
        if not rest:
            return other is not None
        return None if other is None else _value(other, rest, {})
    if head == "facts":
        return said.facts.get(rest)
    if head == "about":
        return _SEALED if said.about is None else said.about.get(rest)
    return said.ts[: {"day": 10, "month": 7}[head]] if head in ("day", "month") else getattr(said, head)


def _holds(said: Said, where: Iterable[list[Any]], linked: _Links) -> bool | _Sealed:
    """A clause that fails decides, whatever cannot be read."""
    sealed = False
    for path, operation, asked in where:
        value = _value(said, path, linked)
        if isinstance(value, _Sealed):
            sealed = True
        elif not _OPERATIONS[operation](value, asked):
            return False
    return _SEALED if sealed else True


@dataclass
class _Asked:
    """A question, and what was heard so far."""

    question: Question
    found: dict[str, dict[str, Said]] = field(default_factory=dict)
    newest: dict[str, tuple[Said, _Links]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=list)
    rows: list[list[Json]] = field(default_factory=list)
    total: int = 0
    unreadable: int = 0

    def __post_init__(self) -> None:
        check(self.question.query)
        self.query = self.question.query
        self.links = self.query.get("links", {})
        self.kinds = frozenset(self.query["of"])
        self.found = {name: {} for name in self.links}

    def hear(self, said: Said) -> None:
        if said.index >= self.question.size:
            return
        if said.type in self.kinds and said.index >= self.question.first:
            self._weigh(said)
        for name, link in self.links.items():
            if said.type in link["of"]:
                self._remember(name, link, said)

    def answer(self) -> Answer:
        for said, linked in self.newest.values():
            self._tally(said, linked)
        return Answer(self._value(), self.unreadable)

    def _value(self) -> Value:
        if "by" in self.query:
            return dict(sorted(self.numbers.items()))
        if "list" in self.query:
            return self.rows
        if "seconds_from" in self.query:
            return {"median": _median(self.seconds), "count": len(self.seconds)}
        return self.total

    def _remember(self, name: str, link: Mapping[str, Any], said: Said) -> None:
        if _holds(said, link.get("where", ()), {}) is not True:
            return
        key = label(_value(said, link["key"], {}))
        if link.get("which", "first") == "last":
            self.found[name][key] = said
        else:
            self.found[name].setdefault(key, said)

    def _weigh(self, said: Said) -> None:
        day = said.ts[:10]
        if day > self.query.get("until", "9999"):
            return
        linked = {
            name: self.found[name].get(label(_value(said, link["with"], {}))) for name, link in self.links.items()
        }
        if "latest" in self.query:
            self.newest[label(_value(said, self.query["latest"], linked))] = (said, linked)
        elif day >= self.query.get("since", ""):
            self._tally(said, linked)

    def _tally(self, said: Said, linked: _Links) -> None:
        counts = _holds(said, self.query.get("where", ()), linked)
        if isinstance(counts, _Sealed):
            self.unreadable += 1
        elif counts and self._is_new(said, linked):
            self._add(said, linked)

    def _is_new(self, said: Said, linked: _Links) -> bool:
        if "distinct" not in self.query:
            return True
        key = label(_value(said, self.query["distinct"], linked))
        new = key not in self.seen
        self.seen.add(key)
        return new

    def _add(self, said: Said, linked: _Links) -> None:
        self.total += 1
        if "by" in self.query:
            self._add_to_table(_value(said, self.query["by"], linked))
        elif "list" in self.query:
            self.rows.append([label(_value(said, path, linked)) for path in self.query["list"]])
        elif earlier := linked.get(self.query.get("seconds_from", "")):
            self.seconds.append(max(0, int((_moment(said) - _moment(earlier)).total_seconds())))

    def _add_to_table(self, value: Any) -> None:
        self.unreadable += isinstance(value, _Sealed)
        members = value if isinstance(value, list) and value else [None if isinstance(value, list) else value]
        for name in dict.fromkeys(map(label, members)):
            self.numbers[name] = self.numbers.get(name, 0) + 1


def _moment(said: Said) -> dt.datetime:
    return dt.datetime.fromisoformat(said.ts)


def _median(seconds: list[int]) -> int:
    """The middle one; between two the mean, rounded down. 0 of none."""
    ordered, half = sorted(seconds), len(seconds) // 2
    if not ordered:
        return 0
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2
