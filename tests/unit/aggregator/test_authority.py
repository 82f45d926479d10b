"""The authority: what its certificates prove, and how its keys lie on disk."""

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from aggregator import authority
from aggregator.errors import Conflict, Invalid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def own(tmp_path: Path) -> authority.Authority:
    return authority.create_authority(tmp_path / "authority", now=NOW)


def verifier(own: authority.Authority, at: datetime = NOW) -> PolicyBuilder:
    return PolicyBuilder().store(Store([own.certificate])).time(at)


def loaded(issued: authority.Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def test_an_agents_certificate_proves_its_uuid_to_a_server(own: authority.Authority) -> None:
    uuid = uuid4()
    certificate = loaded(authority.issue_agent(own, uuid, now=NOW))
    client = verifier(own).build_client_verifier().verify(certificate, [])
    assert client.subjects is not None
    assert [name.value for name in client.subjects] == [f"spiffe://ullage/agent/{uuid}"]


def test_a_servers_certificate_proves_each_of_its_names(own: authority.Authority) -> None:
    certificate = loaded(authority.issue_server(own, ["ullage.example.net", "192.0.2.7", "::1"], now=NOW))
    for name in (
        x509.DNSName("ullage.example.net"),
        x509.IPAddress(ip_address("192.0.2.7")),
        x509.IPAddress(ip_address("::1")),
    ):
        verifier(own).build_server_verifier(name).verify(certificate, [])
    with pytest.raises(VerificationError):
        verifier(own).build_server_verifier(x509.DNSName("other.example.net")).verify(certificate, [])


def test_a_servers_certificate_is_none_for_an_agent(own: authority.Authority) -> None:
    certificate = loaded(authority.issue_server(own, ["localhost"], now=NOW))
    with pytest.raises(VerificationError):
        verifier(own).build_client_verifier().verify(certificate, [])


def test_a_certificate_of_another_authority_proves_nothing(own: authority.Authority, tmp_path: Path) -> None:
    other = authority.create_authority(tmp_path / "other", now=NOW)
    certificate = loaded(authority.issue_agent(other, uuid4(), now=NOW))
    with pytest.raises(VerificationError):
        verifier(own).build_client_verifier().verify(certificate, [])
    assert not authority.issued_by(certificate, own.certificate)
    assert authority.issued_by(certificate, other.certificate)


def test_an_agents_certificate_ends_after_its_days(own: authority.Authority) -> None:
    certificate = loaded(authority.issue_agent(own, uuid4(), now=NOW, days=3))
    verifier(own, NOW + timedelta(days=2, hours=23)).build_client_verifier().verify(certificate, [])
    with pytest.raises(VerificationError):
        verifier(own, NOW + timedelta(days=3, minutes=1)).build_client_verifier().verify(certificate, [])


def test_no_certificate_outlives_the_authority(own: authority.Authority) -> None:
    late = own.certificate.not_valid_after_utc - timedelta(days=10)
    certificate = loaded(authority.issue_server(own, ["localhost"], now=late))
    assert certificate.not_valid_after_utc == own.certificate.not_valid_after_utc
    with pytest.raises(Conflict, match="expired"):
        authority.issue_server(own, ["localhost"], now=late + timedelta(days=11))


def test_usages_are_no_wider_than_needed(own: authority.Authority) -> None:
    extensions = own.certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    agent = loaded(authority.issue_agent(own, uuid4(), now=NOW)).extensions
    assert list(agent.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert not agent.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not agent.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_keys_are_for_their_owner_and_certificates_for_all(tmp_path: Path, own: authority.Authority) -> None:
    folder = tmp_path / "authority"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert not authority.open_to_others(folder / "ca.key")
    assert (folder / "ca.crt").read_bytes() == own.pem


def test_a_second_authority_is_refused_and_the_first_is_kept(
    tmp_path: Path, own: authority.Authority
) -> None:
    with pytest.raises(Conflict, match="not overwritten"):
        authority.create_authority(tmp_path / "authority", now=NOW)
    assert authority.load_authority(tmp_path / "authority").certificate == own.certificate


def test_writing_takes_back_what_it_wrote_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="cannot be written"):
        authority.write_new(tmp_path, {"a.crt": b"a", "missing/b.crt": b"b"})
    assert not (tmp_path / "a.crt").exists()


def test_a_key_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "agent.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        authority.write_new(tmp_path, {"agent.key": b"secret"})
    assert not (tmp_path / "elsewhere").exists()


def test_an_authority_whose_key_others_can_read_does_not_issue(
    tmp_path: Path, own: authority.Authority
) -> None:
    (tmp_path / "authority/ca.key").chmod(0o640)
    with pytest.raises(Conflict, match="chmod 600"):
        authority.load_authority(tmp_path / "authority")


def test_a_key_of_another_authority_is_noticed(tmp_path: Path, own: authority.Authority) -> None:
    authority.create_authority(tmp_path / "other", now=NOW)
    (tmp_path / "other/ca.key").replace(tmp_path / "authority/ca.key")
    with pytest.raises(Conflict, match="is not the key of"):
        authority.load_authority(tmp_path / "authority")


@pytest.mark.parametrize(
    "host", ["", "a b", "-x", "x-", "*.example.net", "1.2.3.4.5", "ä.net", "a" * 64, "x_y"]
)
def test_what_is_no_host_gets_no_certificate(own: authority.Authority, host: str) -> None:
    with pytest.raises(Invalid, match="host"):
        authority.issue_server(own, [host], now=NOW)


@pytest.mark.parametrize("days", [0, -1, authority.AGENT_DAYS_MAX + 1])
def test_days_have_limits(own: authority.Authority, days: int) -> None:
    with pytest.raises(Invalid, match="days"):
        authority.issue_agent(own, uuid4(), now=NOW, days=days)


def test_no_key_is_shown_by_printing(own: authority.Authority) -> None:
    issued = authority.issue_agent(own, uuid4(), now=NOW)
    assert "PRIVATE" not in f"{issued!r}{own!r}"
    assert isinstance(
        serialization.load_pem_private_key(issued.key, None).public_key(), type(own.key.public_key())
    )


def test_every_unusable_file_of_a_server_is_named(tmp_path: Path, own: authority.Authority) -> None:
    (tmp_path / "broken").write_text("no certificate")
    found = authority.server_problems(
        ca=tmp_path / "absent", certificate=tmp_path / "broken", key=tmp_path / "broken", now=NOW
    )
    assert [problem.split(":")[0] for problem in found] == ["tls.ca", "tls.certificate", "tls.key"]


@pytest.mark.parametrize(("days", "said"), [(0, None), (366, "expired"), (-1, "only valid from")])
def test_a_servers_certificate_is_looked_at_by_the_clock(
    tmp_path: Path, own: authority.Authority, days: int, said: str | None
) -> None:
    issued = authority.issue_server(own, ["localhost"], now=NOW)
    authority.write_new(
        tmp_path / "tls", {"s.crt": issued.certificate, "s.key": issued.key, "ca.crt": own.pem}
    )
    found = authority.server_problems(
        ca=tmp_path / "tls/ca.crt",
        certificate=tmp_path / "tls/s.crt",
        key=tmp_path / "tls/s.key",
        now=NOW + timedelta(days=days),
    )
    assert len(found) == (0 if said is None else 1)
    assert said is None or said in found[0]


def test_a_key_of_another_certificate_is_noticed_before_serving(
    tmp_path: Path, own: authority.Authority
) -> None:
    one, two = (authority.issue_server(own, ["localhost"], now=NOW) for _ in range(2))
    authority.write_new(tmp_path / "tls", {"s.crt": one.certificate, "s.key": two.key, "ca.crt": own.pem})
    found = authority.server_problems(
        ca=tmp_path / "tls/ca.crt", certificate=tmp_path / "tls/s.crt", key=tmp_path / "tls/s.key", now=NOW
    )
    assert len(found) == 1
    assert found[0].startswith("tls.key")
