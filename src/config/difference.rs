//! Two documents → what differs, as a unified diff.

use similar::TextDiff;

/// The lines that differ, with three around them; `None` where none does.
pub fn difference(from: (&str, &str), to: (&str, &str)) -> Option<String> {
    let ((from_name, from), (to_name, to)) = (from, to);
    if from == to {
        return None;
    }
    let diff = TextDiff::from_lines(from, to);
    Some(diff.unified_diff().context_radius(3).header(from_name, to_name).to_string())
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_shows_the_changed_lines_between_their_neighbours() {
        let (from, to) = ("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nX\ne\nf\n");
        let shown = difference(("v1", from), ("v2", to)).unwrap();
        assert_eq!(shown, "--- v1\n+++ v2\n@@ -1,6 +1,6 @@\n a\n b\n c\n-d\n+X\n e\n f\n");
        assert_eq!(difference(("v1", from), ("v2", from)), None);
    }
}
