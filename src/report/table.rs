//! Turns rows of text into aligned lines.

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Lines of `rows` under `heads`, each indented by `indent`, columns two spaces apart, no space at a line's end.
/// Rows shorter than `heads` leave their last cells empty.
pub fn table(indent: &str, heads: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|(head, _)| width(head)).collect();
    for row in rows {
        for (known, cell) in widths.iter_mut().zip(row) {
            *known = (*known).max(width(cell));
        }
    }
    let first: Vec<&str> = heads.iter().map(|(head, _)| *head).collect();
    let mut text = line(indent, heads, &widths, &first);
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        text.push_str(&line(indent, heads, &widths, &cells));
    }
    text
}

fn line(indent: &str, heads: &[(&str, Align)], widths: &[usize], cells: &[&str]) -> String {
    let mut text = String::from(indent);
    for ((cell, (_, align)), full) in cells.iter().zip(heads).zip(widths) {
        let pad = " ".repeat(full - width(cell));
        match align {
            Align::Left => text.extend([cell, pad.as_str(), "  "]),
            Align::Right => text.extend([pad.as_str(), cell, "  "]),
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// In characters: names and numbers here are narrow.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_names_left() {
        let heads = [("rule", Align::Left), ("records", Align::Right), ("first at", Align::Left)];
        let rows =
            [vec!["a.b".to_owned(), "1,204".to_owned(), "line 7".to_owned()], vec!["c".to_owned(), "9".to_owned()]];
        assert_eq!(table("  ", &heads, &rows), "  rule  records  first at\n  a.b     1,204  line 7\n  c           9\n");
    }
}
