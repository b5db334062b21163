-- Rejects: source bytes, position, every reason. Partitioned by month; the steward makes partitions ahead.
create table fabric.rejects (
    job_id       bigint      not null,
    record_no    bigint      not null,
    seq          integer     not null,
    line         bigint      not null,
    byte_offset  bigint      not null,
    byte_length  bigint      not null,   -- in the file; more than octet_length(source) where only the first bytes were kept
    source       bytea,                  -- null past the limit of kept rejects: the byte range finds it in the file
    -- [{"rule": "amount.exclusiveMinimum", "severity": "error", "field": "amount", "value": "-1", "message": "…"}]
    reasons      jsonb       not null,
    rejected_at  timestamptz not null default now()
) partition by range (rejected_at);

create table fabric.rejects_default partition of fabric.rejects default;
-- `fabric rejects JOB` lists a job's rejects in the order of the file.
create index rejects_of_job on fabric.rejects (job_id, record_no);
