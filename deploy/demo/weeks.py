"""What the demo's people did in the weeks before: who has a key, what was seen to, kept out, disregarded and corrected.

Each step looks at what is there before it acts, so a demo that was killed in it goes on. Assets that came up in the last
days are left alone: they are this Monday's work.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from deploy.demo.arrivals import LABS
from deploy.demo.folder import Folder
from deploy.demo.office import Office
from deploy.demo.plans import Thing, World
from ullage.v1 import (
    agents_pb2,
    agreements_pb2,
    asset_acts_pb2,
    audit_pb2,
    closing_pb2,
    inventory_pb2,
    keys_pb2,
    types_pb2,
)

# Assets older than this have been seen to; younger ones are still new.
SEEN_AFTER_DAYS = 30
# Keys beside the first: name, role, and of a client's key the client.
KEYS = (
    ("operations", "operator", ""),
    ("accounts", "billing", ""),
    ("wall display", "viewer", ""),
    ("alder portal", "client", "Alder Logistics"),
    ("old reports", "viewer", ""),
)
_DISABLED_KEY = "old reports"
# It has a certificate and may not send.
HELD_AGENT, HELD_SITE = "hv-lisbon-1", "lisbon"
_KEPT_OUT = "packer-*"
_DISREGARDED, _KEPT = LABS[:2], LABS[2]
_TOKEN_SECONDS = 86_400
_RAISE = Decimal("1.25")


async def settle_in(office: Office, folder: Folder) -> None:
    """Keys (each in a file of the folder), an enrolment token, an agent that is held, a suppression."""
    clients = await office.clients()
    keys = (await office.ask(office.admin.ListKeys, keys_pb2.ListKeysRequest())).keys
    there = {key.name: key for key in keys}
    for name, role, client in KEYS:
        if name not in there:
            request = keys_pb2.CreateKeyRequest(name=name, role=role, client_id=clients.get(client, 0))
            reply = await office.ask(office.admin.CreateKey, request)
            folder.keep_key(name, reply.key)
            there[name] = reply.api_key
    await office.ask(
        office.admin.SetKeyEnabled, keys_pb2.SetKeyEnabledRequest(id=there[_DISABLED_KEY].id, enabled=False)
    )
    tokens = await office.ask(
        office.admin.ListEnrolmentTokens, agents_pb2.ListEnrolmentTokensRequest(all=True)
    )
    if not tokens.tokens:
        await office.ask(
            office.admin.CreateEnrolmentToken,
            agents_pb2.CreateEnrolmentTokenRequest(
                site="frankfurt", host_name="hv-frankfurt-5", seconds=_TOKEN_SECONDS
            ),
        )
    agents = await office.ask(office.admin.ListAgents, agents_pb2.ListAgentsRequest(search=HELD_AGENT))
    await office.ask(
        office.admin.SetAgentsState,
        agents_pb2.SetAgentsStateRequest(
            ids=[agent.id for agent in agents.agents],
            state="held",
            reason="its image was copied to a second machine; waiting for the site to say which one stays",
        ),
    )
    kept_out = await office.ask(office.inventory.ListSuppressions, inventory_pb2.ListSuppressionsRequest())
    if not kept_out.suppressions:
        await office.ask(
            office.inventory.CreateSuppression,
            inventory_pb2.CreateSuppressionRequest(
                condition=types_pb2.Condition(
                    field="name", operator=types_pb2.OPERATOR_GLOB, pattern=_KEPT_OUT
                ),
                reason="image builds, gone within the day",
            ),
        )


async def see_to_assets(office: Office, world: World, *, days: int) -> None:
    """What has been there for a while: assigned where no rule takes it, else acknowledged; some disregarded, described."""
    things = {key_of(thing): thing for thing in _things(world) if thing.born < days - SEEN_AFTER_DAYS}
    assets = [
        (asset, thing)
        for asset in await office.all_assets(unacknowledged=True)
        if (thing := things.get((asset.source_type, asset.external_id))) is not None and not thing.found_from
    ]
    await _see_to_labs(office, {asset.name: asset.id for asset, _ in assets if asset.name in LABS})
    seen = [
        asset.id
        for asset, thing in assets
        if asset.client_id or (not thing.client and asset.name not in _DISREGARDED)
    ]
    if seen:
        await office.ask(
            office.inventory.AcknowledgeAssets, asset_acts_pb2.AcknowledgeAssetsRequest(asset_ids=seen)
        )
    clients = await office.clients()
    for name in sorted({thing.client for asset, thing in assets if thing.client and not asset.client_id}):
        ids = [asset.id for asset, thing in assets if thing.client == name and not asset.client_id]
        await office.ask(
            office.inventory.AssignAssets,
            inventory_pb2.AssignAssetsRequest(asset_ids=ids, client_id=clients[name]),
        )


async def _see_to_labs(office: Office, labs: dict[str, int]) -> None:
    """Ids by name; those that are disregarded already are not among them."""
    disregarded = [labs[name] for name in _DISREGARDED if name in labs]
    if disregarded:
        await office.ask(
            office.inventory.DescribeAssets,
            asset_acts_pb2.DescribeAssetsRequest(
                asset_ids=list(labs.values()), description="our own trials, ask operations before deleting"
            ),
        )
        await office.ask(
            office.inventory.DisregardAssets, asset_acts_pb2.DisregardAssetsRequest(asset_ids=disregarded)
        )
    if _KEPT in labs:
        await _change_of_mind(office, labs[_KEPT])


async def _change_of_mind(office: Office, asset_id: int) -> None:
    """Disregarded, and taken back."""
    done = await office.ask(
        office.inventory.DisregardAssets, asset_acts_pb2.DisregardAssetsRequest(asset_ids=[asset_id])
    )
    await office.ask(office.admin.UndoAudit, audit_pb2.UndoAuditRequest(group_id=done.audit_group))


async def correct(operations: Office, accounts: Office, world: World, *, first_day: date) -> None:
    """After the first billing: a find is billed for weeks before, a checklist is half done, a commit rises."""
    for thing in _things(world):
        if thing.found_from:
            await _bind_found(operations, thing, first_day=first_day)
    clients = await accounts.clients()
    await _acknowledge_one(accounts, clients["Eastgate Housing"])
    await _raise_commit(accounts, clients["Granite Mutual"])


async def _bind_found(office: Office, thing: Thing, *, first_day: date) -> None:
    assets = await office.all_assets(search=thing.name)
    since = datetime.combine(first_day, time(), UTC) + timedelta(days=thing.found_from)
    client_id = (await office.clients())[thing.client]
    units = {shape.unit_type for shape in thing.shapes}
    request = inventory_pb2.ListBucketsRequest(client_id=client_id, source_type=thing.source_type)
    buckets = (await office.ask(office.inventory.ListBuckets, request)).buckets
    bind = asset_acts_pb2.BindAssetsRequest(
        asset_ids=[asset.id for asset in assets],
        bucket_ids=[bucket.id for bucket in buckets if bucket.unit_type in units],
        backdate=True,
    )
    getattr(bind, "from").FromDatetime(since)
    await office.ask(office.inventory.BindAssets, bind)


async def _acknowledge_one(office: Office, client_id: int) -> None:
    """The first unbound asset of the oldest period that waits; the others are still open."""
    checklist = await office.ask(
        office.closing.GetChecklist, closing_pb2.GetChecklistRequest(client_id=client_id)
    )
    item = next((item for item in checklist.items if item.kind == "unbound"), None)
    if item is not None:
        await office.ask(
            office.closing.AcknowledgeItems,
            closing_pb2.AcknowledgeItemsRequest(
                client_id=client_id,
                first_day=checklist.period.first_day,
                items=[f"{item.kind} {item.subject}"],
                reason="free of charge until the contract for databases is signed",
            ),
        )


async def _raise_commit(office: Office, client_id: int) -> None:
    """From the next period on, of its processors."""
    periods = await office.ask(
        office.closing.ListPeriods,
        closing_pb2.ListPeriodsRequest(client_id=client_id, page=types_pb2.PageRequest(size=1)),
    )
    starts_on = date.fromisoformat(periods.periods[0].last_day) + timedelta(days=1)
    request = inventory_pb2.ListBucketsRequest(client_id=client_id, source_type="vm", unit_type="vcpu")
    for bucket in (await office.ask(office.inventory.ListBuckets, request)).buckets:
        terms = type(bucket.terms)()
        terms.CopyFrom(bucket.terms)
        terms.id, terms.finalised, terms.starts_on, terms.ends_on = 0, False, starts_on.isoformat(), ""
        terms.commit = format((Decimal(terms.commit) * _RAISE).quantize(Decimal(1)), "f")
        await office.ask(
            office.inventory.SetTerms, agreements_pb2.SetTermsRequest(bucket_id=bucket.id, terms=terms)
        )


def key_of(thing: Thing) -> tuple[str, str]:
    """By which the demo knows it again."""
    return thing.source_type, thing.external_id


def _things(world: World) -> Iterable[Thing]:
    return (thing for agent in world.agents for thing in agent.things)
