"""The one way to the aggregator: what fails says what to do, and the watch never gives up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest
import trustme

from tests.tui.estate import estate
from tests.tui.scripted import Script, Scripted, expired_certificate
from tui.client import Aggregator, Changed, Connected, Event, Lost, Page
from tui.failures import CallFailed, Kind
from tui.settings import Settings

WAIT_SECONDS_MAX = 20.0


async def failure(settings: Settings) -> CallFailed:
    async with Aggregator(settings) as aggregator:
        with pytest.raises(CallFailed) as caught:
            await aggregator.clients(Page())
    return caught.value


async def test_a_certificate_of_another_authority_is_named(aggregator: Scripted) -> None:
    error = await failure(replace(aggregator.settings, ca=trustme.CA().cert_pem.bytes()))
    assert error.kind is Kind.SETTINGS
    assert "another authority" in str(error)


async def test_an_authority_that_is_garbage_is_named(aggregator: Scripted) -> None:
    error = await failure(replace(aggregator.settings, ca=b"-----BEGIN CERTIFICATE-----\nx\n"))
    assert error.kind is Kind.SETTINGS
    assert "--ca" in str(error)


@pytest.fixture
async def badly_dressed(authority: trustme.CA, request: pytest.FixtureRequest) -> AsyncIterator[Scripted]:
    """An aggregator with an expired certificate, or with one for another host."""
    made = (
        expired_certificate(authority)
        if request.param == "expired"
        else authority.issue_cert("other.example")
    )
    scripted = Scripted(estate(), authority, made)
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.mark.parametrize(
    ("badly_dressed", "kind", "words"),
    [("expired", Kind.AWAY, "has expired"), ("misnamed", Kind.SETTINGS, "not for the host")],
    indirect=["badly_dressed"],
)
async def test_a_certificate_that_does_not_fit_is_named(
    badly_dressed: Scripted, kind: Kind, words: str
) -> None:
    error = await failure(badly_dressed.settings)
    assert (error.kind, words in str(error)) == (kind, True)


async def test_a_refused_key_is_named_and_not_repeated(aggregator: Scripted) -> None:
    key = "ullage_wrong0123456789abcdef"
    error = await failure(replace(aggregator.settings, key=key))
    assert error.kind is Kind.DENIED
    assert "key" in str(error)
    assert key not in str(error)


async def test_an_aggregator_that_is_not_there_is_away(aggregator: Scripted) -> None:
    await aggregator.stop()
    error = await failure(aggregator.settings)
    assert error.kind is Kind.AWAY
    assert "Nothing listens" in str(error)


async def test_what_speaks_no_tls_is_the_wrong_address(aggregator: Scripted) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(replace(aggregator.settings, address=f"127.0.0.1:{port}"))
    assert error.kind is Kind.SETTINGS
    assert "--address" in str(error)


@pytest.mark.parametrize(
    ("status", "details", "kind", "words"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "page.sort: no", Kind.REFUSED, "Page.sort: no."),
        (grpc.StatusCode.NOT_FOUND, "there is no asset 7", Kind.REFUSED, "There is no asset 7."),
        (grpc.StatusCode.FAILED_PRECONDITION, "look again", Kind.REFUSED, "Look again."),
        (grpc.StatusCode.PERMISSION_DENIED, "needs role admin", Kind.DENIED, "Needs role admin."),
        (grpc.StatusCode.UNAVAILABLE, "the database is away", Kind.AWAY, "The database is away."),
        (grpc.StatusCode.UNIMPLEMENTED, "", Kind.FAILED, "another version"),
        (grpc.StatusCode.INTERNAL, "error 4711", Kind.FAILED, "4711"),
    ],
)
async def test_every_answer_is_a_sentence_of_its_kind(
    aggregator: Scripted, status: grpc.StatusCode, details: str, kind: Kind, words: str
) -> None:
    aggregator.script.failure = (status, details)
    error = await failure(aggregator.settings)
    assert (error.kind, words in str(error)) == (kind, True)


async def events_until(aggregator: Aggregator, *wanted: type[Event]) -> AsyncIterator[Event]:
    """The events of a watch, until one of each of these has come, in this order."""
    missing = list(wanted)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        async for event in aggregator.watch():
            yield event
            if missing and isinstance(event, missing[0]):
                missing.pop(0)
            if not missing:
                return


async def test_the_watch_comes_back_by_itself_and_counts_its_attempts(aggregator: Scripted) -> None:
    attempts: list[int] = []
    async with Aggregator(aggregator.settings) as seen:
        async for event in events_until(seen, Connected, Lost, Connected, Changed):
            match event:
                case Connected() if not attempts:
                    await aggregator.stop()
                case Connected():
                    aggregator.tell("asset")
                case Lost(attempt):
                    attempts.append(attempt)
                    if attempt == 3:
                        await aggregator.start()
                case Changed(noun):
                    assert noun == "asset"
    assert attempts[:3] == [1, 2, 3]


async def test_a_call_works_again_after_the_watch_has_reconnected(aggregator: Scripted) -> None:
    async with Aggregator(aggregator.settings) as seen:
        async for event in events_until(seen, Connected, Lost, Connected):
            if isinstance(event, Connected) and not aggregator.requests[1:]:
                await aggregator.stop()
            elif isinstance(event, Lost) and event.attempt == 1:
                await aggregator.start()
        assert (await seen.clients(Page())).page.total == 12


async def test_a_watch_that_falls_silent_is_lost(
    aggregator: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.client.watch.WATCH_SILENCE_SECONDS_MAX", 0.2)
    async with Aggregator(aggregator.settings) as seen:
        async for event in events_until(seen, Connected, Lost):
            if isinstance(event, Lost):
                assert "silent" in event.reason


async def test_a_client_is_found_by_its_id_whatever_it_is_called(aggregator: Scripted) -> None:
    aggregator.script.clients[0].name = "Brook & Daughters"
    async with Aggregator(aggregator.settings) as seen:
        assert (await seen.client(1)).name == "Brook & Daughters"
        with pytest.raises(CallFailed, match="no client 99"):
            await seen.client(99)


def test_a_script_is_the_same_every_time() -> None:
    one, two = estate(), estate()
    assert isinstance(one, Script)
    assert (one.assets, one.buckets, one.clients) == (two.assets, two.buckets, two.clients)
