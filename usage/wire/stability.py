"""Stability AI: images, asked for with forms and answered as bytes or as base64 in JSON.

An image that is made later (`upscale/creative`) counts at its start, which is charged; fetching it is not
metered. Video, audio and 3D are no images and have no price per image: they are not metered here.
"""

import re

import msgspec

from usage.events import NO_UNITS, Units
from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import NOTHING, SentAsItIs, UnitsReader, count_of, decoded, object_of, text_of

ONE_IMAGE = Units(images=1)
# How PNG, JPEG and WebP files begin.
IMAGE_MARKS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")
# The model of /generate/sd3 when the form does not name one.
SD3_MODEL = "sd3.5-large"

_V2 = re.compile(
    r"/v2beta/stable-image/(?P<family>generate|edit|control|upscale)/(?P<name>[\w-]+)(?:/[\w-]+)?"
)
_V1 = re.compile(r"/v1/generation/(?P<engine>[^/]+)/(?P<verb>[\w-]+(?:/\w+)?)")


class _Answer(msgspec.Struct):
    id: str = ""
    image: msgspec.Raw = NOTHING
    artifacts: list[msgspec.Raw] | None = None
    errors: msgspec.Raw = NOTHING


_answers = msgspec.json.Decoder(_Answer)


class StabilityWire(SentAsItIs):
    """Reads `/v2beta/stable-image/*` and `/v1/generation/*`."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request asks for, in images."""
        if request.method != "POST":
            return None
        if path := _V2.fullmatch(request.path.rstrip("/")):
            return Call(operation="image_generation", model=_model(request, path), units=ONE_IMAGE)
        if path := _V1.fullmatch(request.path.rstrip("/")):
            samples = count_of(_field(request, "samples"))
            images = Units(images=1 if samples is None else samples)
            return Call(operation="image_generation", model=path["engine"], units=images)
        return None

    def reader(self, call: Call) -> Reader:
        """A reader that counts images."""
        return UnitsReader(_units, unsaid=NO_UNITS)


def _model(request: SentRequest, path: re.Match[str]) -> str:
    """`stable-image-core` of /generate/core; /generate/sd3 says its model in the form."""
    if path["name"] == "sd3":
        return text_of(_field(request, "model")) or SD3_MODEL
    generated = path["family"] == "generate"
    return f"stable-image-{path['name']}" if generated else f"stable-image-{path['family']}-{path['name']}"


def _field(request: SentRequest, name: str) -> object:
    """A field of a JSON body or of a multipart form."""
    if request.content_type.startswith("multipart/"):
        head = rb'name="?%b"?\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,100})\r\n' % name.encode()
        found = re.search(head, request.body)
        return found[1].decode(errors="replace") if found else None
    return object_of(request.body).get(name)


def _units(body: bytes) -> Units | None:
    """The images in an answer, which can be an image itself."""
    if body.startswith(IMAGE_MARKS):
        return ONE_IMAGE
    answer = decoded(body, _answers)
    if answer is None:
        return None
    if answer.artifacts is not None:
        return Units(images=len(answer.artifacts))
    made = bytes(answer.image) or (answer.id and not bytes(answer.errors))
    return ONE_IMAGE if made else Units(images=0)
