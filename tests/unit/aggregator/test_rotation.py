"""Replacing the authority: what is trusted and what issues at each step, and after an interruption at each file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from aggregator import rotation
from aggregator.authority import create_authority, fingerprint, issue_server, issued_by, load_authority
from aggregator.errors import Conflict
from aggregator.rotation import Step

NOW = datetime.now(UTC)


def names(directory: Path) -> list[str]:
    return [fingerprint(certificate) for certificate in rotation.trusted(directory)]


def test_everybody_trusts_the_next_authority_before_it_issues_and_the_former_after(tmp_path: Path) -> None:
    first = fingerprint(create_authority(tmp_path, now=NOW).certificate)
    assert rotation.rotation(tmp_path) == rotation.Rotation(Step.NONE, None)
    second = fingerprint(rotation.announce_next(tmp_path, now=NOW))
    assert rotation.rotation(tmp_path) == rotation.Rotation(Step.TOLD, NOW)
    assert names(tmp_path) == [first, second]
    assert fingerprint(load_authority(tmp_path).certificate) == first
    later = NOW + timedelta(days=1)
    rotation.issue_by_next(tmp_path, now=later)
    assert rotation.rotation(tmp_path) == rotation.Rotation(Step.ISSUING, later)
    assert names(tmp_path) == [second, first]
    own = load_authority(tmp_path)
    issued = x509.load_pem_x509_certificate(issue_server(own, ["localhost"], now=NOW).certificate)
    assert issued_by(issued, own.certificate)
    assert rotation.known_by(issued, rotation.trusted(tmp_path)) == own.certificate
    rotation.drop_former(tmp_path)
    assert names(tmp_path) == [second]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_step_that_was_interrupted_is_gone_through_again(tmp_path: Path, done: int) -> None:
    create_authority(tmp_path, now=NOW)
    second = fingerprint(rotation.announce_next(tmp_path, now=NOW))
    for name in ("key", "crt")[:done]:
        (tmp_path / f"old.{name}").hardlink_to(tmp_path / f"ca.{name}")
    if done == 3:
        (tmp_path / "next.key").replace(tmp_path / "ca.key")
    assert rotation.rotation(tmp_path).step is Step.TOLD
    assert len(rotation.trusted(tmp_path)) == 2
    rotation.issue_by_next(tmp_path, now=NOW)
    assert fingerprint(load_authority(tmp_path).certificate) == second
    assert rotation.rotation(tmp_path).step is Step.ISSUING


def test_steps_out_of_turn_are_refused(tmp_path: Path) -> None:
    create_authority(tmp_path, now=NOW)
    with pytest.raises(Conflict):
        rotation.issue_by_next(tmp_path, now=NOW)
    with pytest.raises(Conflict):
        rotation.drop_former(tmp_path)
    rotation.announce_next(tmp_path, now=NOW)
    with pytest.raises(Conflict):
        rotation.announce_next(tmp_path, now=NOW)


def test_only_a_file_that_holds_nothing_but_our_authorities_is_renewed(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    mine = create_authority(own, now=NOW)
    strange = create_authority(other, now=NOW)
    ours, theirs = tmp_path / "ours.crt", tmp_path / "theirs.crt"
    ours.write_bytes(mine.pem)
    theirs.write_bytes(mine.pem + strange.pem)
    before = rotation.trusted(own)
    rotation.announce_next(own, now=NOW)
    assert rotation.renew_bundle(ours, before=before, directory=own)
    assert rotation.read_bundle(ours) == rotation.trusted(own)
    assert not rotation.renew_bundle(theirs, before=before, directory=own)
    assert not rotation.renew_bundle(tmp_path / "none.crt", before=before, directory=own)
    (tmp_path / "bad.crt").write_bytes(b"no")
    with pytest.raises(Conflict):
        rotation.read_bundle(tmp_path / "bad.crt")
