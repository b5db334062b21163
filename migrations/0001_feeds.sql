-- Feed definitions: immutable versions, and a pointer to the active one.
create table fabric.feed_versions (
    feed        text        not null,
    version     integer     not null check (version > 0),
    document    text        not null,
    sha256      bytea       not null check (octet_length(sha256) = 32),
    applied_by  text        not null default session_user,
    applied_at  timestamptz not null default now(),
    primary key (feed, version),
    -- The same document is the same version.
    unique (feed, sha256)
);

create table fabric.feeds (
    feed           text    primary key,
    active_version integer not null,
    foreign key (feed, active_version) references fabric.feed_versions
);
