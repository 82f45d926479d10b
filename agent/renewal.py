"""Keeps the running agent's certificate valid: renews it at half its life, and recovers it when it has expired.

The key stays the same; certificate and authorities are replaced, each file as a whole, and used from the next connection
on. What fails is tried again for ever; readings wait in the spool meanwhile.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

import grpc
import grpc.aio

from agent import credentials, keys
from agent.config import Config
from agent.credentials import Credentials, Refused
from agent.identity import Clock
from agent.uplink import Uplink
from ullage.channel import open_channel
from ullage.log import fields
from ullage.v1 import enrolment_pb2, enrolment_pb2_grpc

CALL_SECONDS_MAX = 30.0
# Of the certificate's life: where it is renewed, and how far around it, so that a fleet does not come at once.
RENEW_AT = 0.5
RENEW_SPREAD = 0.1
RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 1_800.0
# What is left of the life is divided by so much: many attempts fit before the end.
ATTEMPTS = 20
RECOVER_SECONDS_MAX = 60.0
# A clock that is set, or a host that sleeps, is noticed after so long.
LOOK_SECONDS_MAX = 300.0

log = logging.getLogger(__name__)


class Renewal:
    """Works until cancelled. ``problem`` is why the last attempt failed, empty when it did not."""

    def __init__(
        self,
        config: Config,
        known: Credentials,
        uplink: Uplink,
        *,
        clock: Clock,
        boot_id: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.known = known
        self.problem = ""
        self._config = config
        self._uplink = uplink
        self._clock = clock
        self._boot_id = boot_id
        self._now = now
        self._spread = spread

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            due = self._due()
            while (left := (due - self._now()).total_seconds()) > 0:
                await self._clock.sleep(min(left, LOOK_SECONDS_MAX))
            while not await self._attempt():
                await self._clock.sleep(self._pause())

    def _due(self) -> datetime:
        known = self.known
        life = known.not_after - known.not_before
        return known.not_before + life * self._spread(
            RENEW_AT * (1 - RENEW_SPREAD), RENEW_AT * (1 + RENEW_SPREAD)
        )

    def _pause(self) -> float:
        left = (self.known.not_after - self._now()).total_seconds()
        ceiling = min(left / ATTEMPTS, RETRY_SECONDS_MAX) if left > 0 else RECOVER_SECONDS_MAX
        return self._spread(RETRY_SECONDS_MIN, max(ceiling, RETRY_SECONDS_MIN))

    async def _attempt(self) -> bool:
        """One attempt to get a certificate; whether there is a new one."""
        expired = self._now() >= self.known.not_after
        try:
            given = await (self._recover() if expired else self._renew())
            await asyncio.to_thread(self._keep, given)
        except grpc.aio.AioRpcError as error:
            self._failed(f"{error.code().name}: {error.details()}", expired=expired)
        except (keys.Unable, Refused, OSError) as error:
            self._failed(str(error), expired=expired)
        else:
            self.problem = ""
            self._uplink.use(ca=self.known.ca, identity=self.known.identity)
            log.info(
                "certificate recovered" if expired else "certificate renewed",
                extra=fields(ends=self.known.not_after.isoformat(), generation=self.known.generation),
            )
            return True
        return False

    def _failed(self, reason: str, *, expired: bool) -> None:
        self.problem = reason
        log.warning(
            "the certificate has expired and could not be recovered"
            if expired
            else "the certificate could not be renewed",
            extra=fields(reason=reason[:500], ends=self.known.not_after.isoformat()),
        )

    async def _renew(self) -> enrolment_pb2.Credentials:
        request = await asyncio.to_thread(keys.make_request, self._config.files.key)
        channel = open_channel(self._config.address, ca=self.known.ca, identity=self.known.identity)
        async with channel:
            return await enrolment_pb2_grpc.RenewalStub(channel).Renew(
                enrolment_pb2.RenewRequest(csr=request, boot_id=self._boot_id), timeout=CALL_SECONDS_MAX
            )

    async def _recover(self) -> enrolment_pb2.Credentials:
        address = self._config.enrolment
        if not address:
            raise keys.Unable(
                'there is no aggregator.enrolment in the configuration: set it to the listener for people ("host:port"), '
                "or enrol this host anew with a token made with --for this agent"
            )
        request = await asyncio.to_thread(keys.make_request, self._config.files.key)
        async with open_channel(address, ca=self.known.ca) as channel:
            stub = enrolment_pb2_grpc.EnrolmentStub(channel)
            begun = await stub.BeginRecovery(
                enrolment_pb2.BeginRecoveryRequest(agent_uuid=self.known.agent), timeout=CALL_SECONDS_MAX
            )
            message = b"ullage-recover\n" + self.known.agent.encode() + b"\n" + begun.nonce + request
            signature = await asyncio.to_thread(keys.sign, self._config.files.key, message)
            return await stub.Recover(
                enrolment_pb2.RecoverRequest(
                    agent_uuid=self.known.agent,
                    nonce=begun.nonce,
                    signature=signature,
                    csr=request,
                    generation=self.known.generation,
                ),
                timeout=CALL_SECONDS_MAX,
            )

    def _keep(self, given: enrolment_pb2.Credentials) -> None:
        """Both files, the authorities first: with too many of them everything works, with too few nothing."""
        files = self._config.files
        if given.agent_uuid != self.known.agent:
            raise Refused([f"the aggregator sent a certificate of another agent ({given.agent_uuid[:40]})"])
        if given.authorities and given.authorities != self.known.ca:
            credentials.check_authorities(given.authorities)
            keys.write(files.ca, given.authorities, mode=keys.CERTIFICATE_MODE)
        keys.write(files.certificate, given.certificate, mode=keys.CERTIFICATE_MODE)
        self.known = credentials.load(files, now=self._now())
