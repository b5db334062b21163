//! What a definition means, and what is said of one that is wrong.

use super::*;

const CARDS: &str = include_str!("../../examples/card-transactions.yaml");

#[test]
fn the_card_transactions_example_has_twelve_fields_and_twelve_rules() {
    let feed = parse("card-transactions.yaml", CARDS).unwrap_or_else(|faults| panic!("{faults}"));
    let rules: usize = feed.fields.iter().map(|field| field.constraints.len() + usize::from(field.required)).sum();
    assert_eq!((feed.fields.len(), rules), (12, 12));
    assert!(feed.primary_key.is_empty() && feed.unique_keys.is_empty());
    assert_eq!(feed.target.table, "card_transactions");
}
