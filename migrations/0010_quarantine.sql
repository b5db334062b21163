-- Who holds a partition: written when a validator begins it, removed when it lets go. A row that is met at the next
-- beginning was left by a process that ended without a word, and perhaps by what it had in hand.
create table fabric.held_partitions (
    topic       text        not null,
    partition   integer     not null,
    holder      bigint      not null,   -- drawn at random by each process; 0: let go, but still under suspicion
    place       text        not null,   -- HOST/PID, for people
    held_since  timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);

-- Chunks that are tried with nothing else in hand, since they may have killed whoever held their partition. A note is
-- written before the try and removed after it: one that is left tells of a try that its process did not live through.
create table fabric.suspect_chunks (
    topic       text        not null,
    partition   integer     not null,
    "offset"    bigint      not null,
    holder      bigint      not null,   -- who tries it; 0: nobody now
    tries       integer     not null check (tries >= 0),
    job_id      bigint,                 -- null until it has proved, by its token, whose it is
    seq         integer,
    tried_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition, "offset")
);
