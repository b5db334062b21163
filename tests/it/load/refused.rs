//! Records that the target refuses: each becomes a reject, the rest load.

use fabric::load::Outcome;

use super::bench::{Bench, KEYED, keyless};

#[tokio::test]
async fn of_records_with_one_key_the_lowest_number_loads() {
    let bench = Bench::new(KEYED, "").await;
    let (job, outcome) = bench.load("a|1\nb|2\na|3\nc|4\na|5\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 3, rejected: 2 });
    let same = format!("primaryKey: has the same id as record 1 of job {job}, which loaded");
    assert_eq!(bench.rejects(job).await, [format!("3: {same}"), format!("5: {same}")]);
    assert_eq!(bench.database.number("select count(*) from public.cards where id = 'a' and amount = 1").await, 1);
    let ledger = "select count(*) from fabric.chunk_ledger where (loaded, rejected) = (3, 2) and rejects_by_rule = '{\"primaryKey\": 2}'";
    assert_eq!(bench.database.number(ledger).await, 1);
}

#[tokio::test]
async fn across_chunks_the_first_to_commit_wins() {
    let bench = Bench::new(KEYED, "").await;
    let (first, _) = bench.load("a|1\n").await;
    let (second, outcome) = bench.load("b|1\na|2\nc|-1\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 1, rejected: 2 });
    let rejects = bench.rejects(second).await;
    assert_eq!(rejects[0], format!("2: primaryKey: has the same id as record 1 of job {first}, which loaded"));
    assert!(rejects[1].starts_with("3: amount.minimum"));
    assert_eq!(bench.database.number("select count(*) from fabric.rejects where source = '\\x617c320a'").await, 1);
}

#[tokio::test]
async fn an_existing_row_and_each_kind_of_constraint_reject_their_records() {
    let table = "create table public.cards (_job_id bigint, _record_no bigint, id varchar(5) not null,
                   amount numeric(5,2), primary key (id), constraint round check (amount <> 7));
                 insert into public.cards (id) values ('old');";
    let bench = Bench::new(KEYED, table).await;
    let (job, outcome) = bench.load("old|1\na|7\nb|1\ntoolong|1\nc|12345.00\nd|2\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 2, rejected: 4 });
    let rejects = bench.rejects(job).await;
    let rules: Vec<&str> = rejects.iter().map(|reject| reject.split(": ").nth(1).unwrap()).collect();
    assert_eq!(rules, ["primaryKey", "target.round", "target.tooLong", "target.outOfRange"]);
    assert_eq!(rejects[0], "1: primaryKey: has the same id as an existing row");
}

#[tokio::test]
async fn a_column_that_may_not_be_null_rejects_an_empty_cell() {
    let table = "create table public.cards (_job_id bigint, _record_no bigint, id text, amount numeric not null);";
    let bench = Bench::new(&keyless(), table).await;
    let (job, outcome) = bench.load("a|1\nb|\nc|2\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 2, rejected: 1 });
    assert!(bench.rejects(job).await[0].starts_with("2: target.amount.notNull: "));
}

#[tokio::test]
async fn a_trigger_rejects_by_exception_or_by_leaving_out() {
    let table = "create table public.cards (_job_id bigint, _record_no bigint, id text, amount numeric);
        create function public.judge() returns trigger language plpgsql as $$ begin
            if new.id = 'bad' then raise exception 'no bad ones'; end if;
            if new.id = 'gone' then return null; end if;
            return new; end $$;
        create trigger judge before insert on public.cards for each row execute function public.judge();";
    let bench = Bench::new(&keyless(), table).await;
    let (job, outcome) = bench.load("a|1\nbad|1\ngone|1\nb|1\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 2, rejected: 2 });
    assert_eq!(
        bench.rejects(job).await,
        [
            "2: target.trigger: the target refuses it: no bad ones",
            "3: target.trigger: a trigger of the target left it out"
        ]
    );
    let (_, outcome) = bench.load("gone|1\nc|1\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 1, rejected: 1 });
}

#[tokio::test]
async fn a_deferred_unique_constraint_rejects_inside_the_transaction() {
    let table = "create table public.cards (_job_id bigint, _record_no bigint, id text primary key deferrable initially
                   deferred, amount numeric);";
    let bench = Bench::new(KEYED, table).await;
    let (job, outcome) = bench.load("a|1\nb|2\na|3\n").await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 2, rejected: 1 });
    let same = format!("3: primaryKey: has the same id as record 1 of job {job}, which loaded");
    assert_eq!(bench.rejects(job).await, [same]);
}
