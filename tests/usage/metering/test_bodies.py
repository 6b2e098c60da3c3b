"""Decoders that run beside the stream, and bounds on what is kept."""

import gzip
import zlib

import pytest

from tests.support.metering import ANSWER, ToyReader
from usage.core.errors import InvalidRequest, TooLarge
from usage.metering import bodies
from usage.metering.bodies import Collected, Decoder, WholeTap, decoded_request, is_readable
from usage.wire.base import Call

TEXT = b"the quick brown fox " * 50


def raw_deflate(data: bytes) -> bytes:
    """Without the zlib wrapper, as many servers send it."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
    ids=["gzip", "x-gzip", "two members", "zlib", "raw"],
)
def test_a_body_is_decoded_however_it_is_cut(encoding: str, body: bytes, size: int) -> None:
    decoder = Decoder(encoding)
    pieces = [decoder.feed(body[at : at + size]) for at in range(0, len(body), size)]

    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, deflate", "nonsense"])
def test_other_encodings_are_not_claimed_to_be_readable(encoding: str) -> None:
    assert not is_readable(encoding)


def a_tap(*, decoder: Decoder | None = None) -> tuple[WholeTap, ToyReader]:
    reader = ToyReader(Call(operation="chat", input_tokens=3))
    return WholeTap(reader, decoder=decoder), reader


def test_an_answer_up_to_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_ANSWER_BYTES", len(ANSWER))
    tap, reader = a_tap()

    assert tap.feed(ANSWER) + tap.end() == ANSWER
    assert not reader.reading().estimated


def test_an_answer_over_the_bound_passes_and_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_ANSWER_BYTES", len(ANSWER) - 1)
    tap, reader = a_tap()

    assert tap.feed(ANSWER) + tap.feed(ANSWER) + tap.end() == ANSWER * 2
    assert reader.reading().estimated


def test_an_answer_that_is_not_what_it_says_passes_and_is_estimated() -> None:
    tap, reader = a_tap(decoder=Decoder("gzip"))

    assert tap.feed(ANSWER) + tap.end() == ANSWER
    assert reader.reading().estimated


def test_what_there_is_of_an_answer_that_was_cut_is_read() -> None:
    tap, reader = a_tap()
    tap.feed(ANSWER)
    tap.cut()

    assert reader.reading().output_tokens == 7


def test_nothing_is_read_of_an_answer_that_was_cut_at_once() -> None:
    tap, reader = a_tap()
    tap.cut()

    assert reader.reading().estimated


def test_a_request_body_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_REQUEST_BYTES", 10)
    collected = Collected()
    collected.add(b"12345")
    collected.add(b"67890")

    assert collected.body() == b"1234567890"
    with pytest.raises(TooLarge, match="larger than 10 bytes"):
        collected.add(b"1")


def test_a_request_that_is_not_what_it_says_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Content-Encoding 'gzip'"):
        decoded_request(b"plain", encoding="gzip")
