//! A feed, a job and judged chunks of it, with no Kafka.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::chunk::{Chunk, Cutter, Delivery, JobId, Limits, Origin, Token};
use fabric::config::{PinnedFeed, active_feed, apply_feed};
use fabric::copy::RowEncoder;
use fabric::load::{Entry, Gates, JudgedChunk, LoadError, Loader, Outcome};
use fabric::record::Columns;
use fabric::rules::{Scratch, Sets};
use fabric::settings::{LoadSettings, PostgresSettings, Settings};

use crate::database::Database;

/// `amount` must be at least 0; two records may not share an `id`.
pub const KEYED: &str = r#"
feed: cards
layout: { format: delimited, delimiter: "|", quoteChar: none, header: false }
fields:
  - { name: id, type: string, required: true }
  - { name: amount, type: "decimal(12,2)", minimum: 0 }
primaryKey: [id]
target: { schema: public, table: cards, mode: append }
"#;

/// As [`KEYED`], without a key.
pub fn keyless() -> String {
    KEYED.replace("primaryKey: [id]\n", "")
}

pub const TOKEN: Token = Token([7; 16]);

pub struct Bench {
    pub database: Database,
    pub feed: Arc<PinnedFeed>,
    pub load: LoadSettings,
}

impl Bench {
    /// Applies `document` after `before` has made what it needs.
    pub async fn new(document: &str, before: &str) -> Self {
        let database = Database::new().await;
        if !before.is_empty() {
            database.run(before).await;
        }
        let load = Settings::default().load;
        apply_feed(&database.pool, "cards.yaml", document, &load).await.unwrap();
        let stored = active_feed(&database.pool, "cards").await.unwrap();
        let feed = Arc::new(PinnedFeed::compile(stored.feed, stored.version, &Sets::new()).unwrap());
        Self { database, feed, load }
    }

    pub async fn job(&self) -> JobId {
        let job = sqlx::query_scalar(
            "insert into fabric.jobs (feed, feed_version, lane, file, cutter_version, chunk_bytes, record_bytes, state)
             values ('cards', 1, 'normal', 'cards.txt', 1, 1048576, 3670016, 'publishing') returning job_id",
        )
        .fetch_one(&self.database.pool)
        .await
        .unwrap();
        sqlx::query("insert into fabric.job_tokens (job_id, token_hash) values ($1, $2)")
            .bind(job)
            .bind(&TOKEN.hash().0[..])
            .execute(&self.database.pool)
            .await
            .unwrap();
        JobId(job)
    }

    /// Cuts `text` and judges its chunks, of at most `chunk_bytes` each.
    pub fn chunks(&self, job: JobId, text: &str, chunk_bytes: usize) -> Vec<JudgedChunk> {
        let limits = Limits { chunk_bytes, ..Limits::DEFAULT };
        let mut cutter = Cutter::new(&self.feed.feed.layout, limits);
        let mut chunks = Vec::new();
        let mut take = |chunk: Chunk| {
            chunks.push(chunk);
            Ok::<_, ()>(())
        };
        cutter.push(text.as_bytes(), &mut take).unwrap();
        cutter.finish(&mut take).unwrap();
        chunks.into_iter().map(|chunk| self.judge(job, chunk)).collect()
    }

    pub fn chunk(&self, job: JobId, text: &str) -> JudgedChunk {
        self.chunks(job, text, 1 << 20).remove(0)
    }

    fn judge(&self, job: JobId, chunk: Chunk) -> JudgedChunk {
        let columns = Columns::bind(&self.feed.feed, &chunk.context).unwrap();
        let (encoder, mut rows) = (RowEncoder::new(&self.feed.feed, job), Vec::new());
        encoder.begin(&mut rows);
        let verdict = self.feed.plan.judge(&columns, &chunk, &mut Scratch::default(), |record, values| {
            encoder.row(&mut rows, record.at.record, values);
        });
        encoder.finish(&mut rows);
        JudgedChunk {
            job,
            token: TOKEN.hash(),
            delivery: Delivery { topic: "fabric.chunks.normal".into(), partition: 0, offset: i64::from(chunk.seq.0) },
            origin: Origin::Publisher,
            crc: crc32c::crc32c(&chunk.payload),
            feed: Arc::clone(&self.feed),
            chunk,
            verdict,
            rows,
        }
    }

    pub async fn loader(&self) -> GatedLoader {
        self.loader_through(&self.database.settings).await
    }

    pub async fn loader_through(&self, settings: &PostgresSettings) -> GatedLoader {
        let loader = Loader::connect(settings, &self.load, "fabric loader test/1/0").await.unwrap();
        GatedLoader { loader, gates: Arc::default() }
    }

    /// Loads `text` as a job of its own.
    pub async fn load(&self, text: &str) -> (JobId, Outcome) {
        let job = self.job().await;
        (job, self.loader().await.load(&self.chunk(job, text)).await.unwrap())
    }

    /// `record: rule: message` of every reject, in the order of the file.
    pub async fn rejects(&self, job: JobId) -> Vec<String> {
        sqlx::query_scalar(
            "select record_no || ': ' || (reasons -> 0 ->> 'rule') || ': ' || (reasons -> 0 ->> 'message')
               from fabric.rejects where job_id = $1 order by record_no",
        )
        .bind(job.0)
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }

    pub async fn rows(&self) -> i64 {
        self.database.number("select count(*) from public.cards").await
    }
}

/// A loader, and the gates that let chunks through to it.
pub struct GatedLoader {
    loader: Loader,
    gates: Arc<Gates>,
}

impl GatedLoader {
    pub async fn load(&mut self, chunk: &JudgedChunk) -> Result<Outcome, LoadError> {
        match self.gates.enter(&chunk.feed, chunk.origin, Instant::now()).await {
            Entry::Pass(pass) => self.loader.load(chunk, &pass).await,
            Entry::Aside(aside) => panic!("a chunk that comes alone is let through: {aside:?}"),
        }
    }
}

/// Waits until a condition of the server holds.
pub async fn until(database: &Database, condition: &str) {
    for _ in 0..200 {
        if database.number(&format!("select count(*) from pg_stat_activity where {condition}")).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {condition}");
}
