-- How a stream runs: what stops it, and what it has been stopped by.

-- Key of the advisory lock of a stream: shared by its loaders, exclusive for whoever has to know that no batch is under
-- way. Unlike the lock of a row it queues: loaders that come later do not overtake who waits for it.
create function fabric.stream_lock_key(feed text) returns bigint
    language sql immutable parallel safe
    return (x'fab2'::int::bigint << 47) | (hashtextextended(feed, 0) & ((1::bigint << 40) - 1));

-- A window: the time over whose records a feed's thresholds are judged. The steward begins each, under the stream's lock
-- taken alone, so that every record counts in one window.
alter table fabric.streams
    add column window_number  bigint      not null default 1,
    add column window_began   timestamptz not null default clock_timestamp(),
    add column window_version integer,                        -- of the feed, whose thresholds hold; null: not looked at yet
    add column window_alerted integer[]   not null default '{}';   -- numbers of the thresholds that it has told of

-- What this partition has brought to the window, in the transactions that moved it.
alter table fabric.stream_positions
    add column window_number   bigint,                        -- another than the stream's: nothing yet
    add column window_records  bigint not null default 0,
    add column window_rejected bigint not null default 0;

-- As before, but for the lock and the window. The lock comes first, and what follows sees a snapshot taken after it, so
-- that a state or a window that was committed before somebody took it alone is never missed.
create or replace function fabric.stream_fence(
    feed text, topic text, "partition" integer, topic_id text, expected bigint, next bigint,
    feed_version integer, loaded bigint, rejected bigint,
    out answer text,
    out rejected_before bigint
)
    language plpgsql volatile
as $$
declare
    its_window bigint;
begin
    perform pg_advisory_xact_lock_shared(fabric.stream_lock_key(stream_fence.feed));
    select s.window_number into its_window from fabric.streams s
     where s.feed = stream_fence.feed and s.state = 'running';
    if not found then
        answer := 'stopped';
        return;
    end if;
    update fabric.stream_positions p
       set next_offset = stream_fence.next, feed_version = stream_fence.feed_version, state = 'running', reason = null,
           loaded = p.loaded + stream_fence.loaded, rejected = p.rejected + stream_fence.rejected,
           window_records = case when p.window_number = its_window then p.window_records else 0 end
                            + stream_fence.loaded + stream_fence.rejected,
           window_rejected = case when p.window_number = its_window then p.window_rejected else 0 end
                             + stream_fence.rejected,
           window_number = its_window, moved_at = clock_timestamp()
     where p.feed = stream_fence.feed and p.topic = stream_fence.topic and p.partition = stream_fence."partition"
       and p.topic_id = stream_fence.topic_id and p.next_offset = stream_fence.expected and p.state <> 'gap'
    returning p.rejected - stream_fence.rejected into rejected_before;
    answer := case when found then 'load' else 'already' end;
end
$$;

-- Records of a partition that are tried with nothing else in hand, since they may have killed whoever held it. A note is
-- written before the try and removed after it: one that is left tells of a try that its process did not live through.
create table fabric.stream_trials (
    topic       text        not null,
    partition   integer     not null,
    from_offset bigint      not null,
    to_offset   bigint      not null,   -- of the last one
    holder      bigint      not null,   -- who tries them; 0: nobody now
    deaths      integer     not null check (deaths >= 0),   -- of processes that tried these before
    tried_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);
