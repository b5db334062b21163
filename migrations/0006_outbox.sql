-- Events that commit with the change they tell of; the steward publishes them in order and removes what is acknowledged.
create table fabric.outbox (
    event_id    bigint      primary key generated always as identity,
    topic       text        not null,   -- without the prefix: job-events
    key         text        not null,
    payload     jsonb       not null,
    created_at  timestamptz not null default clock_timestamp()
);

-- Avro schemas of fabric's own topics by CRC-64-AVRO fingerprint: a reader meets a newer writer.
create table fabric.schemas (
    fingerprint bytea       primary key check (octet_length(fingerprint) = 8),
    name        text        not null,
    document    text        not null,
    stored_at   timestamptz not null default now()
);
