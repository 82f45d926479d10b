-- Who changed which record, and the setting back of what was changed.

-- name: act_as
-- Until the transaction ends; the triggers read it.
select set_config('ullage.actor', %(actor)s, true), set_config('ullage.key_id', %(key_id)s, true),
       set_config('ullage.request_id', %(request_id)s, true), set_config('ullage.act', %(act)s, true)

-- name: group_of
-- The audit group of this transaction; 0 before anything audited was changed in it.
select coalesce(nullif(current_setting('ullage.audit_group', true), ''), '0')::bigint
