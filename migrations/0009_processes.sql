-- Processes that run: who they are, when they last said so, and what they do. Nothing depends on a row but what people
-- are shown: one whose beat is old belongs to a process that is gone, and the steward sweeps it.
create table fabric.processes (
    role        text        not null check (role in ('validate', 'ingest', 'steward')),
    host        text        not null,
    pid         integer     not null,
    version     text        not null,
    started_at  timestamptz not null default clock_timestamp(),
    beat_at     timestamptz not null default clock_timestamp(),
    -- {"partitions": {"normal": [0, 1]}, "chunksInFlight": 3, "recordsPerSecond": 1.5e5, …}: what people are shown.
    doing       jsonb       not null,
    primary key (host, pid, role)
)
-- Rewritten every few seconds for as long as processes live: room for the next version on the same page.
with (fillfactor = 50);
