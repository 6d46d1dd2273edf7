"""What an exploited parser could do with a signature, for test_signing. Runs in guarded children only."""

from collections.abc import Callable
from typing import Any

from core.problems import Problem
from provenance import questions

SIG_STRUCTURE = b"\x84\x6aSignature1\x40\x40\x58\x1dMallory's own claim, any bytes"


def sign_and_tell(ask: Callable[[bytes], bytes], signer: dict[str, Any]) -> None:
    signature = ask(questions.SIGN + SIG_STRUCTURE).hex()
    raise Problem(f"media.told_{signature[:8]}", signature, status=422, detail=f"told: {signature}")


def stamp_and_tell(ask: Callable[[bytes], bytes], signer: dict[str, Any]) -> None:
    from provenance.c2pa_stamp import _request

    raise Problem("media.told", "told", status=422, detail=f"told: {ask(questions.STAMP + _request(b'x')).hex()}")


def tell(ask: Callable[[bytes], bytes], signer: dict[str, Any]) -> None:
    raise Problem("media.told", "Told", status=422, detail="told: nothing")
