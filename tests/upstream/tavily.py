"""Tavily: searches and extractions; credits are told when asked for."""

from tests.upstream.script import Answer, Received, Script, refusal, whole

RESULT = {"title": "Salt", "url": "https://example.com/salt", "content": "Salt is cheap.", "score": 0.9}
PAGE = {"url": "https://example.com/salt", "raw_content": "Salt is cheap."}


def answer(request: Received, script: Script) -> Answer:
    asked = request.json
    usage = {"usage": {"credits": script.units}} if asked.get("include_usage") and script.tells_usage else {}
    end = {"response_time": 0.4, "request_id": "r9", **usage}
    match request.path:
        case "/search":
            found = {"answer": None, "follow_up_questions": None, "images": [], "results": [RESULT]}
            return whole({"query": asked["query"], **found, **end})
        case "/extract":
            return whole({"results": [PAGE] * len(asked["urls"]), "failed_results": [], **end})
    return error(404)


def error(status: int) -> Answer:
    return refusal(status, {"detail": {"error": f"The upstream answered {status}."}})
