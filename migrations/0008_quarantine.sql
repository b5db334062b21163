-- A chunk is owed because its target is at fault, or because it kept killing its worker: the steward sends the first
-- kind again by itself, people bring back the other. `sent_at`: a copy of it is on its way at the lane's end.
alter table fabric.owed_chunks
    add column cause   text not null default 'target' check (cause in ('target', 'worker')),
    add column sent_at timestamptz;

-- Last offset per partition of copies of owed chunks: the job's consumers are past it only when they are past these too.
alter table fabric.jobs add column copied_offsets jsonb;

-- Who holds a partition of a lane. The row goes when its holder lets go of the partition; one that is still there when
-- the next holder comes tells of a process that died, perhaps of a chunk that it was working on.
create table fabric.lane_holders (
    topic       text        not null,
    partition   integer     not null,
    holder      text        not null,
    held_since  timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);

-- Deliveries that may have killed a process, noted before they are tried again. Only the first ones after a holder's
-- death get here: the usual path writes nothing.
create table fabric.chunk_attempts (
    topic       text        not null,
    partition   integer     not null,
    "offset"    bigint      not null,
    -- The one under way included; the one that the dead holder may have made is the first.
    attempts    integer     not null check (attempts > 0),
    -- Known once the message is decoded and its token is one of the job's.
    job_id      bigint,
    seq         integer,
    holder      text        not null,
    began_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition, "offset")
);
