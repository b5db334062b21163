-- Jobs: one load of one file, with everything that it pins.
create table fabric.jobs (
    job_id          bigint      primary key generated always as identity,
    feed            text        not null,
    feed_version    integer     not null,
    lane            text        not null check (lane in ('normal', 'high')),

    -- The source: as stored, before decompression.
    file            text        not null,   -- its name, for people
    path            text,                   -- absolute; null for a pipe
    source_bytes    bigint,                 -- null until a pipe has ended
    head_sha256     bytea,                  -- of the first MiB
    tail_sha256     bytea,                  -- of the last MiB
    content_sha256  bytea,                  -- of the whole; null until it is known
    again           boolean     not null default false,   -- loaded knowingly a second time

    -- The cut.
    cutter_version  integer     not null,
    chunk_bytes     integer     not null,
    record_bytes    integer     not null,

    state           text        not null default 'registered' check (state in (
        'registered', 'publishing', 'loading', 'reconciling', 'completed', 'failed', 'parked', 'stopping', 'stopped',
        'stalled', 'incomplete', 'duplicate', 'undoing', 'undone')),
    reason          text,

    -- What the publisher stated when it closed the job; null before.
    chunks          integer,
    records         bigint,
    bytes           bigint,                 -- decompressed
    headers         bigint,
    blanks          bigint,
    topic           text,
    last_offsets    jsonb,                  -- {"partition": last acknowledged offset}

    -- What the steward has added up so far; exact once the job has ended.
    chunks_loaded   integer     not null default 0,
    records_loaded  bigint      not null default 0,
    records_rejected bigint     not null default 0,
    bytes_loaded    bigint      not null default 0,

    lease_until     timestamptz,            -- of the publisher, by this server's clock
    publisher       text,                   -- host and process, for people
    registered_by   text        not null default session_user,
    registered_at   timestamptz not null default clock_timestamp(),
    closed_at       timestamptz,
    ended_at        timestamptz,
    foreign key (feed, feed_version) references fabric.feed_versions
);

-- One live job per identity (feed + content). A job that ended badly may be loaded anew.
create unique index jobs_one_live_per_content on fabric.jobs (feed, content_sha256)
    where content_sha256 is not null and not again
      and state in ('registered', 'publishing', 'loading', 'reconciling', 'completed', 'parked', 'stalled', 'incomplete');
-- Finding a possible duplicate or a job to go on with before the file is read.
create index jobs_by_fingerprint on fabric.jobs (feed, source_bytes, head_sha256, tail_sha256);
-- The steward's loop looks at live jobs only.
create index jobs_live on fabric.jobs (job_id)
    where state in ('registered', 'publishing', 'loading', 'reconciling', 'parked', 'stopping', 'stalled');

-- A publishing run adds a token; a message without a valid one never changes a job.
create table fabric.job_tokens (
    job_id      bigint      not null references fabric.jobs on delete cascade,
    token_hash  bytea       not null check (octet_length(token_hash) = 32),
    created_at  timestamptz not null default clock_timestamp(),
    primary key (job_id, token_hash)
);
