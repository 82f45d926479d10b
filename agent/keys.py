"""The agent's private key: made, used to sign, never shown. The work is done by the program `openssl`.

Python's standard library cannot make keys, and a cryptographic library would be a third of this agent's memory for a call or
two a day. What `openssl` is given is the path of the key, never the key itself.
"""

import contextlib
import os
import subprocess
from pathlib import Path

OPENSSL_SECONDS_MAX = 20.0
# `req` wants a configuration; the system's could add what it likes.
_CONFIGURATION = b"[req]\ndistinguished_name = dn\n[dn]\n"
KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644


class Unable(Exception):
    """The key could not be made or used; the text says what to do."""


def make_key(path: Path) -> None:
    """A new key on P-256 in a file that only its owner may read, durable when this returns."""
    made = _openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    write(path, made, mode=KEY_MODE)


def make_request(key: Path) -> bytes:
    """A certificate request (PKCS #10, DER) that proves that the key is here."""
    words = ["req", "-new", "-sha256", "-config", "/dev/stdin", "-subj", "/CN=agent", "-outform", "DER"]
    return _openssl([*words, "-key", str(key)], _CONFIGURATION)


def sign(key: Path, message: bytes) -> bytes:
    """ECDSA with SHA-256 over the message, DER."""
    return _openssl(["dgst", "-sha256", "-sign", str(key)], message)


def write(path: Path, content: bytes, *, mode: int) -> None:
    """The whole new content or the whole old one, whatever happens meanwhile; secret from its first byte on."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        # It may have another mode, from another time.
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _openssl(words: list[str], given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["openssl", *words],
            input=given,
            capture_output=True,
            timeout=OPENSSL_SECONDS_MAX,
            check=False,
            env={"PATH": os.environ.get("PATH", os.defpath), "OPENSSL_CONF": "/dev/null", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise Unable(
            "the program openssl is missing: install it (it makes this agent's key and requests), or let "
            "`ullage-aggregator ca issue agent` make certificate and key"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unable(f"the program openssl could not be used: {error}") from None
    if done.returncode or not done.stdout:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unable(f"openssl {words[0]} failed: {last[-1] if last else done.returncode}")
    return done.stdout
