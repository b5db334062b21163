-- Where partitions of lanes begin again after Postgres was restored to an earlier point: put down by `fabric recover`, taken
-- away by the validator that has begun there. A row counts only while the partition's commit names a chunk that the ledger
-- does not know.
create table fabric.lane_rewinds (
    topic       text        not null,
    partition   integer     not null,
    next_offset bigint      not null check (next_offset >= 0),
    asked_by    text        not null default session_user,
    asked_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);
