"""The configuration: everything that is wrong is said at once, and nothing secret is said at all."""

from pathlib import Path

import pytest

from aggregator.config import ConfigError, database_dsn, load, split_address

SECRET = "hunter2-is-the-password"
GOOD = """
[database]
embedded_directory = "data"
[agents]
listen = "127.0.0.1:7443"
[people]
listen = "127.0.0.1:7444"
[tls]
ca = "tls/ca.crt"
certificate = "/etc/tls/server.crt"
key = "tls/server.key"
"""


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DSN", "DSN_FILE", "EMBEDDED_DIRECTORY"):
        monkeypatch.delenv(f"ULLAGE_DATABASE_{name}", raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str) -> dict[str, str]:
    """Key path to what is said of it."""
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return dict(problem.split(": ", 1) for problem in caught.value.problems)


def test_a_complete_file_gives_defaults_for_the_rest(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    jobs = config.jobs
    assert (jobs.rollup_seconds, jobs.binding_seconds, jobs.billing_seconds, jobs.projection_seconds) == (
        60,
        30,
        3600,
        3600,
    )
    assert jobs.provisioning_seconds == 86_400
    assert config.authority is None
    assert not config.people.reflection


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    assert config.tls.ca == tmp_path / "tls/ca.crt"
    assert config.tls.certificate == Path("/etc/tls/server.crt")
    assert config.database.embedded_directory == tmp_path / "data"


def test_relative_paths_of_the_environment_are_relative_to_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULLAGE_AUTHORITY_DIRECTORY", "authority")
    config = load(written(tmp_path, GOOD))
    assert config.authority is not None
    assert config.authority.directory == tmp_path / "authority"


def test_all_problems_are_told_at_once_each_with_its_key_and_a_remedy(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        colour = "red"
        people = "everywhere"
        [database]
        dns = "postgresql://x"
        [agents]
        listen = "7443"
        [tls]
        ca = "ca.crt"
        [jobs]
        rollup_seconds = 0
        billing_seconds = "hourly"
        rolup_seconds = 5
        """,
    )
    assert set(found) == {
        "colour",
        "people",
        "database",
        "database.dns",
        "agents.listen",
        "tls.certificate",
        "tls.key",
        "jobs.rollup_seconds",
        "jobs.billing_seconds",
        "jobs.rolup_seconds",
    }
    assert found["database.dns"] == "unknown key; did you mean dsn?"
    assert found["jobs.rolup_seconds"] == "unknown key; did you mean rollup_seconds?"
    assert found["tls.key"] == "missing; add it"
    assert "host:port" in found["agents.listen"]


def test_an_empty_file_names_every_key_that_is_needed(tmp_path: Path) -> None:
    assert set(problems(tmp_path, "")) == {
        "database",
        "agents.listen",
        "people.listen",
        "tls.ca",
        "tls.certificate",
        "tls.key",
    }


@pytest.mark.parametrize("others", ["dsn", "dsn_file", "dsn dsn_file"])
def test_more_than_one_database_is_refused(tmp_path: Path, others: str) -> None:
    more = "".join(f'{name} = "x"\n' for name in others.split())
    found = problems(tmp_path, GOOD.replace("[database]\n", f"[database]\n{more}"))
    assert set(found) == {"database"}
    assert "remove all but one" in found["database"]


def test_a_database_of_the_environment_beside_one_of_the_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULLAGE_DATABASE_DSN", "postgresql://elsewhere/x")
    assert "dsn and embedded_directory" in problems(tmp_path, GOOD)["database"]


def test_the_environment_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULLAGE_AGENTS_LISTEN", "127.0.0.1:9")
    monkeypatch.setenv("ULLAGE_JOBS_ROLLUP_SECONDS", "7")
    config = load(written(tmp_path, GOOD))
    assert (config.agents.listen, config.jobs.rollup_seconds) == ("127.0.0.1:9", 7)


def test_a_problem_of_the_environment_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULLAGE_JOBS_ROLUP_SECONDS", "7")
    monkeypatch.setenv("ULLAGE_PEOPLE", "{broken json")
    found = problems(tmp_path, GOOD)
    assert "ULLAGE_JOBS_ROLUP_SECONDS" in found["jobs.rolup_seconds"]
    assert "ULLAGE_PEOPLE" in found["people"]


def test_variables_of_the_other_programs_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ULLAGE_ADDRESS", "ULLAGE_CA", "ULLAGE_KEY", "ULLAGE_KEY_FILE", "ULLAGE_TEST_DSN"):
        monkeypatch.setenv(name, "x")
    assert load(written(tmp_path, GOOD)).agents.listen == "127.0.0.1:7443"


def test_both_listeners_on_one_address_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("7444", "7443"))
    assert set(found) == {"people.listen"}


def test_a_secret_is_in_no_text_of_a_usable_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = f"postgresql://ullage:{SECRET}@db/ullage"
    text = GOOD.replace('embedded_directory = "data"', "")
    monkeypatch.setenv("ULLAGE_DATABASE_DSN", dsn)
    config = load(written(tmp_path, text))
    assert database_dsn(config) == dsn
    assert SECRET not in f"{config!r}{config}{config.model_dump()}"


@pytest.mark.parametrize(
    "database",
    [
        f'dsn = "postgresql://ullage:{SECRET}@db/x"\nembedded_directory = "x"',
        f'dsn = ["{SECRET}"]',
        f'dsn = "postgresql://ullage:{SECRET}@db/x"\npassword = "{SECRET}"',
        f'dsn_file = {{ path = "{SECRET}" }}',
    ],
)
def test_a_secret_is_in_no_error(tmp_path: Path, database: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, GOOD.replace('embedded_directory = "data"', database)))
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_a_dsn_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(f"postgresql://{SECRET}@db/x\n")
    config = load(
        written(tmp_path, GOOD.replace("embedded_directory", "dsn_file").replace('"data"', '"dsn"'))
    )
    assert database_dsn(config) == f"postgresql://{SECRET}@db/x"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_an_unusable_dsn_file_names_its_key(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "dsn").write_bytes(content)
    config = load(
        written(tmp_path, GOOD.replace("embedded_directory", "dsn_file").replace('"data"', '"dsn"'))
    )
    with pytest.raises(ConfigError, match=r"database\.dsn_file"):
        database_dsn(config)


@pytest.mark.parametrize("content", [b"[database", b"a = \xff", None])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "aggregator.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("ullage.example.net:7443", ("ullage.example.net", 7443)),
    ],
)
def test_an_address_is_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


@pytest.mark.parametrize(
    "text", ["", ":1", "host", "host:", "host:x", "host:65536", "::1:7443", "host:-1", " h:1"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        split_address(text)
