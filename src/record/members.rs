//! Turns a feed's fields into the tree of names that leads to them.

use crate::feed::Feed;

/// The ways to all fields, as a tree of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    pub(super) children: Vec<(String, Members)>,
    /// Indices of the fields whose way ends here.
    pub(super) fields: Vec<usize>,
}

impl Members {
    pub fn of(feed: &Feed) -> Self {
        let mut members = Self::default();
        for (index, field) in feed.fields.iter().enumerate() {
            members.add(field.way(), index);
        }
        members
    }

    pub(super) fn add(&mut self, way: &[String], field: usize) {
        let Some((name, rest)) = way.split_first() else {
            self.fields.push(field);
            return;
        };
        let known = self.children.iter().position(|(child, _)| child == name);
        let place = known.unwrap_or_else(|| {
            self.children.push((name.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[place].1.add(rest, field);
    }

    /// Every field that is reached through here.
    pub(super) fn all_fields(&self) -> Vec<usize> {
        let below = self.children.iter().flat_map(|(_, child)| child.all_fields());
        self.fields.iter().copied().chain(below).collect()
    }
}
