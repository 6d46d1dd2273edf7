"""How this room's commands refuse: in words and with an exit code, never with a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.problems import Problem
from ledger.keys import BadKey, KeyMissing
from ledger.log import LogError

REFUSED: Final = 1
# As in sysexits.h, for commands whose small numbers are answers.
USAGE, NO_INPUT, CANNOT_CREATE = 64, 66, 73


@contextmanager
def told() -> Iterator[None]:
    """What the verbs of this room refuse becomes the command's error."""
    try:
        yield
    except Problem as problem:
        words = f"{problem.detail or problem.title} {problem.next_step}".strip()
        raise CommandError(words, returncode=REFUSED) from problem
    except (KeyMissing, BadKey, LogError) as error:
        raise CommandError(str(error), returncode=REFUSED) from error


class FileCommand(BaseCommand):
    """A command about files: wrong usage ends with 64, because 2 may be an answer."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = _Parser
        return parser


class _Parser(CommandParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")
