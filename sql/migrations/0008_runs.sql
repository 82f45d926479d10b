-- serves_from: 1
-- Old runs are deleted, and each deletion asks whether a figure still names the run.

create index billing_reading_run on billing_reading (run_id);
create index projection_run on projection (run_id);
