-- Streams: feeds whose records come one by one from a topic. What fences a batch is the position of its partition.
alter table fabric.feed_versions
    add column stream_topic text;   -- the record topic; null: its records come in files

create table fabric.streams (
    feed       text        primary key,
    state      text        not null default 'running' check (state in ('running', 'paused')),
    reason     text,                -- why it is paused
    changed_by text        not null default session_user,
    changed_at timestamptz not null default clock_timestamp()
);

-- Which record of each partition comes next. It moves in the transaction that loads what stands before it, and so the
-- records before it are in Postgres exactly once, as rows or as rejects.
create table fabric.stream_positions (
    feed         text        not null references fabric.streams,
    topic        text        not null,
    partition    integer     not null,
    topic_id     text        not null,   -- Kafka's: a topic made anew has another
    next_offset  bigint      not null check (next_offset >= 0),
    -- running; parked: the target is at fault; gap: records before gap_to are not there any more.
    state        text        not null default 'running' check (state in ('running', 'parked', 'gap')),
    reason       text,
    gap_to       bigint,
    gap_topic_id text,
    feed_version integer,                -- that judged the last batch
    loaded       bigint      not null default 0,
    rejected     bigint      not null default 0,
    moved_at     timestamptz not null default clock_timestamp(),
    primary key (feed, topic, partition),
    check ((state = 'gap') = (gap_to is not null and gap_topic_id is not null))
);

-- Rejects of streams: the value's bytes, where it stood, every reason. Partitioned by month as those of files are.
create table fabric.stream_rejects (
    feed         text        not null,
    topic        text        not null,
    partition    integer     not null,
    "offset"     bigint      not null,
    feed_version integer     not null,
    byte_length  bigint      not null,   -- in the topic; more than octet_length(source) where only the first bytes were kept
    source       bytea,
    reasons      jsonb       not null,   -- as in fabric.rejects
    rejected_at  timestamptz not null default now()
) partition by range (rejected_at);

create table fabric.stream_rejects_default partition of fabric.stream_rejects default;
-- Rejects of a stream in the order of a partition.
create index stream_rejects_of_feed on fabric.stream_rejects (feed, topic, partition, "offset");

-- Opens the transaction of a batch: moves the position, if it stands where the batch begins. Whoever was another's
-- partition meanwhile, or began elsewhere, is told `already` and loads nothing. A stream that is paused is locked
-- against that until the batch has ended, so that nothing is loaded once `pause` has answered.
create function fabric.stream_fence(
    feed text, topic text, "partition" integer, topic_id text, expected bigint, next bigint,
    feed_version integer, loaded bigint, rejected bigint,
    out answer text,
    out rejected_before bigint
)
    language plpgsql volatile
as $$
begin
    perform from fabric.streams s where s.feed = stream_fence.feed and s.state = 'running' for share;
    if not found then
        answer := 'stopped';
        return;
    end if;
    update fabric.stream_positions p
       set next_offset = stream_fence.next, feed_version = stream_fence.feed_version, state = 'running', reason = null,
           loaded = p.loaded + stream_fence.loaded, rejected = p.rejected + stream_fence.rejected,
           moved_at = clock_timestamp()
     where p.feed = stream_fence.feed and p.topic = stream_fence.topic and p.partition = stream_fence."partition"
       and p.topic_id = stream_fence.topic_id and p.next_offset = stream_fence.expected and p.state <> 'gap'
    returning p.rejected - stream_fence.rejected into rejected_before;
    answer := case when found then 'load' else 'already' end;
end
$$;

-- A topic is of one feed: its group has one position in each partition. What is loaded from it has a row to be paused by.
-- Whoever activates a feed need not be one who may write to streams.
create function fabric.feed_has_its_topic() returns trigger language plpgsql
    security definer set search_path = fabric, pg_temp as $$
declare
    its_topic text;
    other text;
begin
    select v.stream_topic into its_topic from fabric.feed_versions v
     where (v.feed, v.version) = (new.feed, new.active_version);
    if its_topic is null or new.retired_at is not null then
        return null;
    end if;
    select f.feed into other from fabric.feeds f
      join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
     where f.feed <> new.feed and f.retired_at is null and v.stream_topic = its_topic;
    if found then
        raise exception 'topic % is of feed % already: a topic is of one feed', its_topic, other using errcode = 'FB002';
    end if;
    insert into fabric.streams (feed) values (new.feed) on conflict do nothing;
    return null;
end
$$;
create trigger has_its_topic after insert or update on fabric.feeds
    for each row execute function fabric.feed_has_its_topic();
