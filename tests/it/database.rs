//! A database of its own per test: copied from a migrated template, dropped when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric::settings::{PostgresSettings, Settings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::sync::{OnceCell, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Serialises the making of templates and copies: `create database` refuses a template that is in use.
const TEMPLATE_LOCK: i64 = 0x6661_6272_6963;

/// Databases of test runs that were killed are dropped once they are this old.
const STALE: Duration = Duration::from_secs(3600);

static MADE: AtomicU32 = AtomicU32::new(0);
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A migrated database. Keep it alive until the test ends: it is dropped with this.
pub struct Database {
    pub settings: PostgresSettings,
    pub pool: PgPool,
    name: String,
    /// While it is held, no test restarts the server.
    _server: Option<OwnedRwLockReadGuard<()>>,
}

impl Database {
    /// Copies the template on the server that `FABRIC_POSTGRES_URL` names.
    pub async fn new() -> Self {
        let shared = server_shared().await;
        let template = TEMPLATE.get_or_init(make_template).await;
        let name = format!("fabric_it_{}_{}_{}", unix_time(), std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut server = connect_server().await;
        locked(&mut server, &format!("create database {name} template {template}")).await;
        Self::open(name, Some(shared))
    }

    /// Like [`Database::new`], for the test that holds the server alone.
    pub async fn alone(_alone: &ServerAlone) -> Self {
        let template = TEMPLATE.get_or_init(make_template).await;
        let name = format!("fabric_it_{}_{}_{}", unix_time(), std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut server = connect_server().await;
        locked(&mut server, &format!("create database {name} template {template}")).await;
        Self::open(name, None)
    }

    /// An empty database: nothing is migrated.
    pub async fn empty() -> Self {
        let shared = server_shared().await;
        let name = format!("fabric_it_{}_{}_{}", unix_time(), std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        execute(&mut connect_server().await, &format!("create database {name} template template0")).await;
        Self::open(name, Some(shared))
    }

    fn open(name: String, server: Option<OwnedRwLockReadGuard<()>>) -> Self {
        let settings = settings_of(&name);
        let pool = fabric::postgres::pool(&settings, "fabric test").unwrap();
        Self { settings, pool, name, _server: server }
    }

    /// Unique on its server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As another role, one that `dev/stack` lets log in.
    pub fn settings_of(&self, role: &str) -> PostgresSettings {
        let (scheme, rest) = self.settings.url.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        PostgresSettings { url: format!("{scheme}://{role}@{host}"), pool: 2, ..self.settings.clone() }
    }

    /// A connection of its own, beside the pool.
    pub async fn connect(&self) -> PgConnection {
        fabric::postgres::connect(&self.settings, "fabric test").await.unwrap()
    }

    /// Keeps the database as it is now, for [`Self::restore`]; nobody else may be connected.
    pub async fn keep(&self) {
        let mut server = connect_server().await;
        let others = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        execute(&mut server, &others).await;
        locked(&mut server, &format!("create database {name}_kept template {name}", name = self.name)).await;
    }

    /// Puts back what was kept; nobody else may be connected.
    pub async fn restore(&self) {
        let mut server = connect_server().await;
        execute(&mut server, &format!("drop database {} with (force)", self.name)).await;
        execute(&mut server, &format!("alter database {name}_kept rename to {name}", name = self.name)).await;
    }

    /// Runs statements that a test needs done.
    pub async fn run(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// The one number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&self.pool).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A thread of its own: the test's runtime is about to end and cannot be waited on from here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut server = connect_server().await;
                for name in [format!("{name}_kept"), name] {
                    execute(&mut server, &format!("drop database if exists {name} with (force)")).await;
                }
            });
        });
        dropping.join().ok();
    }
}

static SERVER: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// The right to restart the server: no other test has a database on it meanwhile.
pub struct ServerAlone {
    _guard: OwnedRwLockWriteGuard<()>,
}

/// Waits until no other test uses the server; others wait until this is dropped.
pub async fn server_alone() -> ServerAlone {
    ServerAlone { _guard: SERVER.clone().write_owned().await }
}

async fn server_shared() -> OwnedRwLockReadGuard<()> {
    SERVER.clone().read_owned().await
}

fn server_url() -> String {
    std::env::var("FABRIC_POSTGRES_URL")
        .expect("FABRIC_POSTGRES_URL names the server: run `dev/stack up`, then `eval \"$(dev/stack env)\"`")
}

/// The URL of the server with another database; user, host and parameters stay.
fn settings_of(database: &str) -> PostgresSettings {
    let url = server_url();
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    let parameters = url[path..].find('?').map_or("", |at| &url[path + at..]);
    let url = format!("{}/{database}{parameters}", &url[..path]);
    PostgresSettings { url, pool: 10, ..Settings::default().postgres }
}

async fn connect_server() -> PgConnection {
    let settings = PostgresSettings { url: server_url(), ..Settings::default().postgres };
    fabric::postgres::connect(&settings, "fabric test")
        .await
        .unwrap_or_else(|error| panic!("{}", fabric::postgres::describe(&error, &settings)))
}

async fn execute(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

async fn locked(connection: &mut PgConnection, statement: &str) {
    execute(connection, &format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    execute(connection, statement).await;
    execute(connection, &format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await;
}

/// One template per state of the migrations: an older one never serves.
async fn make_template() -> String {
    let mut server = connect_server().await;
    drop_stale(&mut server).await;
    let template = format!("fabric_template_{:08x}", migrations_crc());
    execute(&mut server, &format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let complete: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1 and datistemplate)")
            .bind(&template)
            .fetch_one(&mut server)
            .await
            .unwrap();
    if !complete {
        execute(&mut server, &format!("drop database if exists {template} with (force)")).await;
        execute(&mut server, &format!("create database {template} template template0")).await;
        let pool = fabric::postgres::pool(&settings_of(&template), "fabric test").unwrap();
        fabric::postgres::migrate(&pool).await.unwrap();
        pool.close().await;
        execute(&mut server, &format!("alter database {template} is_template true allow_connections false")).await;
    }
    execute(&mut server, &format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    server.close().await.ok();
    template
}

async fn drop_stale(server: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar(r"select datname::text from pg_database where datname like 'fabric\_it\_%'")
            .fetch_all(&mut *server)
            .await
            .unwrap();
    for name in names {
        let made: Option<u64> = name.split('_').nth(2).and_then(|time| time.parse().ok());
        if made.is_some_and(|made| unix_time().saturating_sub(made) > STALE.as_secs()) {
            execute(server, &format!("drop database if exists {name}")).await;
        }
    }
}

fn migrations_crc() -> u32 {
    let mut files: Vec<_> = std::fs::read_dir("migrations").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().fold(0, |crc, file| crc32c::crc32c_append(crc, &std::fs::read(file).unwrap()))
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
