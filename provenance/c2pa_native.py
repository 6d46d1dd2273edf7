"""Functions of the C2PA library that its Python wrapper does not wrap: an HTTP resolver, and signing a mere hash.

Declared in `c2pa.h` of c2pa-rs (c2pa_c_ffi, 0.91). This module does not import the wrapper: it is handed the library
that `provenance.c2pa` has loaded. Used in guarded children alone.
"""

import ctypes
import json
from collections.abc import Callable
from typing import Any, Final

STORE_TYPE: Final = b"application/c2pa"
MAX_BODY: Final = 1 << 20  # bytes of a request or an answer; a time-stamp has some thousand

# (method, url, body) to the body of the answer, None to refuse.
Answer = Callable[[str, str, bytes], bytes | None]


class NativeError(Exception):
    """What the library said, as `Kind: words`."""


class _Request(ctypes.Structure):
    """`C2paHttpRequest`. headers: lines of “name: value”."""

    _fields_ = [
        ("url", ctypes.c_char_p),
        ("method", ctypes.c_char_p),
        ("headers", ctypes.c_char_p),
        ("body", ctypes.c_void_p),
        ("body_len", ctypes.c_size_t),
    ]


class _Response(ctypes.Structure):
    """`C2paHttpResponse`. body: from malloc(); the library frees it."""

    _fields_ = [("status", ctypes.c_int32), ("body", ctypes.c_void_p), ("body_len", ctypes.c_size_t)]


_RESOLVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Request), ctypes.POINTER(_Response))
_BYTES = ctypes.POINTER(ctypes.c_ubyte)
# The allocator whose free() the library calls: that of this process's C library.
_libc = ctypes.CDLL(None)
_libc.malloc.argtypes, _libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p


def declare(library: ctypes.CDLL) -> None:
    """Set the C types of the functions used here; the wrapper has set those of the others."""
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    out = ctypes.POINTER(_BYTES)
    for name, arguments, result in (
        ("c2pa_http_resolver_create", [pointer, _RESOLVE], pointer),
        ("c2pa_context_builder_set_http_resolver", [pointer, pointer], ctypes.c_int),
        ("c2pa_error_set_last", [text], ctypes.c_int),
        ("c2pa_builder_data_hashed_placeholder", [pointer, size, text, out], ctypes.c_int64),
        (
            "c2pa_builder_sign_data_hashed_embeddable",
            [pointer, pointer, text, text, pointer, out],
            ctypes.c_int64,
        ),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result


def resolver(library: ctypes.CDLL, answer: Answer) -> Any:
    """A callback that answers every HTTP request of a context; whoever holds the context must hold it too.

    A refusal, and whatever `answer` raises, is a failed request to the library.
    """

    def resolve(_: Any, request: Any, response: Any) -> int:
        try:
            body = _answered(request.contents, answer)
        except Exception as error:  # it must not unwind through native code
            library.c2pa_error_set_last(f"Other: {type(error).__name__}".encode())
            return 1
        if body is None:
            library.c2pa_error_set_last(b"Other: this process sends no request")
            return 1
        _fill(response.contents, body)
        return 0

    return _RESOLVE(resolve)


def _answered(request: _Request, answer: Answer) -> bytes | None:
    if request.body_len > MAX_BODY:
        return None
    body = ctypes.string_at(request.body, request.body_len) if request.body else b""
    told = answer((request.method or b"").decode(), (request.url or b"").decode(errors="replace"), body)
    return told if told is not None and len(told) <= MAX_BODY else None


def _fill(response: _Response, body: bytes) -> None:
    response.status = 200
    if body:
        address = _libc.malloc(len(body))
        if not address:
            raise MemoryError
        ctypes.memmove(address, body, len(body))
        response.body, response.body_len = address, len(body)


def context(library: ctypes.CDLL, settings: bytes, resolve: Any) -> Any:
    """The handle of a context with these settings (JSON) whose every HTTP request goes to `resolve`.

    The caller frees it (`free`). Raises NativeError.
    """
    options, builder = library.c2pa_settings_new(), library.c2pa_context_builder_new()
    try:
        _check(library, library.c2pa_settings_update_from_string(options, settings, b"json") == 0)
        _check(library, library.c2pa_context_builder_set_settings(builder, options) == 0)
        closed = library.c2pa_http_resolver_create(None, resolve)
        _check(library, bool(closed) and library.c2pa_context_builder_set_http_resolver(builder, closed) == 0)
    except NativeError:
        library.c2pa_free(builder)
        raise
    finally:
        library.c2pa_free(options)
    handle = library.c2pa_context_builder_build(builder)  # takes the builder, also when it fails
    _check(library, bool(handle))
    return handle


def free(library: ctypes.CDLL, handle: Any) -> None:
    """Give a handle back."""
    library.c2pa_free(handle)


def sign_hash(library: ctypes.CDLL, builder: Any, signer: Any, digest: bytes, *, reserve: int) -> bytes:
    """The manifest store (JUMBF bytes) of `builder`, bound to a file by nothing but the SHA-256 of all its bytes.

    builder, signer: handles. reserve: bytes that `signer` asks to keep free for its signature. Raises NativeError.
    """
    out = _BYTES()
    size = library.c2pa_builder_data_hashed_placeholder(builder, reserve, STORE_TYPE, ctypes.byref(out))
    _taken(library, size, out)
    binding = {"exclusions": [], "name": "all bytes of the file", "alg": "sha256", "hash": list(digest), "pad": ""}
    out = _BYTES()
    size = library.c2pa_builder_sign_data_hashed_embeddable(
        builder, signer, json.dumps(binding).encode(), STORE_TYPE, None, ctypes.byref(out)
    )
    return _taken(library, size, out)


def _taken(library: ctypes.CDLL, size: int, out: Any) -> bytes:
    _check(library, size >= 0 and bool(out))
    try:
        return ctypes.string_at(out, size)
    finally:
        library.c2pa_free(out)


def _check(library: ctypes.CDLL, good: bool) -> None:
    if good:
        return
    address = library.c2pa_error()
    if not address:
        raise NativeError("Other: the library gives no reason")
    try:
        raise NativeError(ctypes.string_at(address).decode(errors="replace"))
    finally:
        library.c2pa_free(address)
