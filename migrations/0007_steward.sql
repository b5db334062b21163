-- Thresholds of action `alert` that the job has passed, by their place in its feed: each is told once.
alter table fabric.jobs add column alerted integer[] not null default '{}';

-- The steward's loop also looks at incomplete jobs: their chunks may arrive after all.
drop index fabric.jobs_live;
create index jobs_live on fabric.jobs (job_id)
    where state in ('registered', 'publishing', 'loading', 'reconciling', 'parked', 'stopping', 'stalled', 'incomplete');
