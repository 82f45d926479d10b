-- serves_from: 18
-- What right-size looks for: the newest readings of each bucket, found without the readings themselves.

create index billing_reading_newest on billing_reading (bucket_id, period_start desc) include (period_end, currency, buffer);
