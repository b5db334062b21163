//! Targets of jobs that have completed: their BRIN indexes brought up to date, one target at a time.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;

use crate::feed::Target;
use crate::settings::PostgresSettings;

/// Targets whose index lags, and the one connection that mends it: thousands of small jobs may complete in one round,
/// most of them into one target.
#[derive(Default)]
pub(super) struct Summaries {
    wanted: BTreeSet<(String, String)>,
    at_work: Option<JoinHandle<()>>,
}

impl Summaries {
    pub(super) fn want(&mut self, target: &Target) {
        self.wanted.insert((target.schema.clone(), target.table.clone()));
    }

    /// Goes to work on what is wanted, unless it still is.
    pub(super) fn make(&mut self, postgres: &PostgresSettings) {
        if self.wanted.is_empty() || self.at_work.as_ref().is_some_and(|work| !work.is_finished()) {
            return;
        }
        let (postgres, targets) = (postgres.clone(), std::mem::take(&mut self.wanted));
        self.at_work = Some(tokio::spawn(async move {
            if let Err(error) = summarise(&postgres, &targets).await {
                tracing::debug!(?targets, %error, "left BRIN indexes to autosummarize");
            }
        }));
    }
}

/// On a connection of its own: it reads every new page. What it cannot do costs lookups by job some speed, and
/// `autosummarize` does it later.
async fn summarise(postgres: &PostgresSettings, targets: &BTreeSet<(String, String)>) -> Result<(), sqlx::Error> {
    let mut connection = crate::postgres::connect(postgres, "fabric steward summary").await?;
    for (schema, table) in targets {
        sqlx::query(
            "select brin_summarize_new_values(i.indexrelid)
               from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
              where a.amname = 'brin' and i.indrelid = to_regclass(format('%I.%I', $1::text, $2::text))",
        )
        .bind(schema)
        .bind(table)
        .execute(&mut connection)
        .await?;
    }
    Ok(())
}
