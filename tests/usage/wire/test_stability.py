import pytest

from tests.support.wires import answered, call, posted
from usage.events import NO_UNITS, Units
from usage.wire.base import Reading, SentRequest
from usage.wire.stability import StabilityWire

WIRE = StabilityWire()
ONE = Reading(units=Units(images=1))
GENERATE = "/v2beta/stable-image/generate"
V1 = "/v1/generation/stable-diffusion-xl-1024-v1-0"


def form(path: str, **fields: str) -> SentRequest:
    """A form as browsers and HTTP clients write it."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    body = "".join([*parts, "--b--\r\n"]).encode()
    return posted(path, body, content_type="multipart/form-data; boundary=b")


CORE = form(f"{GENERATE}/core", prompt="a cat")


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (CORE, "stable-image-core"),
        (form(f"{GENERATE}/ultra", prompt="a cat"), "stable-image-ultra"),
        (form(f"{GENERATE}/sd3", prompt="a cat"), "sd3.5-large"),
        (form(f"{GENERATE}/sd3", prompt="a cat", model="sd3.5-medium"), "sd3.5-medium"),
        (form("/v2beta/stable-image/edit/inpaint", prompt="a cat"), "stable-image-edit-inpaint"),
        (form("/v2beta/stable-image/upscale/creative", prompt="a cat"), "stable-image-upscale-creative"),
    ],
)
def test_a_form_asks_for_one_image_of_a_model(request_: SentRequest, model: str) -> None:
    asked = call(WIRE, request_)

    assert (asked.operation, asked.model, asked.units) == ("image_generation", model, Units(images=1))
    assert WIRE.prepared(request_, asked, output_cap=None) is request_.body


@pytest.mark.parametrize(
    ("request_", "images"),
    [
        (posted(f"{V1}/text-to-image", {"text_prompts": [{"text": "a cat"}], "samples": 4}), 4),
        (posted(f"{V1}/text-to-image", {"text_prompts": [{"text": "a cat"}]}), 1),
        (form(f"{V1}/image-to-image", samples="3"), 3),
        (form(f"{V1}/image-to-image/upscale", width="2048"), 1),
        (posted(f"{V1}/text-to-image", b"not json"), 1),
    ],
)
def test_samples_are_held_as_images(request_: SentRequest, images: int) -> None:
    asked = call(WIRE, request_)

    assert (asked.model, asked.units) == ("stable-diffusion-xl-1024-v1-0", Units(images=images))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2beta/results/abc"), ("GET", "/v1/user/balance"), ("POST", "/v2beta/image-to-video"),
     ("GET", f"{GENERATE}/core")],
)  # fmt: skip
def test_what_makes_no_image_is_not_metered(method: str, path: str) -> None:
    assert WIRE.call_of(SentRequest(method=method, path=path)) is None


@pytest.mark.parametrize(
    "body", [b"\x89PNG\r\n\x1a\n\x00", b"\xff\xd8\xff\xe0\x00", b"RIFF\x00\x00\x00\x00WEBP"]
)
def test_an_answer_that_is_an_image_is_one(body: bytes) -> None:
    assert answered(WIRE, CORE, body) == ONE


@pytest.mark.parametrize(
    ("answer", "images"),
    [
        ({"image": "iVBORw0KGgo=", "finish_reason": "SUCCESS", "seed": 343940597}, 1),
        ({"artifacts": [{"base64": "iVBO", "finishReason": "SUCCESS", "seed": 1}] * 3}, 3),
        # An image made later is charged when it is asked for.
        ({"id": "a6dc6c6e20acda010fe14d71f180658f2896ed9b4ec25aa99a6ff06c796987c4"}, 1),
        ({"id": "a6dc", "name": "bad_request", "errors": ["prompt: is required"]}, 0),
    ],
)
def test_an_answer_in_json_counts_its_images(answer: object, images: int) -> None:
    assert answered(WIRE, CORE, answer) == Reading(units=Units(images=images))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
def test_an_answer_nobody_can_read_brought_no_image(body: bytes) -> None:
    assert answered(WIRE, CORE, body) == Reading(units=NO_UNITS)
