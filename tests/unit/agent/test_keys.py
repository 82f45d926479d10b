"""The agent's key by the program openssl: what it makes is what the aggregator takes."""

from pathlib import Path

import pytest

from agent import keys
from aggregator.certificate_request import proven_key, signed_with, spki


def test_a_key_its_request_and_its_signature_are_what_the_aggregator_takes(tmp_path: Path) -> None:
    key = tmp_path / "agent.key"
    keys.make_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    public = proven_key(keys.make_request(key))
    signature = keys.sign(key, b"a nonce\0\xff")
    assert signed_with(spki(public), signature=signature, message=b"a nonce\0\xff")
    assert not signed_with(spki(public), signature=signature, message=b"another")
    assert not signed_with(spki(public), signature=b"x" * 70, message=b"a nonce\0\xff")


def test_without_openssl_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(keys.Unable, match="install it"):
        keys.make_key(tmp_path / "agent.key")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_key_is_named_by_what_openssl_says(tmp_path: Path) -> None:
    (tmp_path / "agent.key").write_text("no key")
    with pytest.raises(keys.Unable, match="openssl req failed"):
        keys.make_request(tmp_path / "agent.key")


def test_a_file_is_replaced_as_a_whole_with_its_mode_also_over_the_rest_of_an_interruption(
    tmp_path: Path,
) -> None:
    path = tmp_path / "agent.key"
    (tmp_path / "agent.key.new").write_text("torn")
    (tmp_path / "agent.key.new").chmod(0o644)
    keys.write(path, b"first", mode=0o600)
    keys.write(path, b"second", mode=0o600)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["agent.key"]
