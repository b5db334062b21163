//! Draws a view on a terminal's frame.

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;

use super::layout::{self, Tone};
use super::view::View;

const KEYS: &str = "q ends";

pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = layout::lines(view, width, height.saturating_sub(1));
    // On the last line, whatever stands above.
    lines.resize(height.saturating_sub(1), (Tone::Plain, String::new()));
    lines.push((Tone::Faint, KEYS.to_owned()));
    let styled = lines.into_iter().map(|(tone, line)| Line::styled(line, style(tone)));
    frame.render_widget(Paragraph::new(Text::from_iter(styled)), area);
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Title => Style::new().add_modifier(Modifier::BOLD),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red),
    }
}
