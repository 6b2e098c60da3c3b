"""Stability: one image per call of the current API, `samples` of them per call of the first one."""

import base64

from tests.upstream.script import Answer, Received, Script, refusal, whole

# The eight bytes every PNG begins with are all that anybody looks at here.
PNG = b"\x89PNG\r\n\x1a\n"


def answer(request: Received, script: Script) -> Answer:
    image = base64.b64encode(PNG).decode()
    if request.path.startswith("/v2beta/stable-image/"):
        if request.headers["accept"] == "image/*":
            headers = {"finish-reason": "SUCCESS", "seed": "7"}
            return Answer(body=PNG, content_type="image/png", headers=headers)
        return whole({"image": image, "finish_reason": "SUCCESS", "seed": 7})
    if request.path.startswith("/v1/generation/"):
        artifact = {"base64": image, "finishReason": "SUCCESS", "seed": 7}
        return whole({"artifacts": [artifact] * request.json.get("samples", 1)})
    return error(404)


def error(status: int) -> Answer:
    return refusal(status, {"id": "9", "name": "error", "errors": [f"The upstream answered {status}."]})
