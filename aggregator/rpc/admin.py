"""How the system itself is doing, for people: health, agents, jobs."""

from importlib.metadata import version

from aggregator.domain.health import JobHistory, judge
from aggregator.issuing import Issuer
from aggregator.rpc import access, caller, convert_insight
from aggregator.rpc.agents import AgentMethods
from aggregator.rpc.audit import AuditMethods
from aggregator.rpc.keys import KeyMethods
from aggregator.rpc.quarantine import QuarantineMethods
from aggregator.rpc.server import Context
from aggregator.rpc.timetable import Timetable
from aggregator.store import health, keys, runs
from aggregator.store.database import Database
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import admin_pb2, admin_pb2_grpc, billing_pb2, insight_pb2


class AdminService(AgentMethods, AuditMethods, KeyMethods, QuarantineMethods, admin_pb2_grpc.AdminServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database, jobs: Timetable, issuer: Issuer | None = None) -> None:
        self._db = db
        self._jobs = jobs
        self._issuer = issuer

    async def GetHealth(self, request: admin_pb2.GetHealthRequest, context: Context) -> insight_pb2.Health:
        """The state, and what to look at."""
        async with snapshot(self._db) as seen:
            return await read_health(seen, self._jobs)

    async def WhoAmI(self, request: admin_pb2.WhoAmIRequest, context: Context) -> admin_pb2.Identity:
        """The caller by its key."""
        who = caller.current()
        client = ""
        if who.client_id is not None:
            async with snapshot(self._db) as seen:
                client = await keys.client_name(seen.conn, who.client_id) or ""
        return admin_pb2.Identity(
            key_name=who.key_name,
            role=who.role,
            server_version=version("ullage"),
            client_id=who.client_id or 0,
            client_name=client,
            methods=access.methods_of(who.role),
        )

    async def ListJobs(self, request: admin_pb2.ListJobsRequest, context: Context) -> admin_pb2.ListJobsReply:
        """The timetable of the aggregator that was asked, with the newest run of any aggregator."""
        async with snapshot(self._db) as seen:
            newest = {run.job: run for run in await runs.latest(seen.conn)}
        jobs = [convert_insight.job(job, newest.get(job.name)) for job in self._jobs.timetable()]
        return admin_pb2.ListJobsReply(jobs=jobs)

    async def RunJob(self, request: admin_pb2.RunJobRequest, context: Context) -> billing_pb2.Run:
        """Raises ``NotFound`` for a job that is not in the timetable."""
        return convert_insight.run(await self._jobs.run(request.name))


async def read_health(seen: Snapshot, jobs: Timetable) -> insight_pb2.Health:
    """The judgement of what is in the database by the timetable of this aggregator."""
    figures = await health.figures(seen)
    done = await health.succeeded(seen)
    newest = {run.job: run for run in await runs.latest(seen.conn)}
    histories = []
    for job in jobs.timetable():
        last = newest.get(job.name)
        histories.append(
            JobHistory(
                name=job.name,
                interval=job.interval,
                done_at=done.get(job.name),
                state=last.state if last else None,
                started_at=last.started_at if last else None,
                error=last.error if last else "",
            )
        )
    judgement = judge(figures.to_judge(), histories, now=seen.now)
    return convert_insight.health_message(figures, judgement, done)
