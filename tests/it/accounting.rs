//! An independent reader: splits the file by itself and compares, as multisets, every record of it with every row of
//! the target and every reject. It shares no code with the program.

use std::collections::HashMap;
use std::path::Path;

use sqlx::PgPool;

/// What a file of card transactions came to in Postgres.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    pub records: usize,
    pub loaded: usize,
    pub rejected: usize,
}

/// Every record of the file is exactly once either a row of `card_transactions` or a reject of `job`, byte for byte, and
/// there is no other row.
pub async fn account(pool: &PgPool, job: i64, file: &Path) -> Account {
    account_of_jobs(pool, &[job], &std::fs::read(file).unwrap()).await
}

/// As [`account`], for a job that was ended in its middle: of the file's bytes, those that the ledger says are loaded.
pub async fn account_of_ledger(pool: &PgPool, job: i64, file: &Path) -> Account {
    let bytes = std::fs::read(file).unwrap();
    let ranges: Vec<(i64, i64)> =
        sqlx::query_as("select first_byte, span from fabric.chunk_ledger where job_id = $1 order by seq")
            .bind(job)
            .fetch_all(pool)
            .await
            .unwrap();
    let loaded: Vec<u8> = ranges
        .into_iter()
        .flat_map(|(first, span)| &bytes[usize::try_from(first).unwrap()..usize::try_from(first + span).unwrap()])
        .copied()
        .collect();
    account_of_jobs(pool, &[job], &loaded).await
}

/// As [`account`], for jobs that loaded these bytes together.
pub async fn account_of_jobs(pool: &PgPool, jobs: &[i64], bytes: &[u8]) -> Account {
    let mut rejects = multiset(rejects(pool, jobs).await);
    let mut rows = multiset(rows(pool, jobs).await);
    let mut account = Account { records: 0, loaded: 0, rejected: 0 };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        account.records += 1;
        if take(&mut rejects, line) {
            account.rejected += 1;
        } else {
            let row = as_row(line);
            assert!(take(&mut rows, &row), "neither loaded nor rejected: {}", String::from_utf8_lossy(line));
            account.loaded += 1;
        }
    }
    assert!(rejects.is_empty(), "{} rejects that the file does not hold", rejects.len());
    assert!(rows.is_empty(), "{} rows that the file does not hold", rows.len());
    account
}

fn multiset<T: std::hash::Hash + Eq>(items: Vec<T>) -> HashMap<T, usize> {
    let mut set = HashMap::with_capacity(items.len());
    for item in items {
        *set.entry(item).or_default() += 1;
    }
    set
}

fn take<K, Q>(set: &mut HashMap<K, usize>, item: &Q) -> bool
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    match set.get_mut(item) {
        Some(1) => set.remove(item).is_some(),
        Some(count) => {
            *count -= 1;
            true
        }
        None => false,
    }
}

async fn rejects(pool: &PgPool, jobs: &[i64]) -> Vec<Vec<u8>> {
    sqlx::query_scalar("select source from fabric.rejects where job_id = any($1)")
        .bind(jobs)
        .fetch_all(pool)
        .await
        .unwrap()
}

/// Each row as the file would write it, but for the timestamp: microseconds since 1970 tell it without its zone.
async fn rows(pool: &PgPool, jobs: &[i64]) -> Vec<String> {
    let foreign: i64 = sqlx::query_scalar("select count(*) from card_transactions where _job_id <> all($1)")
        .bind(jobs)
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(foreign, 0, "rows of other jobs");
    sqlx::query_scalar(
        "select concat_ws('|', transaction_id, coalesce(account_number, ''), coalesce(card_token, ''),
                coalesce((extract(epoch from posted_at) * 1000000)::bigint::text, ''),
                coalesce(value_date::text, ''), coalesce(amount::text, ''), coalesce(currency, ''),
                coalesce(merchant_name, ''), coalesce(merchant_category::text, ''), coalesce(country, ''),
                coalesce(branch_code, ''), coalesce(is_reversal::text, ''))
           from card_transactions where _job_id = any($1)",
    )
    .bind(jobs)
    .fetch_all(pool)
    .await
    .unwrap()
}

fn as_row(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).unwrap_or("").trim_end_matches('\n');
    let mut cells: Vec<String> = line.split('|').map(str::to_owned).collect();
    if let Some(posted_at) = cells.get_mut(3)
        && let Ok(instant) = posted_at.parse::<jiff::Timestamp>()
    {
        *posted_at = instant.as_microsecond().to_string();
    }
    cells.join("|")
}
