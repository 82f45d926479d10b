"""Who is let in, who stays and who comes back: tokens, renewal, recovery, on the real database. Rows 42 and 44."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from aggregator.actions.create_enrolment_token import create_enrolment_token, revoke_enrolment_token
from aggregator.actions.recover import begin_recovery
from aggregator.actions.renew import renew
from aggregator.actions.set_agents_state import set_agents_state
from aggregator.certificate_request import key_hash, proven_key
from aggregator.errors import Conflict, Denied, Invalid, NotFound
from aggregator.issuing import Issuer
from aggregator.store.database import Database
from tests.hosts import Host, issuer_in, token_for

Row = tuple[object, ...]


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return issuer_in(tmp_path)


async def rows(dsn: str, query: str) -> list[Row]:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        return await (await conn.execute(query)).fetchall()


async def agent_id(dsn: str, uuid: UUID) -> int:
    [(found,)] = await rows(dsn, f"select id from agent where uuid = '{uuid}'")  # noqa: S608
    assert isinstance(found, int)
    return found


async def test_a_host_gets_a_certificate_that_names_it_and_its_generation(
    db: Database, issuer: Issuer
) -> None:
    host = Host()
    given = await host.enrol(db, issuer, await token_for(db, issuer))
    certificate = x509.load_pem_x509_certificate(given.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"spiffe://ullage/agent/{given.uuid}",
        "urn:ullage:generation:1",
    ]
    assert certificate.public_key() == host.key.public_key()
    assert "whatever it says" not in certificate.subject.rfc4514_string()
    assert (given.name, given.site, given.generation) == ("web-01", "fra1", 1)


async def test_only_the_hash_of_a_token_is_stored(db: Database, issuer: Issuer, dsn: str) -> None:
    secret = await token_for(db, issuer)
    [(stored,)] = await rows(dsn, "select enrolment_token::text from enrolment_token")
    assert secret not in str(stored)
    assert len(secret) >= 43


async def test_of_hosts_that_race_for_a_token_exactly_one_wins(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    secret = await token_for(db, issuer)
    hosts = [Host(f"web-{number:02}") for number in range(8)]
    answers = await asyncio.gather(
        *(host.enrol(db, issuer, secret) for host in hosts), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert all(isinstance(answer, Denied) for answer in answers if isinstance(answer, BaseException))
    assert len(await rows(dsn, "select from agent")) == 1


async def test_the_same_key_asks_again_after_a_lost_reply_and_gets_the_same_agent(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    host, secret = Host(), await token_for(db, issuer)
    first = await host.enrol(db, issuer, secret)
    again = await host.enrol(db, issuer, secret)
    assert (again.uuid, again.generation) == (first.uuid, 2)
    with pytest.raises(Denied, match="used already"):
        await Host().enrol(db, issuer, secret)
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        await conn.execute("update enrolment_token set used_at = used_at - interval '2 hours'")
    with pytest.raises(Denied, match="used already"):
        await host.enrol(db, issuer, secret)


async def test_a_token_that_expired_was_revoked_or_never_was_lets_nobody_in(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    secret = await token_for(db, issuer)
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        await conn.execute("update enrolment_token set expires_at = now() - interval '1 second'")
    with pytest.raises(Denied, match="expired"):
        await Host().enrol(db, issuer, secret)
    made = await create_enrolment_token(db, issuer, site="fra1", host_name="", agent_id=None, seconds=60)
    assert (await revoke_enrolment_token(db, made.token.id)).state == "revoked"
    with pytest.raises(Denied, match="revoked"):
        await Host().enrol(db, issuer, made.secret)
    with pytest.raises(Denied, match="unknown"):
        await Host().enrol(db, issuer, "ullage-enrol_guessed")
    assert await rows(dsn, "select from agent") == []


async def test_a_token_for_another_host_stays_unused(db: Database, issuer: Issuer) -> None:
    secret = await token_for(db, issuer, host_name="db-01")
    with pytest.raises(Denied, match="db-01"):
        await Host("web-01").enrol(db, issuer, secret)
    assert (await Host("DB-01").enrol(db, issuer, secret)).name == "DB-01"


async def test_a_name_that_is_taken_leaves_the_token_unused(db: Database, issuer: Issuer) -> None:
    await Host("web-01").enrol(db, issuer, await token_for(db, issuer))
    secret = await token_for(db, issuer)
    with pytest.raises(Conflict, match="--for web-01"):
        await Host("web-01").enrol(db, issuer, secret)
    assert (await Host("web-02").enrol(db, issuer, secret)).name == "web-02"


async def test_a_token_for_an_agent_keeps_it_and_shuts_out_its_former_key(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    old, new = Host(boot_id="a"), Host(name="web-01-new", boot_id="b")
    first = await old.enrol(db, issuer, await token_for(db, issuer))
    secret = await token_for(db, issuer, agent_id=await agent_id(dsn, first.uuid))
    again = await new.enrol(db, issuer, secret, spool_agent=first.uuid)
    assert (again.uuid, again.name) == (first.uuid, "web-01")
    with pytest.raises(Denied, match="enrolled anew"):
        await old.renew(db, issuer, first)
    assert (await new.renew(db, issuer, again)).generation == 3


async def test_a_spool_of_another_agent_is_refused_with_advice_and_the_token_stays_unused(
    db: Database, issuer: Issuer
) -> None:
    secret = await token_for(db, issuer)
    with pytest.raises(Conflict, match="--for that agent"):
        await Host().enrol(db, issuer, secret, spool_agent=uuid4())
    await Host().enrol(db, issuer, secret)


def test_a_request_must_prove_a_p256_key() -> None:
    def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.DER)

    good = request(ec.generate_private_key(ec.SECP256R1()))
    assert proven_key(good).curve.name == "secp256r1"
    forged = bytearray(good)
    forged[-1] ^= 1
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for bad in (
        b"",
        b"\x30\x82",
        b"x" * 5_000,
        bytes(forged),
        request(rsa_key),
        request(ec.generate_private_key(ec.SECP384R1())),
    ):
        with pytest.raises(Invalid, match="csr"):
            proven_key(bad)


async def test_a_renewal_moves_the_generation_and_keeps_the_key(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    host = Host()
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    second = await host.renew(db, issuer, first)
    # The reply was lost: the first certificate is good for another.
    third = await host.renew(db, issuer, first)
    assert [second.generation, third.generation] == [2, 3]
    with pytest.raises(Invalid, match="key of the certificate"):
        await renew(
            db,
            issuer,
            uuid=third.uuid,
            generation=3,
            certified_key=key_hash(host.key.public_key()),
            csr=Host().csr,
            boot_id="boot-1",
        )
    ways = await rows(dsn, "select way, generation from certificate order by generation")
    assert ways == [("enrol", 1), ("renew", 2), ("renew", 3)]


async def test_an_agent_recovers_after_its_certificate_expired_but_not_after_thirty_days(
    db: Database, issuer: Issuer
) -> None:
    host = Host()
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    late = replace(issuer, clock=lambda: first.not_after + timedelta(days=29))
    recovered = await host.recover(db, late, first)
    assert (recovered.uuid, recovered.generation) == (first.uuid, 2)
    too_late = replace(issuer, clock=lambda: recovered.not_after + timedelta(days=31))
    with pytest.raises(Denied, match="30 days"):
        await host.recover(db, too_late, recovered)


async def test_a_nonce_is_good_once_and_for_its_agent_alone(db: Database, issuer: Issuer) -> None:
    host, other = Host(), Host("web-02")
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    stranger = await other.enrol(db, issuer, await token_for(db, issuer))
    nonce = await begin_recovery(db, uuid=first.uuid)
    await host.recover(db, issuer, first, nonce=nonce)
    with pytest.raises(Denied, match="nonce"):
        await host.recover(db, issuer, first, nonce=nonce)
    nonce = await begin_recovery(db, uuid=stranger.uuid)
    with pytest.raises(Denied, match="nonce"):
        await host.recover(db, issuer, first, nonce=nonce)


async def test_nobody_recovers_with_another_key_or_for_an_agent_that_is_unknown_or_revoked(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    host = Host()
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    with pytest.raises(Denied, match="not of the enrolled key"):
        await Host().recover(db, issuer, first)
    with pytest.raises(Denied, match="nonce"):
        await host.recover(db, issuer, replace(first, uuid=uuid4()))
    await set_agents_state(db, [await agent_id(dsn, first.uuid)], state="revoked", reason="stolen")
    with pytest.raises(Denied):
        await host.recover(db, issuer, first)


async def test_an_old_generation_does_not_recover(db: Database, issuer: Issuer) -> None:
    host = Host(boot_id="a")
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    second = await host.renew(db, issuer, first)
    await host.renew(db, issuer, second)
    with pytest.raises(Denied, match="newer certificate"):
        await host.recover(db, issuer, first)


async def test_revoked_is_final_and_states_need_reasons(db: Database, issuer: Issuer, dsn: str) -> None:
    host = Host()
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    number = await agent_id(dsn, first.uuid)
    for wrong in ({"state": "gone", "reason": "x"}, {"state": "held", "reason": ""}):
        with pytest.raises(Invalid):
            await set_agents_state(db, [number], **wrong)
    with pytest.raises(NotFound):
        await set_agents_state(db, [number, 999], state="retired", reason="")
    assert await set_agents_state(db, [number], state="retired", reason="") == 1
    assert await set_agents_state(db, [number], state="retired", reason="") == 0
    with pytest.raises(Denied, match="retired"):
        await host.renew(db, issuer, first)
    await set_agents_state(db, [number], state="active", reason="")
    await set_agents_state(db, [number], state="revoked", reason="stolen")
    with pytest.raises(Conflict, match="final"):
        await set_agents_state(db, [number], state="active", reason="")
    with pytest.raises(Conflict, match="final"):
        await token_for(db, issuer, agent_id=number)
