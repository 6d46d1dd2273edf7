"""Which kind of file this is, told by its first bytes, never by its name; and what the office does with each kind.

Any file can be registered. Seventeen formats take their credential inside (`EMBEDDABLE`); every other one gets it
beside the file, over all its bytes. Pure: no Django, no decoder.
"""

import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path, PurePath

from core.problems import Problem

JPEG, PNG, WEBP, TIFF, GIF = "image/jpeg", "image/png", "image/webp", "image/tiff", "image/gif"
AVIF, HEIC, JXL, SVG, BMP = "image/avif", "image/heic", "image/jxl", "image/svg+xml", "image/bmp"
MP4, MOV, AVI, WEBM, MATROSKA = "video/mp4", "video/quicktime", "video/avi", "video/webm", "video/x-matroska"
OGG_VIDEO, MPEG_TS = "video/ogg", "video/mp2t"
WAV, MP3, FLAC, M4A, OGG = "audio/wav", "audio/mpeg", "audio/flac", "audio/mp4", "audio/ogg"
AIFF, AAC = "audio/aiff", "audio/aac"
PDF, ZIP, HTML, XML, TEXT = "application/pdf", "application/zip", "text/html", "application/xml", "text/plain"
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Format:
    """name: for people. suffixes: the first is the one we write. embeds: whether it takes its credential inside.

    accepts: further types that a name with one of these suffixes may honestly stand for.
    """

    media_type: str
    name: str
    suffixes: tuple[str, ...]
    embeds: bool = False
    accepts: tuple[str, ...] = ()


_FORMATS = (
    Format(JPEG, "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), embeds=True),
    Format(PNG, "PNG", (".png", ".apng"), embeds=True),
    Format(WEBP, "WebP", (".webp",), embeds=True),
    Format(TIFF, "TIFF", (".tif", ".tiff"), embeds=True),
    Format(GIF, "GIF", (".gif",), embeds=True),
    Format(AVIF, "AVIF", (".avif",), embeds=True),
    Format(HEIC, "HEIC", (".heic", ".heif"), embeds=True, accepts=(AVIF,)),
    Format(JXL, "JPEG XL", (".jxl",), embeds=True),
    Format(SVG, "SVG", (".svg",), embeds=True),
    Format(MP4, "MP4", (".mp4", ".m4v"), embeds=True, accepts=(MOV, M4A)),
    Format(MOV, "QuickTime", (".mov", ".qt"), embeds=True, accepts=(MP4,)),
    Format(AVI, "AVI", (".avi",), embeds=True),
    Format(WAV, "WAV", (".wav", ".wave"), embeds=True),
    Format(MP3, "MP3", (".mp3",), embeds=True),
    Format(FLAC, "FLAC", (".flac",), embeds=True),
    Format(M4A, "M4A", (".m4a", ".m4b"), embeds=True, accepts=(MP4,)),
    Format(PDF, "PDF", (".pdf",), embeds=True),
    Format(BMP, "BMP", (".bmp",)),
    Format(WEBM, "WebM", (".webm",)),
    Format(MATROSKA, "Matroska", (".mkv", ".mka"), accepts=(WEBM,)),
    Format(OGG, "Ogg", (".ogg", ".oga", ".opus"), accepts=(OGG_VIDEO,)),
    Format(OGG_VIDEO, "Ogg video", (".ogv",), accepts=(OGG,)),
    Format(MPEG_TS, "MPEG transport stream", (".ts", ".mts", ".m2ts"), accepts=(TEXT, XML)),  # also TypeScript, Qt
    Format(AIFF, "AIFF", (".aif", ".aiff", ".aifc")),
    Format(AAC, "AAC", (".aac",)),
    Format(ZIP, "ZIP", (".zip",)),
    Format(HTML, "HTML", (".html", ".htm"), accepts=(XML, TEXT)),
    Format(XML, "XML", (".xml",), accepts=(TEXT,)),
    Format(TEXT, "text", (".txt",), accepts=(XML, BINARY)),
)
_BY_SUFFIX = {suffix: one for one in _FORMATS for suffix in one.suffixes}
NAMES = {one.media_type: one.name for one in _FORMATS}
SUFFIXES = {one.media_type: one.suffixes[0] for one in _FORMATS}
EMBEDDABLE = frozenset(one.media_type for one in _FORMATS if one.embeds)
PICTURES = frozenset({JPEG, PNG, WEBP, TIFF, GIF, AVIF, HEIC, JXL, BMP})
# libav's demuxer by type: it is never left to guess, because some of its demuxers open further files.
DEMUXERS = {
    MP4: "mov", MOV: "mov", M4A: "mov", AVI: "avi", WAV: "wav", MP3: "mp3", FLAC: "flac", WEBM: "matroska",
    MATROSKA: "matroska", OGG: "ogg", OGG_VIDEO: "ogg", MPEG_TS: "mpegts", AIFF: "aiff", AAC: "aac",
}  # fmt: skip

_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,78}")


def name_of(media_type: str) -> str:
    """“JPEG”; the type itself where it has no name here."""
    return NAMES.get(media_type, media_type)


def suffix(media_type: str) -> str:
    """What a file of this type is called at the end: “.jpg”, “.bin” for what has no ending here."""
    return SUFFIXES.get(media_type, ".bin")


def kind_of(media_type: str) -> str:
    """image, video, audio, document or file (`Asset.Kind`), by the type alone: a video type may hold sound alone."""
    top = media_type.partition("/")[0]
    if top in ("image", "video", "audio"):
        return top
    return "document" if media_type == PDF else "file"


def checked_type(said: str) -> str:
    """A media type as somebody wrote it, without parameters, in lower case. Raises Problem `media.type_malformed`."""
    plain = said.partition(";")[0].strip().lower() or BINARY
    if _MEDIA_TYPE.fullmatch(plain):
        return plain
    raise Problem(
        "media.type_malformed",
        "This is not a media type",
        detail="A media type has two parts with a slash between, such as “image/jpeg”.",
        next_step=f"Name the type of the file, or “{BINARY}” if you do not know it.",
    )


# --- Telling by content --------------------------------------------------------------------------------------------

_MAGIC = (
    (b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"GIF87a", GIF), (b"GIF89a", GIF),
    (b"II*\0", TIFF), (b"MM\0*", TIFF), (b"II+\0\x08\0\0\0", TIFF), (b"MM\0+\0\x08\0\0", TIFF),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JXL), (b"\xff\x0a", JXL), (b"%PDF-", PDF), (b"fLaC", FLAC), (b"PK\x03\x04", ZIP),
)  # fmt: skip
_RIFF = {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}

# ISO base media files by brand (https://mp4ra.org/registered-types/brands).
_BRANDS = (
    ({b"avif", b"avis"}, AVIF),
    ({b"heic", b"heix", b"heim", b"heis"}, HEIC),
    ({b"M4A ", b"M4B ", b"M4P "}, M4A),
    ({b"qt  "}, MOV),
)
_MP4_BRANDS = {
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"avc1",
    b"M4V ", b"M4VP", b"MSNV", b"dash", b"f4v ", b"mmp4", b"XAVC", b"3gp4", b"3gp5", b"3gp6", b"3g2a",
}  # fmt: skip
_HEAD = 65_536  # bytes that are looked at
_ID3_MOST = 32 << 20  # bytes of an ID3 tag (cover pictures) that are skipped


def sniff(path: Path) -> str:
    """The media type of the file by its content; `application/octet-stream` when the content tells nothing."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(b"ID3") and (after := _after_id3(head)) < _ID3_MOST:
            file.seek(after)
            return _sound(file.read(8192)) or MP3
    return _binary(head) or _sound(head) or _textual(head) or BINARY


def _after_id3(head: bytes) -> int:
    """ID3v2 §3.1: the size in four bytes of seven bits."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def _binary(head: bytes) -> str:
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot"):  # QuickTime before ISO: no ftyp
        return MOV
    match head[:4]:
        case b"RIFF":
            return _RIFF.get(head[8:12], "")
        case b"FORM":
            return AIFF if head[8:12] in (b"AIFF", b"AIFC") else ""
        case b"OggS":
            return OGG_VIDEO if b"\x80theora" in head[:4096] else OGG
        case b"\x1aE\xdf\xa3":
            return WEBM if b"webm" in head[:64] else MATROSKA if b"matroska" in head[:64] else ""
    if head[:2] == b"BM" and head[14:18] in (b"\x0c\0\0\0", b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return BMP
    return MPEG_TS if len(head) > 376 and head[0] == head[188] == head[376] == 0x47 else ""


def _by_brand(head: bytes) -> str:
    """The major brand decides; the compatible ones where it is generic."""
    size = min(struct.unpack(">I", head[:4])[0], len(head), 4096)
    compatible = {head[at : at + 4] for at in range(16, size - 3, 4)}
    for brands in ({head[8:12]}, compatible):
        for known, media_type in _BRANDS:
            if brands & known:
                return media_type
        if brands & _MP4_BRANDS:
            return MP4
    return ""


def _sound(head: bytes) -> str:
    if head.startswith(b"fLaC"):
        return FLAC
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ADTS: ISO 13818-7 §6.2
        return AAC
    length = mpeg_frame_length(head[:4])
    return MP3 if length and (len(head) <= length or mpeg_frame_length(head[length : length + 4])) else ""


# ISO 11172-3 §2.4.2.3, ISO 13818-3: kbit/s of Layer III by the index in the header.
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def mpeg_frame_length(head: bytes) -> int:
    """Bytes of the Layer III frame that begins with these four bytes; 0 if none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, hertz = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or rate in (0, 15) or hertz == 3:
        return 0
    bits, samples = (_RATES_1[rate], 144) if version == 3 else (_RATES_2[rate], 72)
    return samples * bits * 1000 // _HERTZ[version][hertz] + (head[2] >> 1 & 1)


# Declaration, comments and DOCTYPE, then the root element; possessive, so that no input makes it go back.
_ROOT = re.compile(
    rb"\A(?>\s+|<\?.*?\?>|<!--.*?-->|<!doctype[^>\[]*(?:\[.*?\]\s*)?>)*+<(?:[a-z_][\w.-]*:)?([a-z_][\w.-]*)",
    re.IGNORECASE | re.DOTALL,
)


def _textual(head: bytes) -> str:
    text = _as_utf8(head)
    if text is None:
        return ""
    start = text.lstrip()[:200].lower()
    if not start.startswith(b"<"):
        return TEXT
    root = _ROOT.match(text)
    name = root.group(1).lower() if root else b""
    if name == b"svg":
        return SVG
    if name in (b"html", b"head", b"body", b"script") or start.startswith(b"<!doctype html"):
        return HTML
    return XML if name else TEXT


def _as_utf8(head: bytes) -> bytes | None:
    """The text in UTF-8 without byte order mark; None for what is no text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    text = head.removeprefix(b"\xef\xbb\xbf")
    if not text or any(byte < 9 or (13 < byte < 32 and byte != 27) for byte in set(text)):
        return None
    for cut in range(4 if len(head) == _HEAD else 1):  # the last character may be cut
        try:
            text[: len(text) - cut].decode()
            return text
        except UnicodeDecodeError:
            continue
    return None


def embeds(path: Path, media_type: str) -> bool:
    """Whether this very file can take its credential inside. Some variants of embeddable formats cannot."""
    if media_type not in EMBEDDABLE:
        return False
    with path.open("rb") as file:
        head = file.read(12)
    match media_type:
        case "image/jxl":
            return head[4:8] == b"JXL "  # a bare codestream has no boxes
        case "image/svg+xml":
            return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"  # UTF-8
        case "video/quicktime":
            return head[4:8] == b"ftyp"
        case "application/pdf":
            return not _holds(path, b"/Encrypt")
    return True


def _holds(path: Path, words: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(words) >= 0


# --- Refusals ------------------------------------------------------------------------------------------------------


def check_name(filename: str, media_type: str) -> None:
    """Refuse a file whose name promises another kind than its content is.

    Such files mislead people and programs that go by the name. Raises Problem `media.name_mismatch`.
    """
    ending = PurePath(filename.replace("\\", "/")).suffix.lower()
    promised = _BY_SUFFIX.get(ending)
    if promised is None or media_type in (promised.media_type, *promised.accepts):
        return
    found = NAMES.get(media_type, "of another kind")
    here = f"Give the file a name that ends in “{suffix(media_type)}”" if media_type in NAMES else "Rename the file"
    raise Problem(
        "media.name_mismatch",
        "The name and the content of the file do not agree",
        status=415,
        detail=f"The name ends in “{ending}”, which says {promised.name}, but the content is {found}.",
        next_step=f"{here}, or send the {promised.name} you meant.",
    )


def truncated(name: str) -> Problem:
    return Problem(
        "media.truncated",
        "The file is incomplete or damaged",
        status=422,
        detail=f"This {name} ends or breaks before its content is complete.",
        next_step="Check that the file opens on your own device; copy or export it again, then send it again.",
    )


def check_pixels(width: int, height: int, *, max_pixels: int) -> None:
    """Raises Problem for a picture without pixels or with more than `max_pixels`."""
    if width <= 0 or height <= 0:
        raise Problem(
            "media.no_pixels",
            "The picture has no pixels",
            status=422,
            detail=f"Its header says {width} × {height} pixels.",
            next_step="Check that the file opens on your own device, then send it again.",
        )
    if width * height > max_pixels:
        raise Problem(
            "media.too_many_pixels",
            "The picture is too large",
            status=422,
            detail=f"It has {width:,} × {height:,} pixels; this office accepts {max_pixels // 1_000_000} megapixels.",
            next_step="Send a smaller rendition, or ask the operator to raise ASSAY_MAX_MEGAPIXELS.",
        )


def check_frames(count: int, pixels: int, *, max_frames: int, max_pixels: int) -> None:
    """Raises Problem for more frames (or pages) than `max_frames`, or more than `max_pixels` in all of them."""
    if count <= max_frames and pixels <= max_pixels:
        return
    raise Problem(
        "media.too_many_frames",
        "The picture has too many frames",
        status=422,
        detail=f"It has {count:,} frames or pages with {pixels // 1_000_000:,} megapixels together; this office "
        f"examines {max_frames:,} frames and {max_pixels // 1_000_000:,} megapixels.",
        next_step="Send it as a video, or in several files.",
    )


def check_seconds(seconds: float, *, max_seconds: int) -> None:
    """Raises Problem for a recording longer than `max_seconds`, or of no length that can be told."""
    if 0 <= seconds <= max_seconds:
        return
    raise Problem(
        "media.too_long",
        "The recording is too long",
        status=422,
        detail=f"It runs {seconds:,.0f} seconds; this office accepts {max_seconds:,}.",
        next_step="Send a shorter part, or ask the operator to raise ASSAY_MAX_MINUTES.",
    )


def check_tracks(count: int, *, max_tracks: int) -> None:
    """Raises Problem for a recording with more than `max_tracks` tracks."""
    if count <= max_tracks:
        return
    raise Problem(
        "media.too_many_tracks",
        "The recording has too many tracks",
        status=422,
        detail=f"It has {count} tracks; this office accepts {max_tracks}.",
        next_step="Export it with one picture and the sound tracks you need.",
    )
