//! Turns a word that nobody knows into the nearest one that exists.

/// More candidates than this are not listed in a fault.
const MAX_LISTED: usize = 16;

/// The candidate that `word` was most likely meant to be: few letters away, or else longer or shorter by an end.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::osa_distance(&word, &other);
            let extends = word.len().min(other.len()) >= 4 && (other.starts_with(&word) || word.starts_with(&other));
            (distance <= allowed || extends).then_some(((distance > allowed, distance), candidate))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?", or what there is to choose from.
pub(super) fn hint(word: &str, candidates: &[&str]) -> String {
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
