//! What is going on, for a person who watches: readings of Postgres and Kafka turn into a view, the view into lines.
//!
//! [`View::of`] and the layout are functions of values; only `reading` asks servers, only `live` touches a terminal.

mod draw;
mod layout;
mod live;
mod reading;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use live::live;
pub use reading::{Reader, Reading};
pub use view::View;

/// Rates of a snapshot are over this time.
const SNAPSHOT: Duration = Duration::from_millis(1_200);
/// A snapshot has no terminal that tells its width.
const SNAPSHOT_WIDTH: usize = 110;

/// Two readings and what they come to.
pub async fn snapshot(reader: &mut Reader) -> Result<View, sqlx::Error> {
    let before = reader.read().await?;
    tokio::time::sleep(SNAPSHOT).await;
    let now = reader.read().await?;
    Ok(View::of(Some(&before), &now))
}

/// The whole view as plain text.
pub fn text(view: &View) -> String {
    let lines = layout::lines(view, SNAPSHOT_WIDTH, usize::MAX);
    lines.into_iter().map(|(_, line)| format!("{}\n", line.trim_end())).collect()
}
