-- The ledger: one row per chunk, written in the transaction that loads it. It makes the load exactly-once.
create table fabric.chunk_ledger (
    job_id        bigint      not null references fabric.jobs,
    seq           integer     not null,
    first_record  bigint      not null,
    first_line    bigint      not null,
    first_byte    bigint      not null,
    span          bigint      not null,
    crc32c        bigint      not null,
    records       integer     not null,
    blanks        integer     not null,
    loaded        integer     not null,
    rejected      integer     not null,
    -- {"rule": records} of severity error and warn; null where no record broke any.
    rejects_by_rule  jsonb,
    warnings_by_rule jsonb,
    -- Where the delivery stood.
    topic         text        not null,
    partition     integer     not null,
    "offset"      bigint      not null,
    loader        text        not null,
    committed_at  timestamptz not null default clock_timestamp(),
    primary key (job_id, seq),
    check (records = loaded + rejected)
);

-- Chunks that a job owes: its target was at fault when they came (parked), or they kept killing their worker.
create table fabric.owed_chunks (
    job_id      bigint      not null references fabric.jobs on delete cascade,
    seq         integer     not null,
    topic       text        not null,
    partition   integer     not null,
    "offset"    bigint      not null,
    reason      text        not null,
    owed_since  timestamptz not null default clock_timestamp(),
    primary key (job_id, seq)
);

-- Messages of a job that could not be used and went to the dead letters.
create table fabric.job_notes (
    job_id      bigint      not null references fabric.jobs on delete cascade,
    noted_at    timestamptz not null default clock_timestamp(),
    note        text        not null
);
-- `jobs show` lists a job's notes in order.
create index job_notes_of_job on fabric.job_notes (job_id, noted_at);
