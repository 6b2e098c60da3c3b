"""USAGE_METERING, the setting by which a host project tells the middleware whom its calls are for.

    USAGE_METERING = {
        "CUSTOMER": "request.user.organisation.slug",
        "END_USER": "request.user.pk",
        "TAGS": {"team": "request.user.team.slug"},
        "PATH": r"/api/",
        "METER": "shop.metering.meter",
        "CHECKS": [{"path": r"/api/chat/", "operations": [{"provider": "openai", "model": "gpt-4o"}]}],
    }

Everything may be left out. CUSTOMER, END_USER and each tag are given by an attribute path that begins with
"request.", or by a function that takes the request, or the dotted path of one; TAGS also by one function for
all. PATH and a check's path are regular expressions for the beginning of a request's path.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Annotated, Any, cast

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.http import HttpRequest
from django.utils.module_loading import import_string

from usage.events import Tags
from usage.metering.context import Attribution
from usage.metering.protocol import Meter
from usage.metering.records import MAX_ENDPOINT, MAX_NAME
from usage.operations import MAX_OPERATIONS, Operation

SETTING = "USAGE_METERING"
REQUEST = "request."
DEFAULTS: dict[str, Any] = {
    "CUSTOMER": "request.user.pk",
    "END_USER": "request.user.pk",
    "TAGS": {},
    "PATH": "",
    "METER": None,
    "CHECKS": [],
}
# A browser's question whether it may ask; no view of the host answers it.
UNCHECKED_METHODS = frozenset({"OPTIONS"})

Of = Callable[[HttpRequest], Any]


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operations that requests to a path carry out, held before their view runs."""

    path: str
    operations: Annotated[list[Operation], msgspec.Meta(min_length=1, max_length=MAX_OPERATIONS)]
    methods: list[str] | None = None

    def matches(self, request: HttpRequest) -> bool:
        if re.match(self.path, request.path_info) is None:
            return False
        method = request.method or ""
        return method not in UNCHECKED_METHODS if self.methods is None else method in self.methods


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """The setting, read."""

    customer: Of
    end_user: Of
    tags: Of
    path: re.Pattern[str]
    checks: tuple[Check, ...]
    meter_source: Any

    def attribution(self, request: HttpRequest) -> Attribution:
        """Whom the calls made for `request` are attributed to; its URL must have been resolved.

        The endpoint is the URL's route, so that the same view counts as one whatever the ids in its path.
        """
        match = request.resolver_match
        return Attribution(
            customer=_name(self.customer(request)),
            end_user=_name(self.end_user(request)),
            endpoint="" if match is None else f"/{match.route}"[:MAX_ENDPOINT],
            tags=Tags(**{name: _name(value) for name, value in self.tags(request).items()}),
        )

    def check_for(self, request: HttpRequest) -> Check | None:
        """The first check of its path."""
        return next((check for check in self.checks if check.matches(request)), None)

    @cached_property
    def meter(self) -> Meter:
        """The meter, fetched at its first use: it may need models, or threads after a fork."""
        source = self.meter_source
        found = import_string(source) if isinstance(source, str) else source
        return cast("Meter", found() if callable(found) else found)


def host_settings() -> HostSettings:
    """The host project's setting; raises ImproperlyConfigured naming the field that is wrong."""
    given = getattr(settings, SETTING, {})
    if unknown := ", ".join(sorted(set(given) - set(DEFAULTS))):
        raise ImproperlyConfigured(f"{SETTING} knows no {unknown}: it takes {', '.join(DEFAULTS)}.")
    values = DEFAULTS | given
    checks = _checks(values["CHECKS"])
    if checks and values["METER"] is None:
        raise ImproperlyConfigured(
            f'{SETTING}["CHECKS"] need a "METER", such as "usage.metering.local.shared".'
        )
    return HostSettings(
        customer=_read("CUSTOMER", values["CUSTOMER"]),
        end_user=_read("END_USER", values["END_USER"]),
        tags=_tags(values["TAGS"]),
        path=_pattern("PATH", values["PATH"]),
        checks=checks,
        meter_source=values["METER"],
    )


def _read(field: str, given: Any) -> Of:
    if callable(given):
        return cast("Of", given)
    if not isinstance(given, str):
        raise ImproperlyConfigured(f'{SETTING}["{field}"] takes a function or a dotted path, not {given!r}.')
    if given.startswith(REQUEST):
        return partial(_attribute_of, attrgetter(given.removeprefix(REQUEST)))
    try:
        return cast("Of", import_string(given))
    except ImportError as missing:
        raise ImproperlyConfigured(
            f'{SETTING}["{field}"]: {missing} An attribute of the request begins with "{REQUEST}".'
        ) from missing


def _tags(given: Any) -> Of:
    if not isinstance(given, Mapping):
        return _read("TAGS", given)
    if unknown := ", ".join(sorted(set(given) - set(Tags.__struct_fields__))):
        known = ", ".join(Tags.__struct_fields__)
        raise ImproperlyConfigured(f'{SETTING}["TAGS"] knows no {unknown}: it takes {known}.')
    readers = {name: _read("TAGS", source) for name, source in given.items()}
    return lambda request: {name: read(request) for name, read in readers.items()}


def _checks(given: Any) -> tuple[Check, ...]:
    try:
        checks = msgspec.convert(given, list[Check])
    except msgspec.ValidationError as wrong:
        raise ImproperlyConfigured(f'{SETTING}["CHECKS"]: {wrong}') from wrong
    for check in checks:
        _pattern("CHECKS", check.path)
    return tuple(checks)


def _pattern(field: str, given: Any) -> re.Pattern[str]:
    try:
        return re.compile(given)
    except (re.error, TypeError) as wrong:
        raise ImproperlyConfigured(f'{SETTING}["{field}"] takes regular expressions: {wrong}.') from wrong


def _attribute_of(get: Callable[[Any], Any], request: HttpRequest) -> Any:
    """The attribute; nothing where it is missing, as of someone who is not logged in."""
    try:
        return get(request)
    except (AttributeError, ObjectDoesNotExist):
        return None


def _name(given: Any) -> str:
    return "" if given is None else str(given)[:MAX_NAME]
