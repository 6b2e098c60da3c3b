"""The command line that sends an account's first event, ready to be pasted into a shell."""

import json
import shlex

from usage.models import Account

KEY_PLACEHOLDER = "YOUR_API_KEY"


def curl_line(account: Account, *, url: str) -> str:
    """A curl command that posts one small call of `account` to `url`; only the key is left to fill in."""
    event = {
        "id": "my-first-call",
        "source": "my-app",
        "subject": account.external_id,
        "data": {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 300,
        },
    }
    parts = [
        f"curl {shlex.quote(url)}",
        f"  -H 'Authorization: Bearer {KEY_PLACEHOLDER}'",
        "  -H 'Content-Type: application/json'",
        f"  -d {shlex.quote(json.dumps(event, indent=2))}",
    ]
    return " \\\n".join(parts)
