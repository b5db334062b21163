-- Key of the advisory lock of a job: shared by its loaders, exclusive for the instant of a change of its state.
create function fabric.job_lock_key(job bigint) returns bigint
    language sql immutable parallel safe
    return (x'fab1'::int::bigint << 47) | job;

-- Opens a loading transaction. The lock comes first; what follows sees a snapshot taken after it (volatile, READ
-- COMMITTED), so a change of state that was committed under the exclusive lock is never missed.
create function fabric.fence(
    job bigint, seq integer, token_hash bytea,
    first_record bigint, first_line bigint, first_byte bigint, span bigint, crc32c bigint,
    records integer, blanks integer, rejected integer, rejects_by_rule jsonb, warnings_by_rule jsonb,
    topic text, "partition" integer, "offset" bigint, loader text,
    out answer text,
    -- Rejects of the job as last added up: past a limit only their byte ranges are kept.
    out rejected_before bigint
)
    language plpgsql volatile
as $$
declare
    state text;
    found_row fabric.chunk_ledger;
begin
    perform pg_advisory_xact_lock_shared(fabric.job_lock_key(fence.job));

    select j.state, j.records_rejected into state, rejected_before from fabric.jobs j
     where j.job_id = fence.job
       and exists (select from fabric.job_tokens t where t.job_id = j.job_id and t.token_hash = fence.token_hash);
    if not found then
        answer := 'unknown';
        return;
    end if;

    -- A loaded chunk answers the same whatever became of its job.
    select * into found_row from fabric.chunk_ledger l where l.job_id = fence.job and l.seq = fence.seq;
    if not found then
        if state not in ('registered', 'publishing', 'loading', 'stalled', 'incomplete', 'parked') then
            answer := 'stopped';
            return;
        end if;
        insert into fabric.chunk_ledger as l
            (job_id, seq, first_record, first_line, first_byte, span, crc32c, records, blanks, loaded, rejected,
             rejects_by_rule, warnings_by_rule, topic, partition, "offset", loader)
        values
            (fence.job, fence.seq, fence.first_record, fence.first_line, fence.first_byte, fence.span, fence.crc32c,
             fence.records, fence.blanks, fence.records - fence.rejected, fence.rejected,
             fence.rejects_by_rule, fence.warnings_by_rule, fence.topic, fence."partition", fence."offset", fence.loader)
        on conflict on constraint chunk_ledger_pkey do nothing;
        if found then
            delete from fabric.owed_chunks o where o.job_id = fence.job and o.seq = fence.seq;
            answer := 'load';
            return;
        end if;
        -- Another transaction loaded it while we waited for its row.
        select * into found_row from fabric.chunk_ledger l where l.job_id = fence.job and l.seq = fence.seq;
    end if;

    if (found_row.first_byte, found_row.span, found_row.crc32c) = (fence.first_byte, fence.span, fence.crc32c) then
        answer := 'already';
    else
        answer := 'conflict';
    end if;
end
$$;
