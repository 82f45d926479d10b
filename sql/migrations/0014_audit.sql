-- serves_from: 11
-- Who changed which record: written by triggers, so that no code path can forget it. Which tables, says 0017.

-- One act of somebody: all records that one transaction changed.
create table audit_group (
    id         bigint primary key generated always as identity,
    at         timestamptz not null default clock_timestamp(),
    -- Name of the key, or db:<user> for whoever came past the aggregator, or job:<name>.
    actor      text not null,
    key_id     bigint references api_key,
    request_id text not null default '',
    -- What was called, in words of the program: Inventory/AssignAssets, provisioning, undo 17.
    act        text not null default '',
    -- The group that this one undoes, and the one that undid this one.
    undoes     bigint references audit_group,
    undone_by  bigint references audit_group
);

create index audit_group_actor on audit_group (actor, id);

create table audit_entry (
    id         bigint primary key generated always as identity,
    group_id   bigint not null references audit_group,
    action     text not null check (action in ('insert', 'update', 'delete')),
    table_name text not null,
    -- The record's primary key, as text; parts of a key are joined by '/'.
    record_id  text not null,
    -- Clients it concerns, for lists by client; empty when none.
    client_id  bigint,
    -- Only the columns that changed, for updates.
    old_values jsonb,
    new_values jsonb
);

create index audit_entry_group on audit_entry (group_id, id);
create index audit_entry_record on audit_entry (table_name, record_id, id);

-- The group of this transaction, made when it is first asked for.
create function audit_group() returns bigint
language plpgsql as $$
declare
    held bigint := nullif(current_setting('ullage.audit_group', true), '')::bigint;
begin
    if held is null then
        insert into audit_group (actor, key_id, request_id, act, undoes)
        values (
            coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user),
            nullif(current_setting('ullage.key_id', true), '')::bigint,
            coalesce(current_setting('ullage.request_id', true), ''),
            coalesce(current_setting('ullage.act', true), ''),
            nullif(current_setting('ullage.undoes', true), '')::bigint
        )
        returning id into held;
        perform set_config('ullage.audit_group', held::text, true);
    end if;
    return held;
end $$;

-- The columns as one object, as an expression over the alias.
create function audit_values(columns text[], alias text) returns text
language sql immutable as $$
    select 'jsonb_build_object(' || string_agg(format('%L, %s.%I', c, alias, c), ', ' order by place) || ')'
    from unnest(columns) with ordinality u (c, place)
$$;

-- Those of the columns that differ between o and n, with the values of the alias, as an expression.
create function audit_changed_values(columns text[], alias text) returns text
language sql immutable as $$
    select string_agg(
        format('case when o.%1$I is distinct from n.%1$I then jsonb_build_object(%1$L, %2$s.%1$I) else ''{}'' end', c, alias),
        ' || ' order by place
    )
    from unnest(columns) with ordinality u (c, place)
$$;

-- Once a statement, for all rows it changed. Arguments: columns of the primary key, audited columns, then over an alias that
-- stands as %1$s: the client it concerns, and which rows are decisions. Planned anew each time, because a plan that was made
-- for one changed row is a bad one for ten thousand.
create function write_audit() returns trigger
language plpgsql set timezone to 'UTC' as $$
declare
    keys text[] := tg_argv[0]::text[];
    columns text[] := tg_argv[1]::text[];
    alias text := case tg_op when 'DELETE' then 'o' else 'n' end;
    record_key text;
    rows_changed text;
    differs text;
begin
    select string_agg(format('%s.%I::text', alias, k), ' || ''/'' || ' order by place),
           'old_rows o join new_rows n on ' || string_agg(format('n.%1$I = o.%1$I', k), ' and ')
    into record_key, rows_changed
    from unnest(keys) with ordinality u (k, place);
    select string_agg(format('o.%1$I is distinct from n.%1$I', c), ' or ') into differs from unnest(columns) u (c);
    execute format(
        'with changed as materialized (
             select lower(%L) as action, %s as record_id, (%s)::bigint as client_id, %s as old_values, %s as new_values
             from %s
             where %s
         ), owner as materialized (
             select audit_group() as id where exists (select from changed)
         )
         insert into audit_entry (group_id, action, table_name, record_id, client_id, old_values, new_values)
         select owner.id, c.action, %L, c.record_id, c.client_id, c.old_values, c.new_values
         from owner, changed c',
        tg_op,
        record_key,
        format(tg_argv[2], alias),
        case tg_op
            when 'INSERT' then 'null::jsonb'
            when 'DELETE' then audit_values(columns, 'o')
            else audit_changed_values(columns, 'o')
        end,
        case tg_op
            when 'INSERT' then audit_values(columns, 'n')
            when 'DELETE' then 'null::jsonb'
            else audit_changed_values(columns, 'n')
        end,
        case tg_op when 'INSERT' then 'new_rows n' when 'DELETE' then 'old_rows o' else rows_changed end,
        case tg_op
            when 'UPDATE' then format(
                '(%s) and ((%s) or (%s))', differs, format(tg_argv[3], 'o'), format(tg_argv[3], 'n')
            )
            else format(tg_argv[3], alias)
        end,
        tg_table_name
    );
    return null;
end $$;

-- Puts a table under audit: `acts` (insert, update, delete) that change these columns, all but `without` where none are named.
create function audit_table(
    audited regclass,
    columns text[] default null,
    without text[] default '{}',
    client text default 'null',
    decisions text default 'true',
    acts text[] default '{insert,update,delete}'
) returns void
language plpgsql as $$
declare
    keys text[];
    act text;
begin
    select array_agg(a.attname order by place) into keys
    from pg_index i
    cross join unnest(i.indkey) with ordinality k (number, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    where i.indrelid = audited and i.indisprimary;
    if columns is null then
        select array_agg(attname order by attnum) into columns
        from pg_attribute
        where attrelid = audited and attnum > 0 and not attisdropped and attname <> all (without || 'id'::text);
    end if;
    foreach act in array acts loop
        execute format(
            'create trigger audit_%s after %s on %s referencing %s for each statement execute function write_audit(%L, %L, %L, %L)',
            act,
            act,
            audited,
            case act
                when 'insert' then 'new table as new_rows'
                when 'delete' then 'old table as old_rows'
                else 'old table as old_rows new table as new_rows'
            end,
            keys,
            columns,
            client,
            decisions
        );
    end loop;
end $$;

-- The log is written once. The two exceptions: a group learns by which other one it was undone, and of a client that was
-- erased the name and the contact are taken out.
create function keep_audit() returns trigger
language plpgsql as $$
begin
    if tg_op = 'UPDATE' and tg_table_name = 'audit_group' then
        if old.undone_by is null and to_jsonb(old) - 'undone_by' = to_jsonb(new) - 'undone_by' then
            return new;
        end if;
    elsif tg_op = 'UPDATE' then
        if old.table_name = 'client'
            and to_jsonb(old) - '{old_values,new_values}'::text[] = to_jsonb(new) - '{old_values,new_values}'::text[]
            and old.old_values - '{name,contact}'::text[] is not distinct from new.old_values
            and old.new_values - '{name,contact}'::text[] is not distinct from new.new_values
            and exists (select from client where id = old.record_id::bigint and erased_at is not null)
        then
            return new;
        end if;
    end if;
    raise exception 'the audit log is written once and never changed' using errcode = 'restrict_violation';
end $$;

create trigger keep_audit before update or delete on audit_group for each row execute function keep_audit();
create trigger keep_audit before update or delete on audit_entry for each row execute function keep_audit();
create trigger keep_audit_whole before truncate on audit_group for each statement execute function keep_audit();
create trigger keep_audit_whole before truncate on audit_entry for each statement execute function keep_audit();

-- Takes name and contact of clients that were just erased out of the log.
create function erase_from_audit() returns trigger
language plpgsql as $$
begin
    update audit_entry
    set old_values = old_values - '{name,contact}'::text[], new_values = new_values - '{name,contact}'::text[]
    where table_name = 'client'
        and record_id in (
            select n.id::text
            from new_rows n
            join old_rows o on o.id = n.id
            where o.erased_at is null and n.erased_at is not null
        )
        and (old_values ?| '{name,contact}' or new_values ?| '{name,contact}');
    return null;
end $$;

-- What a group did to each record in the end, with the values before and after. A record that came and went again in it is
-- left out.
create function audit_net(wanted bigint)
returns table (table_name text, record_id text, action text, old_values jsonb, new_values jsonb)
language sql stable as $$
    with entry as (
        select e.id, e.table_name, e.record_id, e.action, e.old_values, e.new_values
        from audit_entry e
        where e.group_id = wanted
    ), ends as (
        select e.table_name, e.record_id, (array_agg(e.action order by e.id))[1] as first,
               (array_agg(e.action order by e.id desc))[1] as last
        from entry e
        group by 1, 2
    ), before as (
        -- Of several values of a key the last one stays: the oldest.
        select e.table_name, e.record_id, jsonb_object_agg(v.key, v.value order by e.id desc) as old_values
        from entry e
        cross join lateral jsonb_each(e.old_values) v
        group by 1, 2
    ), after as (
        select e.table_name, e.record_id, jsonb_object_agg(v.key, v.value order by e.id) as new_values
        from entry e
        cross join lateral jsonb_each(e.new_values) v
        group by 1, 2
    )
    select n.table_name, n.record_id,
           case when n.first = 'insert' then 'insert' when n.last = 'delete' then 'delete' else 'update' end,
           case when n.first <> 'insert' then b.old_values end,
           case when n.last <> 'delete' then a.new_values end
    from ends n
    left join before b using (table_name, record_id)
    left join after a using (table_name, record_id)
    where not (n.first = 'insert' and n.last = 'delete')
$$;

-- Records that are not any more as the group left them. For tables whose key is `id`.
create function audit_differs(wanted bigint) returns table (table_name text, record_id text)
language plpgsql stable set timezone to 'UTC' as $$
declare
    audited text;
begin
    for audited in select distinct n.table_name from audit_net(wanted) n loop
        return query execute format(
            'select n.table_name, n.record_id
             from audit_net($1) n
             left join %1$I t on t.id = n.record_id::bigint
             where n.table_name = %1$L and case
                 when n.action = ''delete'' then t.id is not null
                 else t.id is null
                     or exists (select from jsonb_each(n.new_values) v where to_jsonb(t) -> v.key is distinct from v.value)
             end',
            audited
        ) using wanted;
    end loop;
end $$;

-- One step of setting a group back: of a table, what it inserted (`delete`), deleted (`insert`) or changed (`update`), and of
-- that what `which` says over t, the record as it is, and p, as it was. Returns how many records.
create function audit_set_back(wanted bigint, audited text, step text, which text default 'true') returns bigint
language plpgsql set timezone to 'UTC' as $$
declare
    columns text[];
    changed bigint;
begin
    select array_agg(distinct k order by k) into columns
    from audit_net(wanted) n
    cross join lateral jsonb_object_keys(n.old_values) k
    where n.table_name = audited and n.action = case step when 'insert' then 'delete' else 'update' end;
    if step <> 'delete' and columns is null then
        return 0;
    end if;
    execute case step
        when 'delete' then format(
            'delete from %1$I t using audit_net($1) n
             where n.table_name = %1$L and n.action = ''insert'' and t.id = n.record_id::bigint and (%2$s)',
            audited, which
        )
        when 'insert' then format(
            'insert into %1$I (id, %2$s) overriding system value
             select n.record_id::bigint, %3$s
             from audit_net($1) n
             cross join lateral jsonb_populate_record(null::%1$I, n.old_values) p
             where n.table_name = %1$L and n.action = ''delete'' and (%4$s)',
            audited,
            (select string_agg(format('%I', c), ', ' order by c) from unnest(columns) c),
            (select string_agg(format('p.%I', c), ', ' order by c) from unnest(columns) c),
            which
        )
        else format(
            'update %1$I t set %2$s
             from audit_net($1) n
             cross join lateral jsonb_populate_record(null::%1$I, n.old_values) p
             where n.table_name = %1$L and n.action = ''update'' and t.id = n.record_id::bigint and (%3$s)',
            audited,
            (
                select string_agg(
                    format('%1$I = case when n.old_values ? %1$L then p.%1$I else t.%1$I end', c), ', ' order by c
                )
                from unnest(columns) c
            ),
            which
        )
    end using wanted;
    get diagnostics changed = row_count;
    return changed;
end $$;
