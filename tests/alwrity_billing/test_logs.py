"""What a handler writes, through the configuration the settings use."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
from django.conf import settings

from alwrity_billing import logs

SECRET = "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe"
API_KEY = f"a1B2c3D4.{SECRET}"


class Log:
    """A logger of its own, with the project's handler writing to memory."""

    def __init__(self, *, json: bool) -> None:
        configuration = logs.configuration(json=json, level="INFO")
        configuration["handlers"]["stderr"]["stream"] = self.stream = io.StringIO()
        configuration["loggers"] = {"tests.log": {"handlers": ["stderr"], "propagate": False}}
        del configuration["root"]
        logging.config.dictConfig({**configuration, "incremental": False})
        self.logger = logging.getLogger("tests.log")

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def lines() -> Iterator[Log]:
    yield Log(json=False)
    logging.config.dictConfig(settings.LOGGING)


@pytest.fixture
def documents() -> Iterator[Log]:
    yield Log(json=True)
    logging.config.dictConfig(settings.LOGGING)


def test_a_secret_in_the_message_is_not_written(lines: Log) -> None:
    lines.logger.warning(f"refused {API_KEY}")

    assert "refused a1B2c3D4.[removed]" in lines.text


def test_a_secret_in_an_argument_is_not_written(lines: Log) -> None:
    lines.logger.warning("refused %s from %s", API_KEY, "10.0.0.1")

    assert "refused a1B2c3D4.[removed] from 10.0.0.1" in lines.text


def test_a_secret_in_an_exception_is_not_written(lines: Log) -> None:
    try:
        raise ValueError(f"bad key {API_KEY}")
    except ValueError:
        lines.logger.exception("failed")

    assert "ValueError: bad key a1B2c3D4.[removed]" in lines.text
    assert SECRET not in lines.text


def test_a_wrong_format_string_is_written_and_raises_nothing(lines: Log) -> None:
    lines.logger.warning("%d events", API_KEY)

    assert "%d events" in lines.text
    assert SECRET not in lines.text


def test_production_writes_one_json_document_a_line(documents: Log) -> None:
    documents.logger.info("recorded %d events", 3, extra={"account": "acme"})

    document = json.loads(documents.text)
    assert document.pop("time").endswith("+00:00")
    assert document == {
        "level": "INFO",
        "logger": "tests.log",
        "message": "recorded 3 events",
        "account": "acme",
    }


def test_extra_fields_are_scrubbed(documents: Log) -> None:
    documents.logger.info("called", extra={"headers": {"Authorization": "Bearer x", "Accept": "*/*"}})

    assert json.loads(documents.text)["headers"] == {"Authorization": "[removed]", "Accept": "*/*"}


def test_an_exception_stays_inside_its_json_line(documents: Log) -> None:
    try:
        raise ValueError(f"bad key {API_KEY}")
    except ValueError:
        documents.logger.exception("failed")

    assert json.loads(documents.text)["exception"].endswith("bad key a1B2c3D4.[removed]")


def test_django_writes_through_the_same_handler_and_no_other() -> None:
    loggers = [logging.getLogger(name) for name in ("django", "django.server", "django.request")]

    assert [logger.handlers for logger in loggers] == [[], [], []]
    assert all(logger.propagate for logger in loggers)
