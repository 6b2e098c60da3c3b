"""Attribution by context: nesting, threads, tasks, decorators."""

import asyncio
import contextvars
import threading

import pytest

from usage.core.errors import InvalidRequest
from usage.events import Tags
from usage.metering.context import Attribution, attribute, current


def test_nothing_is_known_outside() -> None:
    assert current() == Attribution()


def test_what_an_inner_block_leaves_out_stays() -> None:
    with attribute(customer="acme", end_user="u1", tags={"team": "search"}, byok=True):
        with attribute(end_user="u2", tags=Tags(project="apollo"), byok=False):
            inner = current()
        outer = current()

    assert inner == Attribution(
        customer="acme", end_user="u2", tags=Tags(team="search", project="apollo"), byok=False
    )
    assert outer == Attribution(customer="acme", end_user="u1", tags=Tags(team="search"), byok=True)
    assert current() == Attribution()


def test_an_exception_ends_it_too() -> None:
    with pytest.raises(KeyError), attribute(customer="acme"):
        raise KeyError

    assert current().customer == ""


def test_a_function_can_be_decorated() -> None:
    @attribute(customer="acme")
    def whose(depth: int) -> list[str]:
        """Says whose call it is."""
        return [current().customer, *(whose(depth - 1) if depth else [])]

    assert whose(2) == ["acme"] * 3
    assert whose.__doc__ == "Says whose call it is."
    assert current().customer == ""


def test_a_coroutine_function_can_be_decorated_and_run_side_by_side() -> None:
    @attribute(customer="acme")
    async def whose(user: str) -> tuple[str, str]:
        with attribute(end_user=user):
            await asyncio.sleep(0)
            return current().customer, current().end_user

    async def main() -> list[tuple[str, str]]:
        return list(await asyncio.gather(*(whose(user) for user in ("u1", "u2", "u3"))))

    assert asyncio.run(main()) == [("acme", "u1"), ("acme", "u2"), ("acme", "u3")]


def test_a_thread_with_a_copied_context_is_attributed_and_another_is_not() -> None:
    seen: dict[str, str] = {}

    def look(name: str) -> None:
        seen[name] = current().customer

    with attribute(customer="acme"):
        copied = contextvars.copy_context()
        threads = [
            threading.Thread(target=look, args=("bare",)),
            threading.Thread(target=copied.run, args=(look, "copied")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert seen == {"bare": "", "copied": "acme"}


@pytest.mark.parametrize("tags", [{"squad": "x"}, {"team": "x" * 129}])
def test_a_tag_that_is_none_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="team, project, department"):
        attribute(tags=tags)
