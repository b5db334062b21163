-- Schemas of record topics stand beside fabric's own: those of feeds' fields, and those that writers were taught by.
alter table fabric.schemas add column added_by text not null default session_user;

-- Adds a schema in the name of whoever is logged in, who may add versions of feeds. Answers the document that has this
-- fingerprint already, if one has: fingerprints say nothing of logical types, so that it may mean something else.
create function fabric.add_schema(a_fingerprint bytea, a_name text, a_document text) returns text
    language plpgsql security definer set search_path = fabric, pg_temp as $$
begin
    if not has_table_privilege(session_user, 'fabric.feed_versions', 'insert') then
        raise exception 'permission denied: who may not apply feeds may not add schemas'
            using errcode = 'insufficient_privilege';
    end if;
    insert into fabric.schemas (fingerprint, name, document) values (a_fingerprint, a_name, a_document)
        on conflict do nothing;
    if found then
        return null;
    end if;
    return (select s.document from fabric.schemas s where s.fingerprint = a_fingerprint);
end
$$;
