"""``ullage keys``: who may ask and act. A key itself is shown once and never taken from the command line."""

from pathlib import Path

import click

from tui.cli.listing import show, whole
from tui.cli.names import client_id
from tui.cli.options import form_option, limit_option
from tui.cli.output import Row, to_json, write
from tui.cli.secret import out_option, safe
from tui.cli.session import run, say
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from tui.format import clean, moment
from ullage.v1 import keys_pb2

KEY_COLUMNS = ("id", "name", "role", "client", "prefix", "enabled", "last_used_at", "created_at")
ROLES = ("viewer", "operator", "billing", "admin", "client")


def key_row(key: keys_pb2.ApiKey) -> Row:
    """A key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "client_id": key.client_id or None,
        "client": key.client_name or None,
        "prefix": key.prefix,
        "enabled": key.enabled,
        "last_used_at": moment(key.last_used_at),
        "created_at": moment(key.created_at),
    }


@click.group()
def keys() -> None:
    """API keys: list, create, enable, disable."""


async def _list(aggregator: Aggregator) -> list[keys_pb2.ApiKey]:
    reply = await aggregator.ask(aggregator.admin.ListKeys, keys_pb2.ListKeysRequest())
    return list(reply.keys)


@keys.command("list")
@limit_option
@form_option
def list_keys(limit: int | None, form: str) -> None:
    """All keys with role and last use.

    Example: ullage keys list
    """
    show(whole([key_row(one) for one in run(_list)], limit), KEY_COLUMNS, form, "API keys")


@keys.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option("--client", default="", metavar="CLIENT", help="With role client: the one it sees, id or name.")
@out_option
@form_option
def create_key(*, name: str, role: str, client: str, out: Path | None, form: str) -> None:
    """Creates the key NAME. The key itself is shown once: on stdout alone, or in --out FILE.

    Example: ullage keys create wallboard --role viewer --out wallboard.key
    """
    if (role == "client") != bool(client):
        raise click.UsageError("Role client, and no other, needs --client CLIENT.")

    async def work(aggregator: Aggregator) -> keys_pb2.CreateKeyReply:
        request = keys_pb2.CreateKeyRequest(
            name=name, role=role, client_id=await client_id(aggregator, client)
        )
        return await aggregator.ask(aggregator.admin.CreateKey, request)

    with safe(out) as put:
        reply = run(work)
        row = key_row(reply.api_key)
        if out is not None or form in {"table", "csv"}:
            put(reply.key)
        else:
            click.echo(to_json({**row, "key": reply.key}, indent=2 if form == "json" else None))
    if out is not None:
        write([row], KEY_COLUMNS, form)
        say(f"The key is in {out}, which only you can read. It is stored nowhere else.")
    else:
        say(f"API key {clean(name)}, id {reply.api_key.id}, role {role}: shown this once and stored nowhere.")


def _set_enabled(named: str, *, enabled: bool, form: str) -> None:
    async def work(aggregator: Aggregator) -> keys_pb2.ApiKey:
        wanted = await _list(aggregator)
        found = [one for one in wanted if named in {one.name, str(one.id)}]
        if not found:
            raise CallFailed(
                Kind.REFUSED, f"There is no API key {named!r}; `ullage keys list` shows names and ids."
            )
        request = keys_pb2.SetKeyEnabledRequest(id=found[0].id, enabled=enabled)
        return await aggregator.ask(aggregator.admin.SetKeyEnabled, request)

    write([key_row(run(work))], KEY_COLUMNS, form)


@keys.command("enable")
@click.argument("key")
@form_option
def enable_key(key: str, form: str) -> None:
    """Lets a key work again. KEY is its id or name.

    Example: ullage keys enable wallboard
    """
    _set_enabled(key, enabled=True, form=form)


@keys.command("disable")
@click.argument("key")
@form_option
def disable_key(key: str, form: str) -> None:
    """Refuses a key from now on, on every aggregator within seconds. KEY is its id or name.

    Example: ullage keys disable wallboard
    """
    _set_enabled(key, enabled=False, form=form)
    say("Refused from now on; an aggregator that used it just now may take it for five seconds more.")
