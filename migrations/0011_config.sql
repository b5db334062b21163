-- What users edit: versions are immutable, which of them is active is a pointer, and every change of a pointer draws a
-- revision under the lock of its row: a follower ignores what is older than what it has.
create sequence fabric.config_revisions;

alter table fabric.feed_versions
    add column based_on integer,                      -- the active version that its author had before them
    add column message  text,                         -- why
    add column pins     jsonb not null default '{}',  -- {"template": version} of what it extends
    add column resolved text,                         -- the document with its templates merged in; null: it extends none
    -- `approval: required`: somebody else than its author makes it the active one.
    add column approval boolean not null default false;
comment on column fabric.feed_versions.sha256 is 'of resolved, where it is not null, else of document';

alter table fabric.feeds
    add column revision   bigint not null default nextval('fabric.config_revisions'),
    add column changed_by text not null default session_user,
    add column changed_at timestamptz not null default clock_timestamp(),
    add column retired_at timestamptz;

create table fabric.template_versions (
    template    text        not null,
    version     integer     not null check (version > 0),
    document    text        not null,
    sha256      bytea       not null check (octet_length(sha256) = 32),
    based_on    integer,
    message     text,
    applied_by  text        not null default session_user,
    applied_at  timestamptz not null default clock_timestamp(),
    primary key (template, version),
    unique (template, sha256)
);

create table fabric.templates (
    template       text        primary key,
    active_version integer     not null,
    revision       bigint      not null default nextval('fabric.config_revisions'),
    changed_by     text        not null default session_user,
    changed_at     timestamptz not null default clock_timestamp(),
    retired_at     timestamptz,
    foreign key (template, active_version) references fabric.template_versions
);

create table fabric.reference_versions (
    reference   text        not null,
    version     integer     not null check (version > 0),
    version_id  bigint      not null unique generated always as identity,
    columns     text[]      not null check (cardinality(columns) > 0),
    keys        bigint      not null,
    sha256      bytea       not null check (octet_length(sha256) = 32),   -- of the keys in ascending order
    based_on    integer,
    message     text,
    applied_by  text        not null default session_user,
    applied_at  timestamptz not null default clock_timestamp(),
    primary key (reference, version),
    unique (reference, sha256)
);

create table fabric.reference_sets (
    reference      text        primary key,
    active_version integer     not null,
    revision       bigint      not null default nextval('fabric.config_revisions'),
    changed_by     text        not null default session_user,
    changed_at     timestamptz not null default clock_timestamp(),
    retired_at     timestamptz,
    foreign key (reference, active_version) references fabric.reference_versions
);

-- One row per key of each version of a set; a key of several columns is its cells with U+001F between them. Without a
-- foreign key, which would ask a question for each of a million keys: a version and its keys come in one transaction, and
-- no version goes.
create table fabric.reference_keys (
    version_id bigint not null,   -- of fabric.reference_versions
    key        text   not null collate "C",
    primary key (version_id, key)
);

-- {"set": version} of the reference sets that the job's rules look up.
alter table fabric.jobs add column reference_pins jsonb not null default '{}';

-- Who changed what: added in the transaction of the change, and never changed again.
create table fabric.audit_log (
    audit_id   bigint      primary key generated always as identity,
    at         timestamptz not null default clock_timestamp(),
    who        text        not null default session_user,
    action     text        not null,
    kind       text        not null,   -- feed, template, reference, job
    name       text        not null,
    before     integer,                -- version
    after      integer,
    message    text
);
-- `fabric audit --kind K NAME`.
create index audit_log_by_thing on fabric.audit_log (kind, name, audit_id);

create function fabric.audit_log_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'fabric.audit_log takes new rows only' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete or truncate on fabric.audit_log
    for each statement execute function fabric.audit_log_is_append_only();

-- Versions that somebody other than their author has approved.
create table fabric.feed_approvals (
    feed        text        not null,
    version     integer     not null,
    approved_by text        not null default session_user,
    approved_at timestamptz not null default clock_timestamp(),
    primary key (feed, version),
    foreign key (feed, version) references fabric.feed_versions
);

-- Whether a version waits for an approval: it asks for one, or the active version does (else an edit that leaves
-- `approval: required` out would need none).
create function fabric.awaits_approval(a_feed text, a_version integer) returns boolean language sql stable as $$
    select not exists (select from fabric.feed_approvals a where (a.feed, a.version) = (a_feed, a_version))
       and exists (select from fabric.feed_versions v
                     left join fabric.feeds f on f.feed = v.feed
                    where v.feed = a_feed and v.approval and v.version in (a_version, f.active_version)
                      and f.active_version is distinct from a_version)
$$;

-- Approves a version in the name of whoever is logged in, and never of its author. It runs with its owner's rights, so
-- that people need none on the table of approvals.
create function fabric.approve_feed(a_feed text, a_version integer, a_message text) returns void
    language plpgsql security definer set search_path = fabric, pg_temp as $$
begin
    if session_user = (select v.applied_by from fabric.feed_versions v where (v.feed, v.version) = (a_feed, a_version))
    then
        raise exception 'feed % v% needs another person than its author %', a_feed, a_version, session_user
            using errcode = 'FB001';
    end if;
    insert into fabric.feed_approvals (feed, version) values (a_feed, a_version);
    insert into fabric.audit_log (action, kind, name, after, message)
    values ('approve', 'feed', a_feed, a_version, a_message);
end
$$;

-- Holds whoever writes the pointer to the approval, by whatever way.
create function fabric.activation_is_approved() returns trigger language plpgsql
    security definer set search_path = fabric, pg_temp as $$
begin
    if fabric.awaits_approval(new.feed, new.active_version) then
        raise exception 'feed % v% is not approved', new.feed, new.active_version using errcode = 'FB001';
    end if;
    return new;
end
$$;
create trigger approved before insert or update of active_version on fabric.feeds
    for each row execute function fabric.activation_is_approved();

-- The outbox's next rows of one topic, however many wait for another: looked for several times a second.
create index outbox_by_topic on fabric.outbox (topic, event_id);

-- SHA-256 of what processes read of a feed's version: one that extends templates is read as they resolve it.
create function fabric.checksum(sha256 bytea, resolved text) returns bytea language sql stable as $$
    select case when resolved is null then sha256 else sha256(convert_to(resolved, 'UTF8')) end
$$;

-- What is active, of every kind: what the config topic says, and what a process that cannot follow it reads.
create view fabric.config_current as
    select 'feed' as kind, f.feed as name, f.active_version, f.revision,
           fabric.checksum(v.sha256, v.resolved) as checksum, f.changed_by, f.changed_at, f.retired_at is not null as retired
      from fabric.feeds f join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
    union all
    select 'template', t.template, t.active_version, t.revision, v.sha256, t.changed_by, t.changed_at,
           t.retired_at is not null
      from fabric.templates t join fabric.template_versions v on (v.template, v.version) = (t.template, t.active_version)
    union all
    select 'reference', r.reference, r.active_version, r.revision, v.sha256, r.changed_by, r.changed_at,
           r.retired_at is not null
      from fabric.reference_sets r
      join fabric.reference_versions v on (v.reference, v.version) = (r.reference, r.active_version);
