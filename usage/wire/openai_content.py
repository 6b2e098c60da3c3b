"""How many tokens a request in OpenAI's formats is, at most and about: texts, pictures, sound, files."""

import re
from dataclasses import dataclass, field
from typing import Any

from usage.wire import tokens
from usage.wire.bodies import object_in, text_of
from usage.wire.openai_values import objects

# The marks around a message and its role: OpenAI's cookbook counts 3 or 4, reasoning formats a few more.
TOKENS_PER_ENTRY = 8
USUAL_TOKENS_PER_ENTRY = 3
# A picture at its dearest, and of a megapixel (developers.openai.com/api/docs/guides/images-vision). Tiles:
# at most 8 after scaling to 768 × 2048, usually 4: 85 + 170 each for gpt-4o and its kin, 2 833 + 5 667 each
# for gpt-4o-mini. Patches: at most 1 536 × 2.46 for the small models of 2025; later models take pictures
# unscaled (one of 12 megapixels is 14 364 for gpt-6-astra), for which twice that is held. Mistral's are at
# most 4 160 (pixtral-large); open models' are smaller than the last row.
_PICTURES = (
    (re.compile(r"gpt-4o-mini"), 48_169, 25_501),
    (re.compile(r"gpt-4\.1-(mini|nano)|gpt-5-(mini|nano)|o4-mini"), 3_779, 2_520),
    (re.compile(r"gpt-4o|gpt-4\.1|gpt-4\.5|gpt-4-(turbo|vision)|gpt-5(-2025|$)|o[13](-|$)"), 1_445, 765),
    (re.compile(r"(open-)?(mistral|ministral|magistral|pixtral)"), 4_160, 4_160),
    (re.compile(r""), 30_000, 1_500),
)
_VENDOR = re.compile(r"^(.*/)?(ft:)?")
# Sound is 10 tokens a second at OpenAI and 12.5 at Mistral. At 8 kbit/s, the lowest rate of MP3, a second is
# 1 333 bytes of base64: fewer than one token for 100 bytes. About: 32 kbit/s, four times that.
BASE64_BYTES_PER_SOUND_TOKEN = 100
USUAL_BYTES_PER_SOUND_TOKEN = 400

PICTURE_TYPES = frozenset({"image_url", "input_image", "image", "computer_screenshot"})
SOUND_TYPES = frozenset({"input_audio"})
# What the model reads and the request only points at; a document sent along unpacks to any size as well.
REFERENCE_TYPES = frozenset({"file", "input_file", "document_url", "item_reference"})
# Tools the caller runs; any other is run by the provider, who lets the model read its results.
CALLERS_TOOLS = frozenset({"function", "custom", "apply_patch", "local_shell", "computer_use_preview", ""})
# Names that the format of a message has and the model does not read.
FORM = frozenset({"type", "role", "content", "text", "id", "status", "detail", "cache_control", "signature"})
# Among these the model does not read the text either; a tool's parameter may have such a name, and is read.
UNREAD = frozenset({"type", "role", "id"})
# The fields of a request whose texts the model reads, whichever of the formats it has.
READ_FIELDS = (
    "messages",
    "input",
    "instructions",
    "prompt",
    "suffix",
    "prediction",
    "tools",
    "functions",
    "tool_choice",
    "response_format",
    "text",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSize:
    """Tokens of a request's input: at most, and about. `open_ended`: the request does not show all of it."""

    at_most: int
    about: int
    open_ended: bool = False


@dataclass(slots=True)
class _Tally:
    """What was found so far."""

    texts: list[str] = field(default_factory=list)
    at_most: int = 0
    about: int = 0
    open_ended: bool = False

    def add(self, at_most: int, about: int) -> None:
        self.at_most += at_most
        self.about += about


def input_size(body: dict[str, Any], *, model: str) -> InputSize:
    """The size of the input that `body` asks `model` to read."""
    tally = _Tally()
    for name in READ_FIELDS:
        _weigh(body.get(name), tally=tally, model=model)
    joined = "\n".join(tally.texts)
    return InputSize(
        at_most=tally.at_most + tokens.upper_bound(joined, model=model),
        about=tally.about + tokens.estimate(joined, model=model),
        open_ended=tally.open_ended or _points_elsewhere(body),
    )


def runs_tools(body: dict[str, Any]) -> bool:
    """Whether the provider itself runs tools for this call, such as a search of the web."""
    return any(text_of(tool.get("type")) not in CALLERS_TOOLS for tool in objects(body.get("tools")))


def picture_tokens(model: str) -> tuple[int, int]:
    """Tokens one picture is to `model`: at most, and about."""
    name = _VENDOR.sub("", model.lower())
    return next((most, usual) for pattern, most, usual in _PICTURES if pattern.match(name))


def _points_elsewhere(body: dict[str, Any]) -> bool:
    stored = any(body.get(name) for name in ("previous_response_id", "conversation"))
    return stored or bool(object_in(body.get("prompt")).get("id")) or runs_tools(body)


def _weigh(value: object, *, tally: _Tally, model: str) -> None:
    """Add `value` with all that is in it. A list of numbers is text already cut into tokens."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            tally.texts.append(found)
        elif isinstance(found, dict):
            pending.extend(_weigh_object(found, tally=tally, model=model))
        elif isinstance(found, list) and found and all(isinstance(item, int) for item in found):
            tally.add(len(found), len(found))
        elif isinstance(found, list):
            pending.extend(reversed(found))
        elif isinstance(found, int | float) and not isinstance(found, bool):
            tally.texts.append(str(found))


def _weigh_object(found: dict[str, Any], *, tally: _Tally, model: str) -> list[object]:
    """Add a picture, a sound or a reference as a whole; of anything else answer what is to be weighed."""
    kind = text_of(found.get("type"))
    tally.add(TOKENS_PER_ENTRY, USUAL_TOKENS_PER_ENTRY)
    if kind in PICTURE_TYPES:
        tally.add(*picture_tokens(model))
    elif kind in SOUND_TYPES:
        _weigh_sound(found, tally=tally)
    elif kind in REFERENCE_TYPES:
        tally.open_ended = True
    else:
        tally.texts.extend(name for name in found if name not in FORM)
        parts = reversed(found.items())
        return [inner for name, inner in parts if name not in UNREAD or not isinstance(inner, str)]
    return []


def _weigh_sound(found: dict[str, Any], *, tally: _Tally) -> None:
    sound = found.get("input_audio")
    data = sound if isinstance(sound, str) else text_of(object_in(sound).get("data"))
    if not data or data.startswith(("http:", "https:")):
        tally.open_ended = True
    tally.add(len(data) // BASE64_BYTES_PER_SOUND_TOKEN + 1, len(data) // USUAL_BYTES_PER_SOUND_TOKEN + 1)
