"""`when`: a condition over facts in a small part of CEL (github.com/google/cel-spec), read before it is ever evaluated.

    condition  = and { "||" and }                comparison = unary [ ( "==" | "!=" | "in" ) unary ]
    and        = comparison { "&&" comparison }  unary      = "!" unary | primary
    primary    = "true" | "false" | string | fact | list | "(" condition ")"
               | listfact ( ".exists" | ".all" ) "(" name "," condition ")"

Everything else of CEL is refused by name: regular expressions, building of strings, conversions, arithmetic, a
comprehension inside another. What is left costs at most its length times the number of places, so no condition can
be a bomb. Types are checked here as well, since `&&` hides a type error in a branch that no test reaches.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import cel

from policy.rulebook.facts import FACTS, RuleError

MAX_LENGTH: Final = 400
MAX_DEPTH: Final = 12
MACROS: Final = frozenset({"exists", "all"})
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"\\\n]*"|'[^'\\\n]*')|(?P<name>[A-Za-z_]\w*)|(?P<sign>\|\||&&|==|!=|[!()\[\],.]))""",
    re.ASCII,
)
_WORDS = frozenset({"true", "false", "in"})
# What CEL has and rules may not use, to say so instead of “cannot be read”.
_BARRED = re.compile(r"[+\-*/%<>?:{}]|\d")

Type = Literal["yes or no", "text", "list"]
Kind = Literal["or", "and", "leaf"]


@dataclass(frozen=True)
class Node:
    """A part of a condition. kind: "or" and "and" have parts; a leaf is judged whole. source: its own words."""

    kind: Kind
    source: str
    type: Type
    parts: tuple["Node", ...] = ()


@dataclass(frozen=True)
class Condition:
    """A condition that was read. facts: the facts it names, in order of appearance."""

    source: str
    tree: Node
    facts: tuple[str, ...]

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """facts: all of FACTS (`facts.complete`)."""
        return _holds(self.source, facts)

    def failing(self, facts: Mapping[str, Any]) -> list[str]:
        """The parts that would have to be otherwise for it to hold; empty when it does."""
        return list(_failing(self.tree, facts))


@functools.lru_cache(maxsize=1024)
def read(source: str) -> Condition:
    """Read and check a condition without evaluating it. Raises RuleError in plain words."""
    if not isinstance(source, str) or not 0 < len(source) <= MAX_LENGTH:
        raise RuleError(f"a condition is a CEL expression of at most {MAX_LENGTH} characters")
    reader = _Reader(source)
    tree = reader.whole()
    try:
        cel.compile(source)
    except ValueError as error:
        raise RuleError(f"`{source}` cannot be read: {error}") from error
    return Condition(source, tree, tuple(dict.fromkeys(reader.facts)))


# --- Evaluating: CEL does it ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _program(source: str) -> cel.Program:
    return cel.compile(source)


def _holds(source: str, facts: Mapping[str, Any]) -> bool:
    return _program(source).execute(dict(facts)) is True


def _failing(node: Node, facts: Mapping[str, Any]) -> Iterator[str]:
    if _holds(node.source, facts):
        return
    if node.kind == "and":
        for part in node.parts:
            yield from _failing(part, facts)
    elif node.kind == "or":
        yield "none of: " + " or ".join(part.source for part in node.parts)
    else:
        yield node.source


# --- Reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


class _Reader:
    """Recursive descent over the tokens; `facts` collects the names as they come."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = list(_tokens(source))
        self._at = 0
        self._depth = 0
        self._bound = ""  # the name that the comprehension we are in has given
        self.facts: list[str] = []

    def whole(self) -> Node:
        node = self._or()
        if self._peek():
            self._fail(f"something is left over at {self._peek()!r}")
        if node.type != "yes or no":
            raise RuleError(f"`{self._source}` is not true or false, but a {node.type}")
        return node

    def _or(self) -> Node:
        return self._series("||", "or", lambda: self._series("&&", "and", self._comparison))

    def _series(self, sign: str, kind: Kind, part: Callable[[], Node]) -> Node:
        start, parts = self._here(), [part()]
        while self._take(sign):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        for one in parts:
            self._want(one, "yes or no")
        return Node(kind, self._words(start), "yes or no", tuple(parts))

    def _comparison(self) -> Node:
        start, left = self._here(), self._unary()
        sign = next((sign for sign in ("==", "!=", "in") if self._take(sign)), "")
        if not sign:
            return left
        right = self._unary()
        if self._peek() in ("==", "!=", "in"):
            self._fail("one comparison at a time: put it in parentheses")
        if sign == "in":
            self._want(left, "text")
            self._want(right, "list")
        elif left.type != right.type or left.type == "list":
            raise RuleError(f"`{self._words(start)}` mixes types: a {left.type} and a {right.type}")
        return Node("leaf", self._words(start), "yes or no")

    def _unary(self) -> Node:
        start = self._here()
        if self._take("!"):
            with _Deeper(self):
                self._want(self._unary(), "yes or no")
            return Node("leaf", self._words(start), "yes or no")
        return self._primary()

    def _primary(self) -> Node:
        start, token = self._here(), self._next()
        if token.kind == "string":
            return Node("leaf", token.text, "text")
        if token.text in ("true", "false"):
            return Node("leaf", token.text, "yes or no")
        if token.text == "(":
            with _Deeper(self):
                inner = self._or()
            self._expect(")")
            return Node(inner.kind, self._words(start), inner.type, inner.parts)
        if token.text == "[":
            return self._list(start)
        if token.kind == "name" and token.text not in _WORDS:
            return self._fact(start, token.text)
        return self._fail(f"{token.text!r} does not belong there")

    def _list(self, start: int) -> Node:
        while self._peek() != "]":
            if self._next().kind != "string":
                self._fail("a list holds texts")
            if not self._take(","):
                break
        self._expect("]")
        return Node("leaf", self._words(start), "list")

    def _fact(self, start: int, name: str) -> Node:
        if self._peek() == "(":
            raise RuleError(f"a condition may compare and combine only, not use {name}()")
        if name == self._bound:
            return Node("leaf", name, "text")
        if name not in FACTS:
            raise RuleError(f"unknown facts [{name!r}]")
        self.facts.append(name)
        if self._take("."):
            return self._comprehension(start, name)
        kinds: dict[type, Type] = {bool: "yes or no", str: "text", tuple: "list"}
        return Node("leaf", name, kinds[type(FACTS[name])])

    def _comprehension(self, start: int, fact: str) -> Node:
        macro = self._next().text
        if macro not in MACROS:
            raise RuleError(f"a condition may compare and combine only, not use {macro}()")
        if self._bound:
            raise RuleError("one comprehension may not stand inside another")
        if not isinstance(FACTS[fact], tuple):
            raise RuleError(f"`{fact}.{macro}` mixes types: {fact} is no list")
        self._expect("(")
        name = self._next()
        if name.kind != "name" or name.text in FACTS or name.text in _WORDS:
            self._fail(f"{name.text!r} is no new name")
        self._expect(",")
        self._bound = name.text
        with _Deeper(self):
            self._want(self._or(), "yes or no")
        self._bound = ""
        self._expect(")")
        return Node("leaf", self._words(start), "yes or no")

    # --- Tokens

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _here(self) -> int:
        return self._tokens[self._at].start if self._at < len(self._tokens) else len(self._source)

    def _next(self) -> _Token:
        if self._at == len(self._tokens):
            self._fail("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> bool:
        # A string's text has its quotes, so it is never taken for a sign.
        taken = self._peek() == text
        self._at += taken
        return taken

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail(f"{text!r} is missing before {self._peek() or 'the end'!r}")

    def _words(self, start: int) -> str:
        return self._source[start : self._tokens[self._at - 1].end]

    def _want(self, node: Node, wanted: Type) -> None:
        if node.type != wanted:
            raise RuleError(f"`{node.source}` mixes types: a {node.type} where a {wanted} belongs")

    def _fail(self, why: str) -> NoReturn:
        raise RuleError(f"`{self._source}` cannot be read: {why}")


class _Deeper:
    """One more level of parentheses; too many are refused before any engine sees them."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        self._reader._depth += 1
        if self._reader._depth > MAX_DEPTH:
            raise RuleError(f"a condition is at most {MAX_DEPTH} levels deep")

    def __exit__(self, *_: object) -> None:
        self._reader._depth -= 1


def _tokens(source: str) -> Iterator[_Token]:
    at, end, before = 0, len(source.rstrip()), ""
    while at < end:
        found = _TOKEN.match(source, at)
        if found is None:
            bad = source[at:].lstrip()[0]
            if _BARRED.match(bad):
                raise RuleError(f"a condition may compare and combine only, not use {bad!r}")
            raise RuleError(f"`{source}` cannot be read at {bad!r}")
        kind = str(found.lastgroup)
        if kind == "string" and before in ("string", "name") and source[found.start(kind) - 1] not in " \t\n":
            # r"…", b"…" and """…""" are other texts in CEL than they look.
            raise RuleError(f"`{source}` cannot be read: a text stands alone")
        yield _Token(kind, found.group(kind), found.start(kind), found.end(kind))
        at, before = found.end(), kind


def names(part: str) -> tuple[str, ...]:
    """The facts that a part of a condition names; of “none of: a or b” those of all."""
    words = {token.text for token in _tokens(part.removeprefix("none of: ")) if token.kind == "name"}
    return tuple(name for name in FACTS if name in words)


def compared(source: str) -> Iterator[tuple[str, str]]:
    """(fact, text) for each text that a condition compares a fact with: what a form can offer."""
    fact = ""
    for token in _tokens(source):
        if token.kind == "name" and token.text not in _WORDS:
            fact = token.text if token.text in FACTS else ""
        elif token.kind == "string" and fact:
            yield fact, token.text[1:-1]
        elif token.text in ("&&", "||", "("):
            fact = ""
