"""What the file itself declares about how it was made: read, sorted, quoted; never guessed.

A declaration of synthetic origin is strong evidence of what somebody said, for nobody gains much by a false one. Its
absence proves nothing: most services strip metadata, and it is easily removed. A name in free text is only a mention.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from detection.detectors import Answer, Media, Reading, Region, Strength, examination
from detection.detectors.declared import credential, places
from detection.detectors.declared.places import Said
from detection.hostile_text import readable
from provenance import c2pa, media

MOST = 40  # declarations that are passed on
QUOTED = 120  # characters in a sentence; the details carry up to 500

# https://cv.iptc.org/newscodes/digitalsourcetype/: those that say a machine made the picture, or a part of it.
# The C2PA specification adds its own `trainedAlgorithmicData` and `empty`; they are not pictures.
SYNTHETIC = {
    "trainedAlgorithmicMedia": "created by a generative model",
    "compositeWithTrainedAlgorithmicMedia": "edited with a generative model",
    "compositeSynthetic": "composed with synthetic parts",
    "algorithmicMedia": "created by an algorithm",
}
_SOURCE_TYPE = re.compile(r"(?:^|[/:])([A-Za-z]{4,60})/?$")

# Programs that make pictures from a model. In a field that names the program this is a declaration; in free text a
# mention.
GENERATORS = re.compile(
    r"stable[ _-]?diffusion|sdxl|midjourney|dall[·. _-]?e\b|gpt[ -]?image|openai|\bsora\b|comfyui|automatic1111"
    r"|invokeai|fooocus|novelai|dreamstudio|stability ai|adobe firefly|firefly image|made with google ai|imagen\b"
    r"|gemini|nano banana|\bveo\b"
    r"|black forest labs|\bflux[. _-]?\d|ideogram|leonardo\.?ai|recraft|seedream|runwayml|\bkling\b|hailuo|pika labs"
    r"|luma dream|bing image creator|designer by microsoft|grok imagine|imagined with ai|hidream|qwen[ -]image",
    re.IGNORECASE,
)
# What the “parameters” of Automatic1111 and its relatives look like wherever they are pasted.
PARAMETERS = re.compile(r"\bsteps: ?\d{1,4}\b.{0,200}\b(?:sampler|cfg scale|seed): ?", re.IGNORECASE | re.DOTALL)

# PNG keywords that only generators write: Automatic1111, ComfyUI, InvokeAI, NovelAI, Fooocus; AIGC is China's GB
# 45438-2025.
GENERATOR_KEYWORDS = {
    "parameters", "prompt", "workflow", "Dream", "sd-metadata", "invokeai_metadata", "fooocus_scheme", "AIGC",
    "generation_data", "AIPromptInformation", "AISystemUsed", "AISystemVersionUsed",
}  # fmt: skip
PROGRAM_WORDS = {"Software", "CreatorTool", "claim_generator", "softwareAgent", "encoder", "OriginatingProgram"}


class Meaning(StrEnum):
    SYNTHETIC = "synthetic"  # says that a machine made it, or a part of it
    MENTION = "mention"  # names a generator in free text
    SOURCE = "source"  # names another source type
    PROGRAM = "program"  # names a program that is no known generator


def analyze(media: Media, region: Region | None = None) -> list[Reading]:
    """See the module. A declaration is about the whole file: `region` changes nothing."""
    media.report(10, "Reading Content Credentials")
    shown = c2pa.read(media.path, media.media_type, anchors=[])
    store = shown.get("store") if isinstance(shown.get("store"), dict) else {}
    media.report(50, "Reading metadata")
    said = [*credential.declarations(store or {}), *_metadata(media.path, media.media_type)]
    sorted_out = [(meaning, one) for one in dict.fromkeys(said) if (meaning := meaning_of(one))][:MOST]
    details = {
        "declarations": [_quoted(meaning, one) for meaning, one in sorted_out],
        "credential": {"presence": str(shown.get("presence")), "validation": _validation(store or {})},
    }
    return [_reading(sorted_out, details)]


examine = examination(analyze)


def _metadata(path: Path, media_type: str) -> Iterator[Said]:
    yield from places.xmp(path)
    if media_type in media.DEMUXERS:
        yield from places.container_tags(path, media_type)
        return
    if media_type == "image/png":
        yield from places.png_text(path)
    yield from places.exif_and_iim(path)


def meaning_of(said: Said) -> Meaning | None:
    """What one value means, or None for one that says nothing about the origin."""
    if said.name.lower() == "digitalsourcetype":
        return Meaning.SYNTHETIC if source_type(said.value) in SYNTHETIC else Meaning.SOURCE
    if said.name in GENERATOR_KEYWORDS and said.where != "EXIF":
        return Meaning.SYNTHETIC
    if PARAMETERS.search(said.value[:20_000]):
        return Meaning.SYNTHETIC
    if GENERATORS.search(said.value[:2_000]):
        return Meaning.SYNTHETIC if said.name in PROGRAM_WORDS or _is_short_credit(said) else Meaning.MENTION
    return Meaning.PROGRAM if said.name in PROGRAM_WORDS else None


def _is_short_credit(said: Said) -> bool:
    """A credit line that is nothing but the generator’s name (“Made with Google AI”), not a sentence that has it in
    it.
    """
    return said.name in ("Credit", "comment", "Artist", "Make") and len(said.value) <= 40


def source_type(value: str) -> str:
    """The key of an IPTC digital source type given as key or URI; "" for something else."""
    match = _SOURCE_TYPE.search(value.strip()[:200])
    return match.group(1) if match else ""


def _quoted(meaning: Meaning, one: Said) -> dict[str, str]:
    return {"meaning": meaning.value, "where": one.where, "name": readable(one.name, 79), "value": readable(one.value)}


def _validation(store: dict[str, Any]) -> str:
    return readable(str(store.get("validation_state", "")), 40)


def _reading(found: list[tuple[Meaning, Said]], details: dict[str, Any]) -> Reading:
    """A mention answers nothing: it is quoted, and whoever reads it decides."""
    for meaning, strength in ((Meaning.SYNTHETIC, Strength.STRONG), (Meaning.MENTION, Strength.WEAK)):
        those = [one for kind, one in found if kind == meaning]
        if those:
            answer = Answer.SIGNALS if meaning == Meaning.SYNTHETIC else Answer.NO_SIGNALS
            return Reading("declared_synthetic", strength, _sentence(meaning, those), "", details, answer=answer)
    words = _nothing(one for kind, one in found)
    return Reading("declared_synthetic", Strength.NONE, words, "", details, answer=Answer.NO_SIGNALS)


def _sentence(meaning: Meaning, those: list[Said]) -> str:
    one = those[0]
    quote = f"{one.where}, {readable(one.name, 40)}: “{readable(one.value, QUOTED)}”"
    more = f" It says so in {len(those)} places." if len(those) > 1 else ""
    if meaning == Meaning.MENTION:
        mention = f"A text in the file mentions a program that generates pictures ({quote})."
        return f"{mention} A mention is not a declaration.{more}"
    how = SYNTHETIC.get(source_type(one.value), "made with a program that generates pictures")
    return f"The file declares that it was {how} ({quote}).{more}"


def _nothing(found: Iterable[Said]) -> str:
    for one in found:
        if one.name.lower() == "digitalsourcetype":
            kind = readable(source_type(one.value) or one.value, 60)
            return (
                f"The file declares the source type “{kind}” ({one.where}), not a synthetic one; anyone can write that."
            )
    return "Nothing in the file declares a synthetic origin; absence proves nothing, since metadata is easily lost."
