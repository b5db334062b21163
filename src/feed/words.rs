//! Turns a word that nobody knows into the nearest one that exists.

/// More candidates than this are not listed in a fault.
const MAX_LISTED: usize = 16;

/// The candidate that `word` was most likely meant to be.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?", or what there is to choose from.
pub(super) fn hint<'c>(word: &str, candidates: &[&'c str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if candidates.is_empty() || candidates.len() > MAX_LISTED => String::new(),
        None => format!("; expected one of {}", listed(candidates)),
    }
}

/// `a`, `b`, `c`
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
