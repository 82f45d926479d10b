-- serves_from: 11
-- Which tables are audited: those that hold decisions. Not audited is what the program works out by itself (bindings by
-- filters, assignments by rules, slots, runs), and never a secret or its hash.

select audit_table('client', without => '{created_at}', client => '%1$s.id');
select audit_table('client_cycle', client => '%1$s.client_id');
-- What an agent says of an asset is no decision, nor that it reports one.
select audit_table(
    'asset',
    columns => '{acknowledged_at,enabled,description,assigned_by_hand,disregarded_at,merged_into}',
    acts => '{update,delete}'
);
select audit_table('asset_pause');
-- What rules once assigned is changed by hand alone where they leave the asset alone.
select audit_table(
    'assignment',
    without => '{created_at}',
    client => '%1$s.client_id',
    decisions => '%1$s.rule_id is null
        or (select a.assigned_by_hand from asset a where a.id = %1$s.asset_id)'
);
select audit_table(
    'binding',
    without => '{created_at}',
    client => '(select b.client_id from bucket b where b.id = %1$s.bucket_id)',
    decisions => '%1$s.by_hand'
);
select audit_table('assignment_rule', without => '{created_at}', client => '%1$s.client_id');
select audit_table('bucket', without => '{created_at,updated_at}', client => '%1$s.client_id');
select audit_table(
    'bucket_filter', client => '(select b.client_id from bucket b where b.id = %1$s.bucket_id)'
);
select audit_table(
    'bucket_terms',
    without => '{created_at}',
    client => '(select b.client_id from bucket b where b.id = %1$s.bucket_id)'
);
select audit_table('unit_type');
select audit_table('template', without => '{created_at}');
select audit_table('template_price');
select audit_table('suppression', without => '{created_at}');
select audit_table('contract_count', without => '{imported_at}', client => '%1$s.client_id');
select audit_table(
    'api_key', columns => '{name,prefix,role,client_id,enabled}', client => '%1$s.client_id'
);
select audit_table('agent', columns => '{name,site,state,state_reason}');
-- A renewal is no decision of anybody; enrolments, recoveries and certificates by hand are.
select audit_table(
    'certificate', columns => '{agent_id,generation,not_after,way}', decisions => '%1$s.way <> ''renew''',
    acts => '{insert}'
);
select audit_table(
    'enrolment_token', columns => '{host_name,site,agent_id,expires_at,used_at,used_agent,revoked_at}'
);

-- Of settled quarantine one entry for each agent, reason and settlement: people settle by those, and there may be millions.
create function audit_settlement() returns trigger
language plpgsql as $$
begin
    with changed as materialized (
        select n.agent_id, n.reason, n.settlement, count(*) as readings, (array_agg(n.id order by n.id))[:100] as first_ids
        from old_rows o
        join new_rows n on n.id = o.id
        where o.settlement is distinct from n.settlement
        group by 1, 2, 3
    ), owner as materialized (
        select audit_group() as id where exists (select from changed)
    )
    insert into audit_entry (group_id, action, table_name, record_id, new_values)
    select owner.id, 'update', 'quarantine', c.agent_id || '/' || c.reason,
           jsonb_build_object('settlement', c.settlement, 'readings', c.readings, 'first_ids', c.first_ids)
    from owner, changed c;
    return null;
end $$;

create trigger audit_update after update on quarantine
referencing old table as old_rows new table as new_rows
for each statement execute function audit_settlement();

-- By its name it comes after audit_update, and so takes them out of the entry of the erasure itself as well.
create trigger audit_update_erased after update on client
referencing old table as old_rows new table as new_rows
for each statement execute function erase_from_audit();
