"""Whom the calls made here are attributed to, carried by context variables.

They follow threads started with a copied context and asyncio tasks by themselves, so that a provider call
deep inside a request is attributed without passing anything along.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

import msgspec

from usage.core.errors import InvalidRequest
from usage.events import Tags

P = ParamSpec("P")
R = TypeVar("R")

NO_TAGS = Tags()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What calls are attributed to; empty where nothing is known. `byok` None leaves it to the transport."""

    customer: str = ""
    end_user: str = ""
    endpoint: str = ""
    request_type: str = ""
    tags: Tags = NO_TAGS
    byok: bool | None = None

    def within(self, outer: "Attribution") -> "Attribution":
        """This attribution where it says something, `outer` where it does not; tags are merged one by one."""
        return Attribution(
            customer=self.customer or outer.customer,
            end_user=self.end_user or outer.end_user,
            endpoint=self.endpoint or outer.endpoint,
            request_type=self.request_type or outer.request_type,
            tags=_merged(self.tags, outer.tags),
            byok=outer.byok if self.byok is None else self.byok,
        )


_NOBODY = Attribution()
_current: ContextVar[Attribution] = ContextVar("metering_attribution", default=_NOBODY)


def current() -> Attribution:
    """What holds where this is called."""
    return _current.get()


class Binding:
    """An attribution as a context manager (once) or as a decorator (any number of times)."""

    def __init__(self, given: Attribution) -> None:
        self._given = given
        self._token: Token[Attribution] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self._given.within(_current.get()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        return decorated(function, binding=lambda: Binding(self._given))


def attribute(
    *,
    customer: str | int = "",
    end_user: str | int = "",
    endpoint: str = "",
    request_type: str = "",
    tags: Tags | Mapping[str, str] = NO_TAGS,
    byok: bool | None = None,
) -> Binding:
    """Attribute the calls made inside to these; what is left out stays as it is outside.

    `customer` is the account's external id, `tags` has any of team, project and department, `byok` says that
    the customer's own provider key pays. Raises InvalidRequest for a tag of another name.

        with attribute(customer="acme", tags={"team": "search"}):
            client.chat.completions.create(...)
    """
    return Binding(
        Attribution(
            # A primary key is an id too.
            customer=str(customer),
            end_user=str(end_user),
            endpoint=endpoint,
            request_type=request_type,
            tags=tags if isinstance(tags, Tags) else _tags(tags),
            byok=byok,
        )
    )


def decorated(function: Callable[P, R], *, binding: Callable[[], Any]) -> Callable[P, R]:
    """`function`, or coroutine function, run each time inside a context manager that `binding` makes anew.

    A coroutine function is run inside `async with` where that context manager has one.
    """
    if not inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with binding():
                return function(*args, **kwargs)

        return run

    @functools.wraps(function)
    async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
        manager = binding()
        if hasattr(manager, "__aenter__"):
            async with manager:
                return await function(*args, **kwargs)
        with manager:
            return await function(*args, **kwargs)

    return cast("Callable[P, R]", run_async)


def _merged(inner: Tags, outer: Tags) -> Tags:
    if inner == NO_TAGS or outer == NO_TAGS:
        return outer if inner == NO_TAGS else inner
    given = {name: value for name, value in msgspec.structs.asdict(inner).items() if value}
    return msgspec.structs.replace(outer, **given)


def _tags(given: Mapping[str, str]) -> Tags:
    try:
        return msgspec.convert(dict(given), Tags)
    except msgspec.ValidationError as wrong:
        names = ", ".join(Tags.__struct_fields__)
        raise InvalidRequest(f"tags takes texts of up to 128 characters for {names}.") from wrong
