"""Which assets are unbound, worked out over everything on every question: what is kept must never disagree with it."""

from typing import LiteralString

from aggregator.store.database import fetch_value
from aggregator.store.snapshot import Snapshot

EVERYWHERE: LiteralString = """
-- Of these assets (null: of all) those that are unbound, as three columns side by side: how many of their series have a
-- measured slot bound to no enabled bucket, and where the oldest such slot starts. Looked at is the client's unfinalised
-- time, for an unassigned asset the time from `month_slot` on. Measured is what lies between the outermost measured slots.
with windowed as (
    select a.id as asset_id, s.id as series_id, u.slot_minutes / 5 as width,
           greatest(m.from_slot, coalesce(c.finalised_slot, %(month_slot)s::integer)) as from_slot, m.to_slot
    from asset a
    join series s on s.asset_id = a.id
    join unit_type u on u.id = s.unit_type_id
    join series_agent m on m.series_id = s.id
    left join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
    left join client c on c.id = x.client_id
    where a.enabled and a.disregarded_at is null
      and m.to_slot > coalesce(c.finalised_slot, %(month_slot)s)
      and (%(ids)s::bigint[] is null or a.id = any (%(ids)s))
), candidate as (
    -- Nearly every series has one binding that covers all of it; only the others are worked out slot by slot.
    select w.* from windowed w
    where not exists (
        select from binding b join bucket k on k.id = b.bucket_id
        where k.enabled and b.series_id = w.series_id and b.from_slot <= w.from_slot and b.to_slot >= w.to_slot)
), uncovered as materialized (
    -- Counted in whole slots of the unit type's width: a slot belongs to what holds at its start.
    select d.asset_id, d.width,
           range_agg(int8range((d.from_slot + d.width - 1) / d.width, (d.to_slot + d.width - 1) / d.width))
           - coalesce((
               select range_agg(int8range((b.from_slot::bigint + d.width - 1) / d.width,
                                          (b.to_slot::bigint + d.width - 1) / d.width))
               from binding b join bucket k on k.id = b.bucket_id
               where k.enabled and b.series_id = d.series_id), '{}') as slots
    from candidate d
    group by d.asset_id, d.series_id, d.width
), found as (
    select asset_id, count(*)::integer as series, min(lower(slots) * width)::integer as since_slot
    from uncovered where not isempty(slots)
    group by asset_id
)
select coalesce(jsonb_agg(jsonb_build_array(asset_id, series, since_slot) order by asset_id), '[]') from found
"""


async def unbound_everywhere(seen: Snapshot) -> dict[int, tuple[int, int]]:
    """By asset how many of its series are unbound, and where the oldest slot that is bound to nothing starts."""
    params = {"ids": None, "slot": seen.slot, "month_slot": seen.month_slot}
    rows = await fetch_value(seen.conn, EVERYWHERE, params)
    return {asset_id: (series, since_slot) for asset_id, series, since_slot in rows}
