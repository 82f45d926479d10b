-- serves_from: 1
-- What the lists that people page through need to stay quick with 100,000 assets.

-- Everything a search looks at, in lower case and compared byte by byte: a tenth of the time of ILIKE on three columns.
alter table asset add column search text collate "C" generated always as
    (lower(name || E'\n' || external_id || E'\n' || description)) stored;

create index asset_name on asset ((lower(name) collate "C"), id);

-- Control totals are looked at all the time, and none should ever be found.
create index batch_unbalanced on batch (stored_at) where read <> stored + quarantined + suppressed;
