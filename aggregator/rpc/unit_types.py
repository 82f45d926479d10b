"""Unit types, their templates, and provisioning, for people."""

from aggregator.actions.create_unit_type import create_unit_type
from aggregator.actions.provision import provision
from aggregator.actions.templates import Templated, create_template, delete_template, update_template
from aggregator.actions.update_unit_type import update_unit_type
from aggregator.errors import NotFound
from aggregator.rpc import convert_preview, convert_unit_types
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import clients_change, unit_types
from aggregator.store import provision as templates
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2, unit_types_pb2


class UnitTypeMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListUnitTypes(
        self, request: inventory_pb2.ListUnitTypesRequest, context: Context
    ) -> inventory_pb2.ListUnitTypesReply:
        """All unit types by name; with templates and provisioning's problems for callers bound to no client."""
        client_id = narrowed(0)
        async with snapshot(self._db) as seen:
            rows = await unit_types.unit_types(seen.conn)
            offered = await templates.template_rows(seen.conn) if client_id is None else []
            problems = await templates.problems(seen.conn) if client_id is None else []
        return inventory_pb2.ListUnitTypesReply(
            unit_types=[convert_unit_types.unit_type(row, offered) for row in rows],
            problems=[convert_unit_types.problem(row) for row in problems],
        )

    async def CreateUnitType(
        self, request: unit_types_pb2.CreateUnitTypeRequest, context: Context
    ) -> inventory_pb2.UnitType:
        """The unit type as it is from now on; readings that waited for it are taken in."""
        return await self._unit_type(
            await create_unit_type(self._db, convert_unit_types.to_unit_type(request))
        )

    async def UpdateUnitType(
        self, request: unit_types_pb2.UpdateUnitTypeRequest, context: Context
    ) -> inventory_pb2.UpdateUnitTypeReply:
        """The unit type as it is then, and what changed or, in a dry run, would."""
        change = convert_unit_types.to_change(request)
        preview = await update_unit_type(self._db, request.name, change, dry_run=request.dry_run)
        return inventory_pb2.UpdateUnitTypeReply(
            unit_type=await self._unit_type(request.name), preview=convert_preview.to_message(preview)
        )

    async def CreateTemplate(
        self, request: unit_types_pb2.CreateTemplateRequest, context: Context
    ) -> unit_types_pb2.UpdateTemplateReply:
        """The template, none in a dry run, and the buckets that the next provisioning would make by it."""
        asked = convert_unit_types.to_template(request.template)
        return await self._templated(await create_template(self._db, asked, dry_run=request.dry_run))

    async def UpdateTemplate(
        self, request: unit_types_pb2.UpdateTemplateRequest, context: Context
    ) -> unit_types_pb2.UpdateTemplateReply:
        """The template as it is then, and the buckets that the next provisioning would make by it as asked for."""
        asked = convert_unit_types.to_template(request.template)
        done = await update_template(self._db, request.template.id, asked, dry_run=request.dry_run)
        return await self._templated(done)

    async def DeleteTemplate(
        self, request: unit_types_pb2.DeleteTemplateRequest, context: Context
    ) -> unit_types_pb2.DeleteTemplateReply:
        """Buckets that were made by it stay."""
        await delete_template(self._db, request.id)
        return unit_types_pb2.DeleteTemplateReply()

    async def Provision(
        self, request: unit_types_pb2.ProvisionRequest, context: Context
    ) -> unit_types_pb2.ProvisionReply:
        """What was made or would be, and what is not decided."""
        client_id = request.client_id or None
        async with self._db.transaction() as conn:
            now = await templates.now(conn)
            if client_id is not None and not await clients_change.exists(conn, client_id):
                raise NotFound("client", client_id)
        done = await provision(self._db, now=now, client_id=client_id, dry_run=request.dry_run)
        async with snapshot(self._db) as seen:
            problems = await templates.problems(seen.conn, client_id=client_id)
        return convert_unit_types.provisioned(done, problems)

    async def _unit_type(self, name: str) -> inventory_pb2.UnitType:
        async with snapshot(self._db) as seen:
            rows = await unit_types.unit_types(seen.conn)
            offered = await templates.template_rows(seen.conn)
        [row] = [row for row in rows if row.name == name]
        return convert_unit_types.unit_type(row, offered)

    async def _templated(self, done: Templated) -> unit_types_pb2.UpdateTemplateReply:
        async with snapshot(self._db) as seen:
            rows = await templates.template_rows(seen.conn)
        found = [convert_unit_types.template(row) for row in rows if row.id == done.id]
        return unit_types_pb2.UpdateTemplateReply(
            template=found[0] if found else None, preview=convert_preview.to_message(done.preview)
        )
