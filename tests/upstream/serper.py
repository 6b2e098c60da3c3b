"""Serper: Google's results, with the credits they cost."""

from tests.upstream.script import Answer, Received, Script, refusal, whole


def answer(request: Received, script: Script) -> Answer:
    if request.path not in ("/search", "/news"):
        return error(404)
    kind = request.path.removeprefix("/")
    found = {"title": "Salt", "link": "https://example.com/salt", "snippet": "Salt is cheap.", "position": 1}
    told = {"credits": script.units} if script.tells_usage else {}
    asked = {"q": request.json["q"], "type": kind, "engine": "google"}
    return whole({"searchParameters": asked, "organic": [found], **told})


def error(status: int) -> Answer:
    return refusal(status, {"message": f"The upstream answered {status}.", "statusCode": status})
