//! Turns a pattern (the syntax of the `regex` crate, matched against the whole value) into a matcher.
//!
//! Most patterns of feeds are runs of character classes: `T[0-9]{11}`, `[A-Z]{2,3}`. Those walk a table; every other
//! pattern runs in `regex-automata`, the engine beneath `regex`, with the same answers.

use regex_automata::meta;
use regex_syntax::hir::{self, Hir, HirKind, Look, Repetition};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Matcher);

#[derive(Debug, Clone)]
enum Matcher {
    /// None of them may vary: `length` bytes in all.
    Fixed {
        length: usize,
        runs: Vec<Run>,
    },
    Runs(Vec<Run>),
    Regex(Box<meta::Regex>),
}

/// Why a text is no pattern, in `regex`'s words, which may take several lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    pub fn compile(pattern: &str) -> Result<Self, PatternError> {
        let hir = regex_syntax::parse(pattern).map_err(|fault| PatternError(fault.to_string()))?;
        match runs(&hir) {
            Some(runs) => Ok(Self(match fixed_length(&runs) {
                Some(length) => Matcher::Fixed { length, runs },
                None => Matcher::Runs(runs),
            })),
            None => regex(hir).map(|regex| Self(Matcher::Regex(Box::new(regex)))),
        }
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.0 {
            Matcher::Fixed { length, runs } => text.len() == *length && all_hold(runs, text),
            Matcher::Runs(runs) => run_through(runs, text),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Anchored at both ends in the syntax tree: a text around the pattern could be swallowed by its flags or comments.
fn regex(hir: Hir) -> Result<meta::Regex, PatternError> {
    let whole = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
    // As `regex` limits its own.
    let limits = meta::Config::new().nfa_size_limit(Some(10 << 20)).hybrid_cache_capacity(2 << 20);
    meta::Builder::new().configure(limits).build_from_hir(&whole).map_err(|fault| match fault.size_limit() {
        Some(limit) => PatternError(format!("it compiles to more than {limit} bytes")),
        None => PatternError(fault.to_string()),
    })
}

/// Bytes of one class, so and so many times.
#[derive(Debug, Clone)]
struct Run {
    class: Class,
    least: usize,
    most: usize,
}

/// A set of bytes.
#[derive(Debug, Clone)]
struct Class {
    table: Box<[bool; 256]>,
    /// The same as two spans (they may be one twice), where two are enough: many bytes are held against them at once.
    spans: Option<[Span; 2]>,
}

/// The bytes from `first` to `first + more`.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: u8,
    more: u8,
}

impl Class {
    fn of(ranges: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut table = Box::new([false; 256]);
        let mut spans = Vec::new();
        for (first, last) in ranges {
            table[usize::from(first)..=usize::from(last)].fill(true);
            spans.push(Span { first, more: last - first });
        }
        let spans = match spans.as_slice() {
            [one] => Some([*one, *one]),
            [one, other] => Some([*one, *other]),
            _ => None,
        };
        Self { table, spans }
    }

    fn has(&self, byte: u8) -> bool {
        self.table[usize::from(byte)]
    }

    /// Whether it has every byte of `text`.
    #[inline]
    fn holds(&self, text: &[u8]) -> bool {
        let Some(spans) = &self.spans else { return text.iter().all(|byte| self.has(*byte)) };
        // The compiler makes one wide instruction of what is done to a block.
        let (blocks, rest) = text.as_chunks::<16>();
        let (half_blocks, rest) = rest.as_chunks::<8>();
        blocks.iter().all(|block| within(spans, block))
            && half_blocks.iter().all(|block| within(spans, block))
            && rest.iter().all(|byte| self.has(*byte))
    }
}

#[inline]
fn within<const N: usize>(spans: &[Span; 2], block: &[u8; N]) -> bool {
    let inside = |span: Span, byte: u8| byte.wrapping_sub(span.first) <= span.more;
    block.iter().fold(true, |all, byte| all & (inside(spans[0], *byte) | inside(spans[1], *byte)))
}

fn fixed_length(runs: &[Run]) -> Option<usize> {
    runs.iter().try_fold(0usize, |length, run| if run.least == run.most { length.checked_add(run.least) } else { None })
}

/// `text` is as long as the runs are together.
fn all_hold(runs: &[Run], text: &[u8]) -> bool {
    let mut rest = text;
    runs.iter().all(|run| {
        let (here, after) = rest.split_at(run.least);
        rest = after;
        run.class.holds(here)
    })
}

/// Takes as much as it can of each run: `runs` makes sure that no run could want what the one before it took.
fn run_through(runs: &[Run], text: &[u8]) -> bool {
    let mut rest = text;
    for run in runs {
        let here = &rest[..rest.len().min(run.most)];
        let taken = here.iter().position(|byte| !run.class.has(*byte)).unwrap_or(here.len());
        if taken < run.least {
            return false;
        }
        rest = &rest[taken..];
    }
    rest.is_empty()
}

/// More runs than this are left to the regex engine.
const MOST_RUNS: usize = 64;

/// The pattern as runs of ASCII classes, where it is that simple.
fn runs(hir: &Hir) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    match hir.kind() {
        HirKind::Concat(parts) => {
            // The whole value is matched anyway, so anchors at its ends say nothing.
            let parts = parts.strip_prefix(&[Hir::look(Look::Start)]).unwrap_or(parts);
            let parts = parts.strip_suffix(&[Hir::look(Look::End)]).unwrap_or(parts);
            parts.iter().try_for_each(|part| flatten(part, &mut runs))?;
        }
        _ => flatten(hir, &mut runs)?,
    }
    let greed_is_safe = runs.windows(2).all(|pair| pair[0].least == pair[0].most || parted(&pair[0], &pair[1]));
    greed_is_safe.then_some(runs)
}

/// The second run needs a byte that the first would never take.
fn parted(first: &Run, second: &Run) -> bool {
    second.least > 0 && first.class.table.iter().zip(second.class.table.iter()).all(|(a, b)| !(a & b))
}

fn flatten(hir: &Hir, runs: &mut Vec<Run>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            runs.extend(literal.0.iter().map(|byte| Run { class: Class::of([(*byte, *byte)]), least: 1, most: 1 }));
        }
        HirKind::Class(class) => runs.push(Run { class: ascii(class)?, least: 1, most: 1 }),
        HirKind::Capture(capture) => flatten(&capture.sub, runs)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| flatten(part, runs))?,
        HirKind::Repetition(repetition) => repeat(repetition, runs)?,
        HirKind::Look(_) | HirKind::Alternation(_) => return None,
    }
    (runs.len() <= MOST_RUNS).then_some(())
}

fn repeat(repetition: &Repetition, runs: &mut Vec<Run>) -> Option<()> {
    let mut inner = Vec::new();
    flatten(&repetition.sub, &mut inner)?;
    let least = repetition.min as usize;
    let most = repetition.max.map_or(usize::MAX, |max| max as usize);
    match inner.as_slice() {
        [Run { class, least: 1, most: 1 }] => runs.push(Run { class: class.clone(), least, most }),
        _ if least == most && least.checked_mul(inner.len())? <= MOST_RUNS => {
            runs.extend(std::iter::repeat_n(inner, least).flatten());
        }
        _ => return None,
    }
    Some(())
}

fn ascii(class: &hir::Class) -> Option<Class> {
    match class {
        hir::Class::Unicode(class) if class.is_ascii() => {
            Some(Class::of(class.iter().map(|range| (range.start() as u8, range.end() as u8))))
        }
        hir::Class::Bytes(class) if class.is_ascii() => {
            Some(Class::of(class.iter().map(|range| (range.start(), range.end()))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_table(pattern: &str) -> bool {
        matches!(Pattern::compile(pattern).unwrap().0, Matcher::Fixed { .. } | Matcher::Runs(_))
    }

    #[test]
    fn simple_patterns_walk_a_table() {
        for pattern in ["T[0-9]{11}", "[A-Z]{2}", "[0-9a-f]{32}", "^[0-9]+$", "[A-Z]{3}[0-9]*", "(ab){3}", "x?", ""] {
            assert!(is_table(pattern), "{pattern}");
        }
        for pattern in [r"\d{3}", "ab|c", "[A-Z]*A", "[^|]+", "a?b?", r"\bx", "(?m)^a$"] {
            assert!(!is_table(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        for (pattern, text, matched) in [
            ("T[0-9]{11}", "T00000000001", true),
            ("T[0-9]{11}", "T000000000012", false),
            ("T[0-9]{11}", "T0000000000", false),
            ("T[0-9]{11}", "xT00000000001", false),
            ("a|ab", "ab", true),
            ("a|ab", "abc", false),
            ("(?x) a b # and no more", "ab", true),
            ("(?m)^a$", "a\na", false),
            (".", "\n", false),
            (".", "é", true),
            (r"\d+", "١٢", true),
            ("(?i)usd", "UsD", true),
            ("[A-Z]{1,3}", "", false),
            ("", "", true),
            ("[0-9]{2,4}-[A-Z]+", "12345-A", false),
        ] {
            assert_eq!(Pattern::compile(pattern).unwrap().matches(text.as_bytes()), matched, "{pattern} {text:?}");
        }
    }

    #[test]
    fn a_pattern_that_does_not_compile_says_why() {
        assert!(Pattern::compile("a)(b").is_err());
        assert!(Pattern::compile("[0-9").unwrap_err().to_string().contains("unclosed"));
        assert!(Pattern::compile(r"\w{1000}{100}").unwrap_err().to_string().contains("bytes"));
    }

    proptest! {
        #[test]
        fn a_class_holds_a_text_if_it_has_every_byte(
            class in prop::sample::select(vec!["[0-9]", "[0-9a-f]", "[0-9A-Za-z]", "x", "[\\x00-\\x7f]", "[\\x00x]"]),
            mut text in "[0-9a-f]{0,40}|x{0,40}", at in 0usize..40, byte: u8,
        ) {
            let pattern = format!("{class}{{{}}}", text.len());
            let theirs = regex::bytes::Regex::new(&format!(r"(?-u)\A(?:{pattern})\z")).unwrap();
            let mut bytes = std::mem::take(&mut text).into_bytes();
            let ours = Pattern::compile(&pattern).unwrap();
            prop_assert_eq!(ours.matches(&bytes), theirs.is_match(&bytes));
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            prop_assert_eq!(ours.matches(&bytes), theirs.is_match(&bytes), "{} {:?}", &pattern, bytes);
        }

        #[test]
        fn every_pattern_agrees_with_regex(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "[ab]", "[b-d]{2}", "[a-c]{1,2}", "c?", "d+", "[cd]*", "(ab){2}", "(?:bc)", "é", "[ab]{0}",
                    "(a|bc)", "^", "$", "(?i:b)", "(d?)",
                ]),
                0..5,
            ),
            texts in prop::collection::vec("[abcdBé]{0,6}", 20),
        ) {
            let pattern = parts.concat();
            let ours = Pattern::compile(&pattern).unwrap();
            let theirs = regex::bytes::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
            for text in &texts {
                prop_assert_eq!(ours.matches(text.as_bytes()), theirs.is_match(text.as_bytes()), "{} {}", &pattern, text);
            }
        }
    }
}
