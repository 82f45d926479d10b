"""The aggregator's configuration: one TOML file, with ``ULLAGE_<SECTION>_<KEY>`` in the environment taking precedence.

Responsible for finding every problem at once and saying how to mend each. Not responsible for what the values name:
whether files exist and ports are free is seen by `serve` and `doctor`.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

ENVIRONMENT_PREFIX = "ULLAGE_"
JOB_SECONDS_MAX = 86_400
PER_SECOND_MAX = 1_000_000_000
SECRET_BYTES_MAX = 64 * 1024
# An hour is the least that survives a restart in peace; shorter ones are for trials.
CERTIFICATE_SECONDS_MIN = 10
CERTIFICATE_SECONDS_MAX = 30 * 86_400
# Whatever is billed for a month or corrected in the next needs them; slots are kept for seven years, they are not longer.
RAW_DAYS_MIN = 35
RAW_DAYS_MAX = 2_557
# Of these exactly one says where the database is.
DATABASE_CHOICES = ("dsn", "dsn_file", "embedded_directory")

_M = TypeVar("_M", bound=BaseModel)


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds one line for each thing to mend, never a secret."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"the configuration {source} cannot be used:\n{lines}")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``. Raises ``ValueError`` for anything else."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host.strip("[]") or (":" in host and not bracketed) or host != host.strip():
        raise ValueError("must be host:port, such as 127.0.0.1:7443 or [::]:7443")
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("must end in a port from 0 to 65535 (0: any free one)")
    return host.strip("[]"), int(port)


def _address(text: str) -> str:
    split_address(text)
    return text


Listen = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[int, Field(ge=1, le=JOB_SECONDS_MAX)]
CertificateSeconds = Annotated[int, Field(ge=CERTIFICATE_SECONDS_MIN, le=CERTIFICATE_SECONDS_MAX)]
PerSecond = Annotated[int, Field(ge=1, le=PER_SECOND_MAX)]


class _Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DatabaseSection(_Section):
    """Where the database is: exactly one of the three is set (checked by ``load``)."""

    dsn: SecretStr | None = None
    dsn_file: Path | None = None
    embedded_directory: Path | None = None


class AgentsSection(_Section):
    """The listener for agents, who show a client certificate; and how fast each of them may send in the long run."""

    listen: Listen
    batches_per_second_max: PerSecond = 100
    readings_per_second_max: PerSecond = 100_000


class PeopleSection(_Section):
    """The listener for people and programs, who send an API key."""

    listen: Listen
    # Publishes the schema to whoever has a key; off unless asked for.
    reflection: bool = False


class TlsSection(_Section):
    """The server's own certificate and key, and the authority that agents' certificates must come from."""

    ca: Path
    certificate: Path
    key: Path


class AuthoritySection(_Section):
    """The local certificate authority, on an aggregator that issues certificates; how long an agent's is valid."""

    directory: Path
    certificate_seconds: CertificateSeconds = 86_400


class JobsSection(_Section):
    """Seconds between two runs of each job."""

    rollup_seconds: Seconds = 60
    provisioning_seconds: Seconds = 86_400
    binding_seconds: Seconds = 30
    billing_seconds: Seconds = 3600
    projection_seconds: Seconds = 3600
    control_totals_seconds: Seconds = 3600
    retention_seconds: Seconds = 86_400


class RetentionSection(_Section):
    """For how many days raw readings are kept at the least; slots and bills are kept for seven years and more."""

    raw_days: Annotated[int, Field(ge=RAW_DAYS_MIN, le=RAW_DAYS_MAX)] = 400


class LogSection(_Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class _Environment(EnvSettingsSource):
    """Single keys only: a whole section in one variable is refused like any other wrong value."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return value


class Config(BaseSettings):
    """All settings; made by ``load``, paths absolute."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
    )

    database: DatabaseSection
    agents: AgentsSection
    people: PeopleSection
    tls: TlsSection
    authority: AuthoritySection | None = None
    jobs: JobsSection = JobsSection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file (given as keywords by ``load``); nothing else is looked at."""
        return _Environment(settings_cls), init_settings


def load(path: Path) -> Config:
    """Reads the file and the environment. Raises ``ConfigError`` with all problems.

    Relative paths, also those from the environment, are relative to the folder of ``path``.
    """
    table = _read(path)
    problems = _database_problems(table)
    # A required section that is missing altogether counts as empty, so that each missing key is named.
    whole = {name: {} for name, field in Config.model_fields.items() if field.is_required()} | table
    config = None
    try:
        config = Config(**whole)
    except ValidationError as error:
        problems += [_problem(dict(each)) for each in error.errors(include_url=False, include_input=False)]
    if config is not None:
        problems += _listen_problems(config)
    if problems or config is None:
        raise ConfigError(str(path), sorted(problems))
    return _with_paths_from(config, path.absolute().parent)


def database_dsn(config: Config) -> str | None:
    """The DSN, read from its file where one is named; None for the embedded database.

    Raises ``ConfigError`` when the file cannot be read. The DSN may hold a password: log it nowhere.
    """
    section = config.database
    if section.dsn is not None:
        return section.dsn.get_secret_value()
    if section.dsn_file is None:
        return None
    try:
        with section.dsn_file.open(encoding="utf-8") as handle:
            text = handle.read(SECRET_BYTES_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            str(section.dsn_file),
            [f"database.dsn_file: cannot be read ({reason}); write the DSN into it, mode 0600"],
        ) from None
    if not text:
        raise ConfigError(
            str(section.dsn_file), ["database.dsn_file: the file is empty; write the DSN into it"]
        )
    return text


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except OSError as error:
        raise ConfigError(
            str(path), [f"the file cannot be read ({error.strerror}); name another with --config"]
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), ["the file is not UTF-8 text; save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"the file is not valid TOML: {error}"]) from None


def _database_problems(table: Mapping[str, Any]) -> list[str]:
    section = table.get("database", {})
    given = [
        key
        for key in DATABASE_CHOICES
        if (isinstance(section, dict) and key in section) or _variable("database", key)
    ]
    if len(given) == 1:
        return []
    wanted = "set exactly one of dsn, dsn_file and embedded_directory"
    if not given:
        return [f"database: {wanted}; none is set"]
    return [f"database: {wanted}; set are {' and '.join(given)}: remove all but one"]


def _listen_problems(config: Config) -> list[str]:
    agents, people = split_address(config.agents.listen), split_address(config.people.listen)
    if agents == people and agents[1] != 0:
        return [f"people.listen: {config.people.listen} is agents.listen too; give each a port of its own"]
    return []


def _problem(error: Mapping[str, Any]) -> str:
    """One line: key path, what is wrong, what to do, and where the value came from."""
    keys = [str(part) for part in error["loc"]]
    path = ".".join(keys)
    kind = error["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known(keys[:-1]), n=1)
        text = f"unknown key; did you mean {near[0]}?" if near else "unknown key; remove it"
    elif kind == "missing":
        text = "missing; add it"
    elif kind in {"model_type", "model_attributes_type"}:
        text = f"must be a section: write [{path}] and below it its keys"
    else:
        text = _plain(str(error["msg"]))
    variable = _variable(*keys)
    return f"{path}: {text}" + (f" (from the environment: {variable})" if variable else "")


def _plain(text: str) -> str:
    return text.removeprefix("Value error, ").replace("Input should be", "must be")


def _known(keys: list[str]) -> list[str]:
    """Names that are allowed at this place."""
    fields = Config.model_fields
    for key in keys:
        annotation = fields[key].annotation if key in fields else None
        kinds = [annotation, *getattr(annotation, "__args__", ())]
        sections = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not sections:
            return []
        fields = sections[0].model_fields
    return list(fields)


def _variable(*keys: str) -> str | None:
    """The environment variable that sets this key, if one does."""
    name = ENVIRONMENT_PREFIX + "_".join(keys).upper()
    return next((each for each in os.environ if each.upper() == name), None)


def _with_paths_from(model: _M, folder: Path) -> _M:
    """The same model with each relative path made absolute."""
    changed: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, BaseModel):
            changed[name] = _with_paths_from(value, folder)
    return model.model_copy(update=changed)
