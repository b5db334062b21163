-- A chunk is owed because its target is at fault, or because it kept killing its worker: the steward sends the first
-- kind again by itself, people bring back the other. `sent_at`: a copy of it is on its way at the lane's end.
alter table fabric.owed_chunks
    add column cause   text not null default 'target' check (cause in ('target', 'worker')),
    add column sent_at timestamptz;

-- Last offset per partition of copies of owed chunks: the job's consumers are past it only when they are past these too.
alter table fabric.jobs add column copied_offsets jsonb;
