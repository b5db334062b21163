-- Roles beside the owner, who migrates: fabric_app for processes, fabric_reader for who looks, and for people fabric_analyst
-- (edits), fabric_approver (approves and activates) and fabric_operator (jobs). Whoever logs in is a member of some.

-- Gives the roles what they need, those that there are; creates them first where the caller may. `fabric migrate` calls it
-- each time, so that tables of later releases, and roles that came later, are not forgotten.
create function fabric.grant_roles() returns void language plpgsql as $$
declare
    each_role text;
    history constant text := 'fabric.audit_log, fabric.feed_versions, fabric.template_versions,
                              fabric.reference_versions, fabric.reference_keys, fabric.feed_approvals';
begin
    -- Of two that grant the same thing at once one fails otherwise.
    perform pg_advisory_xact_lock(hashtextextended('fabric grant roles', 0));
    foreach each_role in array
        array['fabric_app', 'fabric_reader', 'fabric_analyst', 'fabric_approver', 'fabric_operator'] loop
        if not exists (select from pg_roles where rolname = each_role)
           and (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
            begin
                execute format('create role %I nologin', each_role);
            exception when duplicate_object or unique_violation then
                null;   -- another database of this server is migrated just now
            end;
        end if;
        if not exists (select from pg_roles where rolname = each_role) then
            continue;
        end if;
        execute format('grant usage on schema fabric to %I', each_role);
        execute format('grant select on all tables in schema fabric to %I', each_role);
        case each_role
        when 'fabric_app' then
            execute format('grant insert, update, delete on all tables in schema fabric to %I', each_role);
            -- What has happened stays, and what is active is for people to say.
            execute format('revoke insert, update, delete on %s, fabric.feeds, fabric.templates, fabric.reference_sets,
                            fabric.migrations, fabric.schemas from %I', history, each_role);
            execute format('grant insert on fabric.audit_log to %I', each_role);
            execute format('grant execute on function fabric.make_rejects_partition(text, date) to %I', each_role);
        when 'fabric_analyst' then
            execute format('grant insert on fabric.audit_log, fabric.feed_versions, fabric.template_versions,
                            fabric.reference_versions, fabric.reference_keys, fabric.outbox to %I', each_role);
            execute format('grant insert, update on fabric.feeds, fabric.templates, fabric.reference_sets to %I', each_role);
            execute format('grant usage on sequence fabric.config_revisions to %I', each_role);
        when 'fabric_approver' then
            execute format('grant insert on fabric.audit_log, fabric.outbox to %I', each_role);
            execute format('grant insert, update on fabric.feeds, fabric.templates, fabric.reference_sets to %I', each_role);
            execute format('grant usage on sequence fabric.config_revisions to %I', each_role);
            -- Once there are approvers, nobody else approves.
            revoke execute on function fabric.approve_feed(text, integer, text) from public;
            execute format('grant execute on function fabric.approve_feed(text, integer, text) to %I', each_role);
        when 'fabric_operator' then
            execute format('grant insert on fabric.audit_log, fabric.outbox, fabric.job_tokens, fabric.job_notes to %I',
                           each_role);
            execute format('grant update on fabric.jobs to %I', each_role);
            execute format('grant update, delete on fabric.owed_chunks to %I', each_role);
            execute format('grant update on fabric.streams to %I', each_role);
            execute format('grant insert, update on fabric.stream_positions to %I', each_role);
        else
            null;
        end case;
        -- Whoever registers a job locks the rows of what it pins, and a lock asks for the right to update some column.
        if each_role in ('fabric_app', 'fabric_operator') then
            execute format('grant update (changed_at) on fabric.feeds, fabric.reference_sets to %I', each_role);
        end if;
    end loop;
end
$$;
revoke execute on function fabric.grant_roles() from public;

-- The partition of the month in which `a_day` lies, of what files or streams rejected: only the owner of a table may add
-- one, and the steward is not. Making it takes the rejects from every loader for an instant: none is made to wait for it.
create function fabric.make_rejects_partition(rejects text, a_day date) returns void language plpgsql
    security definer set search_path = fabric, pg_temp set lock_timeout = '300ms' as $$
declare
    first_day constant date := date_trunc('month', a_day)::date;
begin
    if rejects not in ('rejects', 'stream_rejects') then
        raise exception 'fabric.% holds no rejects', rejects using errcode = 'undefined_table';
    end if;
    execute format('create table if not exists fabric.%I partition of fabric.%I for values from (%L) to (%L)',
                   rejects || to_char(first_day, '"_y"YYYY"m"MM'), rejects,
                   first_day::timestamp at time zone 'UTC', (first_day + interval '1 month') at time zone 'UTC');
end
$$;
revoke execute on function fabric.make_rejects_partition(text, date) from public;
