"""The `RateLimit` and `RateLimit-Policy` fields of HTTP answers.

They follow draft-ietf-httpapi-ratelimit-headers (revision 10): both are Lists of Strings with parameters in
the sense of RFC 9651. The policy says what is allowed, `RateLimit` what is left of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# A List member costs about 60 bytes; servers and proxies in front accept 8 KiB of fields and often less.
MAX_LIMITS = 20
# The largest Integer of RFC 9651 has fifteen digits.
MAX_INTEGER = 999_999_999_999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A limit as a client may know it: `remaining` of `quota` units, counted over `window_s` seconds, full
    again in `reset_s` seconds. None where there is no such time. The fields know whole units only.
    """

    name: str
    quota: int
    remaining: int
    window_s: int | None = None
    reset_s: int | None = None


def headers(limits: Sequence[RateLimit]) -> dict[str, str]:
    """The two fields for `limits`, in their order; none at all when there are no limits, as a List is never
    empty. Of more than MAX_LIMITS those with the smallest share left are named.
    """
    if not limits:
        return {}
    named = limits if len(limits) <= MAX_LIMITS else sorted(limits, key=_share_left)[:MAX_LIMITS]
    return {
        "RateLimit-Policy": ", ".join(_member(one.name, q=one.quota, w=one.window_s) for one in named),
        "RateLimit": ", ".join(_member(one.name, r=one.remaining, t=one.reset_s) for one in named),
    }


def _share_left(limit: RateLimit) -> tuple[int, int]:
    # Thousandths: an order needs no more, and stays in whole numbers.
    return limit.remaining * 1000 // max(limit.quota, 1), limit.remaining


def _member(name: str, **parameters: int | None) -> str:
    stated = (f";{key}={_integer(value)}" for key, value in parameters.items() if value is not None)
    return _string(name) + "".join(stated)


def _integer(value: int) -> int:
    return min(max(value, 0), MAX_INTEGER)


def _string(text: str) -> str:
    """`text` as a String, which holds printable ASCII only."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
