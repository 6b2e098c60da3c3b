"""Firecrawl: a page per scrape, and crawls that are started, asked after, and tell their credits."""

from tests.upstream.script import Answer, Received, Script, refusal, whole

PAGE = {
    "markdown": "# Salt\n\nSalt is cheap.",
    "metadata": {"title": "Salt", "sourceURL": "https://example.com/salt", "statusCode": 200},
}
JOB = "0199a1b2-0000-7000-8000-000000000009"


def answer(request: Received, script: Script) -> Answer:
    match request.method, request.path:
        case "POST", "/v2/scrape":
            metadata = {**PAGE["metadata"], "creditsUsed": script.units}  # type: ignore[dict-item]
            return whole({"success": True, "data": {**PAGE, "metadata": metadata}})
        case "POST", "/v2/search":
            found = [{"url": "https://example.com/salt", "title": "Salt", "description": "Salt is cheap."}]
            return whole({"success": True, "data": {"web": found}, "creditsUsed": script.units})
        case "POST", "/v2/crawl":
            return whole({"success": True, "id": JOB, "url": f"https://api.firecrawl.dev/v2/crawl/{JOB}"})
        case "GET", path if path == f"/v2/crawl/{JOB}":
            return _finished(script)
    return error(404)


def error(status: int) -> Answer:
    return refusal(status, {"success": False, "error": f"The upstream answered {status}."})


def _finished(script: Script) -> Answer:
    pages = [PAGE] * script.units
    counts = {"total": len(pages), "completed": len(pages), "creditsUsed": script.units}
    expiry = "2026-03-16T12:00:00.000Z"
    return whole({"success": True, "status": "completed", **counts, "expiresAt": expiry, "data": pages})
