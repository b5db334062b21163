//! Keeps a terminal up to date until a key or a signal ends it, and gives the terminal back as it was.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::sleep;

use super::draw::draw;
use super::reading::{Reader, Reading};
use super::view::View;
use crate::postgres;
use crate::shutdown::Shutdown;

const REFRESH: Duration = Duration::from_secs(1);
/// Rates are over so many readings.
const KEPT: usize = 5;
/// How soon a key is noticed.
const KEYS_EVERY: Duration = Duration::from_millis(100);

/// What a person does at the terminal.
enum Act {
    End,
    Redraw,
}

/// Gives the terminal back, however this ends.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows until `q`, Ctrl-C or `shutdown`. A panic restores the terminal before it is told (ratatui's hook).
pub async fn live(mut reader: Reader, mut shutdown: Shutdown) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let _restored = Restored;
    let mut acts = acts();
    let mut readings: VecDeque<Reading> = VecDeque::new();
    let mut view = None;
    loop {
        let read = tokio::select! {
            read = reader.read() => read,
            Some(Act::End) = acts.recv() => return Ok(()),
            () = shutdown.due() => return Ok(()),
        };
        match read {
            Ok(now) => {
                view = Some(View::of(readings.front(), &now));
                readings.push_back(now);
                if readings.len() > KEPT {
                    readings.pop_front();
                }
            }
            Err(error) => {
                let words = postgres::describe(&error, &reader.settings().postgres);
                let shown = view.get_or_insert_with(|| View::of(None, &Reading::default()));
                shown.trouble = Some(format!("{words}\nwhat stands below is older"));
            }
        }
        let wait = sleep(REFRESH);
        tokio::pin!(wait);
        loop {
            if let Some(view) = &view {
                terminal.draw(|frame| draw(frame, view))?;
            }
            tokio::select! {
                () = &mut wait => break,
                act = acts.recv() => match act {
                    Some(Act::Redraw) => {}
                    Some(Act::End) | None => return Ok(()),
                },
                () = shutdown.due() => return Ok(()),
            }
        }
    }
}

/// From a thread of its own, since a terminal is asked by blocking; it ends with its listener.
fn acts() -> UnboundedReceiver<Act> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while !tell.is_closed() {
            let act = match event::poll(KEYS_EVERY) {
                Ok(false) => continue,
                Ok(true) => event::read().ok().and_then(|event| meaning(&event)),
                // The terminal is gone.
                Err(_) => Some(Act::End),
            };
            if let Some(act) = act
                && tell.send(act).is_err()
            {
                return;
            }
        }
    });
    told
}

fn meaning(event: &Event) -> Option<Act> {
    match event {
        Event::Resize(..) => Some(Act::Redraw),
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Some(Act::End),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Act::End),
            _ => None,
        },
        _ => None,
    }
}
