//! Turns a chunk into accepted records and a verdict, with a plan.

use super::field::Nuls;
mod messages;

use super::plan::structure_rule;
use super::{Breach, Plan, Reject, RuleId, RuleTally, Scratch, Value, Verdict, message};
use crate::chunk::{Chunk, Position};
use crate::feed::Severity;
use crate::record::{Columns, Reader, Record, RecordFault};

/// Bytes of a cell that a reject quotes.
const QUOTED: usize = 200;

impl Plan {
    /// Judges every record of `chunk`; calls `accept` with each good one and its values, one per field of the feed.
    pub fn judge(
        &self,
        columns: &Columns,
        chunk: &Chunk,
        scratch: &mut Scratch,
        mut accept: impl FnMut(&Record<'_>, &[Value<'_>]),
    ) -> Verdict {
        let nuls = if memchr::memchr(0, &chunk.payload).is_some() { Nuls::Somewhere } else { Nuls::Absent };
        let Scratch { values, broken, key, tally, .. } = scratch;
        tally.clear();
        tally.resize(self.rules().len(), None);
        let mut verdict = Verdict::default();
        let layout = self.layout.delimited().expect("columns are bound to delimited records alone");
        let mut reader = Reader::new(layout, columns.width, chunk);
        while let Some((record, fault)) = reader.next_record() {
            verdict.records += 1;
            if let Some(fault) = fault {
                note(tally, structure_rule(fault), record.at);
                verdict.rejects.push(self.unreadable(&record, chunk, fault));
                continue;
            }
            let mut read = recycle(std::mem::take(values));
            broken.clear();
            let cells = (|column| Some(record.cell(column)), |column| record.text(column));
            self.judge_cells(cells, &columns.of_field, nuls, &mut read, broken);
            for rule in &self.references {
                rule.judge(|field| record.cell(columns.of_field[field]), &read, key, broken);
            }
            for rule in broken.iter() {
                note(tally, *rule, record.at);
            }
            if broken.iter().any(|rule| self.rule(*rule).severity == Severity::Error) {
                verdict.rejects.push(self.reject(&record, chunk, &columns.of_field, broken));
            } else {
                verdict.accepted += 1;
                accept(&record, &read);
            }
            *values = recycle(read);
        }
        verdict.tally = tally.iter().flatten().copied().collect();
        verdict
    }

    /// Fills `values` with one value per field, and `broken` with the rules that the cells break, ascending. A column's
    /// cell is asked for as bytes, which it may not have, and, where it is to be text, as text.
    #[inline]
    pub(super) fn judge_cells<'c>(
        &self,
        (cell, text): (impl Fn(usize) -> Option<&'c [u8]>, impl Fn(usize) -> Option<&'c str>),
        of_field: &[usize],
        nuls: Nuls,
        values: &mut Vec<Value<'c>>,
        broken: &mut Vec<RuleId>,
    ) {
        let fields = self.fields.iter().zip(of_field);
        // All at once: each pushed by itself would ask for room.
        values.extend(
            fields.map(|(field, column)| field.judge(cell(*column), || text(*column), &self.missing, nuls, broken)),
        );
    }

    #[cold]
    fn unreadable(&self, record: &Record<'_>, chunk: &Chunk, fault: RecordFault) -> Reject {
        let rule = self.rule(structure_rule(fault));
        let breach = Breach {
            rule: rule.name.clone(),
            severity: rule.severity,
            field: None,
            value: None,
            message: message::structure(fault, self.width_of),
        };
        let length = match fault {
            RecordFault::Overlong { length } => length,
            RecordFault::FieldCount { .. } | RecordFault::UnclosedQuote => record.raw.len() as u64,
        };
        Reject { length, ..placed(record, chunk, vec![breach]) }
    }

    #[cold]
    fn reject(&self, record: &Record<'_>, chunk: &Chunk, of_field: &[usize], broken: &[RuleId]) -> Reject {
        let breaches = broken.iter().map(|rule| self.breach(*rule, |field| record.cell(of_field[field])));
        placed(record, chunk, breaches.collect())
    }

    pub(super) fn breach<'c>(&self, id: RuleId, cell: impl Fn(usize) -> &'c [u8]) -> Breach {
        let rule = self.rule(id);
        Breach {
            rule: rule.name.clone(),
            severity: rule.severity,
            field: (rule.fields.len() == 1).then(|| self.field_names[rule.fields[0]].clone()),
            value: rule.fields.iter().map(|field| quoted(cell(*field))).reduce(|all, one| format!("{all}, {one}")),
            message: self.message(id).to_owned(),
        }
    }
}

fn placed(record: &Record<'_>, chunk: &Chunk, breaches: Vec<Breach>) -> Reject {
    // What an overlong record lost lies past the payload's end, so offsets in file and payload run alike.
    let start = (record.at.byte - chunk.start.byte) as usize;
    Reject { at: record.at, start, end: start + record.raw.len(), length: record.raw.len() as u64, breaches }
}

fn note(tally: &mut [Option<RuleTally>], rule: RuleId, at: Position) {
    tally[usize::from(rule.0)].get_or_insert(RuleTally { rule, records: 0, first: at }).records += 1;
}

/// The memory of `values` for values of another lifetime: collecting in place keeps it, and nothing is moved.
fn recycle<'to>(mut values: Vec<Value<'_>>) -> Vec<Value<'to>> {
    values.clear();
    values.into_iter().map(|_| Value::Missing).collect()
}

/// The first bytes of a cell, cut at a character, invalid UTF-8 replaced.
fn quoted(cell: &[u8]) -> String {
    let mut end = cell.len().min(QUOTED);
    // A character has three bytes that continue it at most.
    while end < cell.len() && end > QUOTED - 3 && cell[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    String::from_utf8_lossy(&cell[..end]).into_owned()
}

#[cfg(test)]
mod tests;
