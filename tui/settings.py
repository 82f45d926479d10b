"""Which aggregator to ask and as whom: options, then environment, then a profile of ``~/.config/ullage/config.toml``.

The API key comes from a file or from ULLAGE_KEY, never from the command line, where every user of the host could read
it. All problems are reported at once, each with what to do.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tui.profiles import FILE_BYTES_MAX, Book, Profile, config_path, read

KEY_PREFIX = "ullage_"

_OPTIONS = {"address": "--address", "ca": "--ca", "key_file": "--key-file"}
_VARIABLES = {"address": "ULLAGE_ADDRESS", "ca": "ULLAGE_CA", "key_file": "ULLAGE_KEY_FILE"}
_ADDRESS = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})$")
_KEY = re.compile(r"^ullage_[A-Za-z0-9_-]{16,200}$")
_ON = {"1", "true", "yes", "on"}
_OFF = {"", "0", "false", "no", "off"}


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` says what to change, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything needed to dial: ``host:port``, the trusted authority (PEM), the API key; and how the screens behave."""

    address: str
    ca: bytes
    key: str = field(repr=False)
    # Empty: what stands at the top of the file, in the environment and in options.
    profile: str = ""
    # What is done there costs real money: the screens show it, they do not act on it.
    production: bool = False
    # The screens offer no acts, whatever the key may do.
    read_only: bool = False
    slow_link: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line said; None and False where it said nothing."""

    address: str | None = None
    ca: str | None = None
    key_file: str | None = None
    profile: str | None = None
    read_only: bool = False
    slow_link: bool = False


def load(given: Given, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises ``SettingsError`` with every problem there is."""
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    book = read(config_path(environment), problems)
    profile = _chosen(book, given, environment, problems)
    if profile is None:
        # What its other settings are nobody can say.
        raise SettingsError(problems)
    values = {
        name: getattr(given, name) or environment.get(_VARIABLES[name]) or getattr(profile, name)
        for name in _OPTIONS
    }
    sources = _Sources(book, profile)
    address = _address(values["address"], sources, problems)
    ca = _authority(values["ca"], sources, problems)
    key = _key(given, environment, values["key_file"], sources, problems)
    read_only = _switch("ULLAGE_READ_ONLY", environment, profile.read_only, problems)
    slow_link = _switch("ULLAGE_SLOW_LINK", environment, profile.slow_link, problems)
    if problems:
        raise SettingsError(problems)
    return Settings(
        address=address,
        ca=ca,
        key=key,
        profile=profile.name,
        production=profile.production,
        read_only=given.read_only or read_only,
        slow_link=given.slow_link or slow_link,
    )


def listed(environment: Mapping[str, str] | None = None) -> tuple[list[Profile], str]:
    """All profiles of the file, what stands at its top first, and the name of the one in force without ``--profile``.

    Raises ``SettingsError`` for a file that cannot be used; whether keys and certificates exist is not looked at.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    book = read(config_path(environment), problems)
    default = _chosen(book, Given(), environment, problems)
    if problems or default is None:
        raise SettingsError(problems)
    top = [] if book.top == Profile() else [book.top]
    return [*top, *sorted(book.named.values(), key=lambda profile: profile.name)], default.name


def _chosen(book: Book, given: Given, environment: Mapping[str, str], problems: list[str]) -> Profile | None:
    """The profile that an option, the environment or the file itself names."""
    if given.profile is not None:
        return book.find(given.profile, "--profile", problems)
    if environment.get("ULLAGE_PROFILE"):
        return book.find(environment["ULLAGE_PROFILE"], "ULLAGE_PROFILE", problems)
    return book.find(book.default, "profile", problems)


def _switch(variable: str, environment: Mapping[str, str], filed: bool, problems: list[str]) -> bool:
    """What the environment says, else the file."""
    said = environment.get(variable)
    if said is None:
        return filed
    if said.strip().casefold() not in _ON | _OFF:
        problems.append(f"{variable} is {said!r}: write 1 or 0")
    return said.strip().casefold() in _ON


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where values were looked for, to say it of those that are missing."""

    book: Book
    profile: Profile

    def missing(self, name: str, what: str) -> str:
        """A sentence with every way to give it."""
        place = f"under [profiles.{self.profile.name}] in " if self.profile.name else "in "
        more = ""
        if not self.profile.name and self.book.named:
            more = f", or choose a profile with --profile: {self.book.known()}"
        ways = f"give {_OPTIONS[name]}, set {_VARIABLES[name]}, or write {name} {place}{self.book.path}{more}"
        return f"{what} is missing: {ways}"


def _address(value: str | None, sources: _Sources, problems: list[str]) -> str:
    if not value:
        problems.append(sources.missing("address", "the aggregator's address (HOST:PORT)"))
        return ""
    match = _ADDRESS.match(value)
    if not match or not 0 < int(match[2]) < 65536:
        problems.append(f"the address {value!r} is not HOST:PORT, for example ullage.example:8443")
    return value


def _authority(value: str | None, sources: _Sources, problems: list[str]) -> bytes:
    if not value:
        problems.append(sources.missing("ca", "the authority's certificate (ca.crt)"))
        return b""
    content = _read_file(value, "the authority's certificate", problems)
    if content is not None and b"-----BEGIN CERTIFICATE-----" not in content:
        problems.append(
            f"{value} is not a certificate in PEM form; take ca.crt of the aggregator's authority"
        )
    return content or b""


def _key(
    given: Given,
    environment: Mapping[str, str],
    key_file: str | None,
    sources: _Sources,
    problems: list[str],
) -> str:
    """The key itself; an option wins over the environment, in which ULLAGE_KEY wins over a file."""
    direct = environment.get("ULLAGE_KEY")
    if direct and not given.key_file:
        return _checked_key(direct, "ULLAGE_KEY", problems)
    if not key_file:
        problems.append(sources.missing("key_file", "the API key") + " (or set ULLAGE_KEY)")
        return ""
    content = _read_file(key_file, "the API key", problems)
    if content is None:
        return ""
    return _checked_key(content.decode("utf-8", "replace"), key_file, problems)


def _checked_key(text: str, source: str, problems: list[str]) -> str:
    """Never repeats the text: it may be a secret of another kind."""
    key = text.strip()
    if not _KEY.match(key):
        problems.append(
            f"{source} does not hold an API key; one starts with {KEY_PREFIX} "
            "and is shown once by `ullage-aggregator keys bootstrap`"
        )
    return key


def _read_file(value: str, what: str, problems: list[str]) -> bytes | None:
    try:
        with Path(value).expanduser().open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        problems.append(f"{what} cannot be read from {value}: {error.strerror or error}")
        return None
    if len(content) > FILE_BYTES_MAX:
        problems.append(f"{value} is too large for {what}: more than {FILE_BYTES_MAX // 1024} KiB")
        return None
    return content
