//! Turns a batch of messages into accepted records and a verdict, with a plan.

mod avro;

use super::{note, quoted, recycle};
use crate::chunk::Position;
use crate::feed::{Delimited, Layout, Severity};
use crate::record::avro::{Cell, Readings, Texts};
use crate::record::{Cells, Content, Message, Messages, Reader, RecordFault};
use crate::rules::field::Nuls;
use crate::rules::plan::{KILLER, NULL_VALUE, OTHER_KEY, SCHEMA_ERROR, structure_rule};
use crate::rules::{Breach, Plan, Reject, RuleId, RuleTally, Scratch, Value, Verdict, message};

/// The cells of one record after the other, in the order of the feed's fields.
struct Buffers<'m> {
    json: Cells<'m>,
    avro: Vec<Option<Cell<'m>>>,
}

impl Buffers<'_> {
    fn new(fields: usize) -> Self {
        Self { json: vec![None; fields], avro: vec![None; fields] }
    }
}

/// A message, taken apart.
#[derive(Clone, Copy)]
struct Received<'m> {
    at: Position,
    key: Option<&'m [u8]>,
    value: &'m [u8],
}

/// Why a message could not be read as a record.
struct Unreadable {
    rule: RuleId,
    /// For people, after the record.
    message: String,
}

impl Plan {
    /// Judges every message of a stream's batch; calls `accept` with the offset of each good one and its values, one per
    /// field of the feed. `readings` tells of every schema that one of them names.
    pub fn judge_messages(
        &self,
        messages: &Messages,
        readings: &Readings,
        scratch: &mut Scratch,
        mut accept: impl FnMut(u64, &[Value<'_>]),
    ) -> Verdict {
        scratch.tally.clear();
        scratch.tally.resize(self.rules().len(), None);
        let mut verdict = Verdict::default();
        let mut buffers = Buffers::new(self.fields.len());
        for message in messages.iter() {
            verdict.records += 1;
            match self.judge_message((messages, readings), message, &mut buffers, scratch, &mut accept) {
                None => verdict.accepted += 1,
                Some(reject) => verdict.rejects.push(reject),
            }
        }
        verdict.tally = scratch.tally.iter().flatten().copied().collect();
        verdict
    }

    /// The verdict on messages that have killed whoever worked on them: they are looked at no more. `killed`: how, for
    /// people, after the record.
    pub fn condemn(&self, messages: &Messages, killed: &str) -> Verdict {
        let mut verdict = Verdict { records: messages.len() as u64, ..Verdict::default() };
        for message in messages.iter() {
            let (at, start, end) = (place(message), message.start, message.end);
            let breaches = vec![self.unread(Unreadable { rule: KILLER, message: killed.to_owned() })];
            verdict.rejects.push(Reject { at, start, end, length: message.length(), breaches });
        }
        let first = messages.iter().next().map(place);
        verdict.tally =
            first.map(|first| RuleTally { rule: KILLER, records: verdict.records, first }).into_iter().collect();
        verdict
    }

    fn judge_message<'m>(
        &self,
        (messages, readings): (&'m Messages, &'m Readings),
        message: &Message,
        buffers: &mut Buffers<'m>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Option<Reject> {
        let received = Received { at: place(message), key: messages.key(message), value: messages.value(message) };
        let judged = match (message.content, &self.layout) {
            (Content::Null, _) => Err(Unreadable { rule: NULL_VALUE, message: "has no value".to_owned() }),
            (Content::Overlong { length }, _) => Err(self.structure(RecordFault::Overlong { length })),
            (Content::Value, Layout::Delimited(layout)) => self.judge_line(layout, received, scratch, accept),
            (Content::Value, Layout::Json) => self.judge_json(received, &mut buffers.json, scratch, accept),
            (Content::Value, Layout::Avro(framing)) => {
                let cells = &mut buffers.avro;
                let read = avro::read(received.value, *framing, readings, cells);
                read.map(|()| self.judge_typed(cells, received, scratch, accept))
            }
        };
        let breaches = match judged {
            Ok(None) => return None,
            Ok(Some(breaches)) => breaches,
            Err(fault) => {
                note(&mut scratch.tally, fault.rule, received.at);
                vec![self.unread(fault)]
            }
        };
        let (start, end) = (message.start, message.end);
        Some(Reject { at: received.at, start, end, length: message.length(), breaches })
    }

    fn judge_json<'m>(
        &self,
        received: Received<'m>,
        cells: &mut Cells<'m>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Result<Option<Vec<Breach>>, Unreadable> {
        let read = self.members.read(received.value, cells);
        read.map_err(|message| Unreadable { rule: SCHEMA_ERROR, message })?;
        // A NUL may come of an escape.
        let nuls = if cells.iter().flatten().any(|cell| cell.contains('\0')) { Nuls::Somewhere } else { Nuls::Absent };
        let text = |field: usize| cells[field].as_deref();
        Ok(self.judge_fields((|field: usize| text(field).map(str::as_bytes), text), nuls, received, scratch, accept))
    }

    /// A message's value is one line, whose line end may be left out.
    fn judge_line(
        &self,
        layout: &Delimited,
        received: Received<'_>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Result<Option<Vec<Breach>>, Unreadable> {
        let undecodable = |message: &str| Unreadable { rule: SCHEMA_ERROR, message: message.to_owned() };
        let mut reader = Reader::of_message(layout, self.fields.len(), received.value);
        let Some((record, fault)) = reader.next_record() else { return Err(undecodable("is empty")) };
        if record.raw.len() < received.value.len() {
            return Err(undecodable("is more than one line"));
        }
        if let Some(fault) = fault {
            return Err(self.structure(fault));
        }
        let nuls = if memchr::memchr(0, received.value).is_some() { Nuls::Somewhere } else { Nuls::Absent };
        let both = (|field: usize| Some(record.cell(field)), |field: usize| record.text(field));
        Ok(self.judge_fields(both, nuls, received, scratch, accept))
    }

    /// The cells of a value that was accepted, in the order of the feed's fields.
    pub fn cells_of(&self, value: &[u8], readings: &Readings) -> Vec<String> {
        let fields = self.fields.len();
        let lossy = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        match &self.layout {
            Layout::Delimited(layout) => {
                let mut reader = Reader::of_message(layout, fields, value);
                let Some((record, _)) = reader.next_record() else { return Vec::new() };
                (0..record.len()).map(|cell| lossy(record.cell(cell))).collect()
            }
            Layout::Json => {
                let mut cells: Cells<'_> = vec![None; fields];
                // What was accepted can be read.
                self.members.read(value, &mut cells).ok();
                cells.into_iter().map(|cell| cell.unwrap_or_default().into_owned()).collect()
            }
            Layout::Avro(framing) => {
                let (mut cells, mut texts) = (vec![None; fields], Texts::default());
                avro::read(value, *framing, readings, &mut cells).ok();
                texts.write(&cells, 0..fields);
                (0..fields).map(|field| lossy(texts.of(&cells, field))).collect()
            }
        }
    }

    /// `None`: it is accepted.
    fn judge_fields<'c>(
        &self,
        (cell, text): (impl Fn(usize) -> Option<&'c [u8]>, impl Fn(usize) -> Option<&'c str>),
        nuls: Nuls,
        received: Received<'_>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Option<Vec<Breach>> {
        let mut read = recycle(std::mem::take(&mut scratch.values));
        scratch.broken.clear();
        self.judge_cells((&cell, text), &self.in_order, nuls, &mut read, &mut scratch.broken);
        self.conclude(|field| cell(field).unwrap_or_default(), read, received, scratch, accept)
    }

    /// Asks the feed's own rules, and hands the record on if it may be loaded; `None`: it may. `bytes` gives a field's text.
    fn conclude<'c>(
        &self,
        bytes: impl Fn(usize) -> &'c [u8],
        read: Vec<Value<'_>>,
        received: Received<'_>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Option<Vec<Breach>> {
        let Scratch { values, broken, key, tally, .. } = scratch;
        for rule in &self.references {
            rule.judge(&bytes, &read, key, broken);
        }
        // The rules stand in their order: this one is before all of fields.
        if self.key.is_some_and(|field| bytes(field) != received.key.unwrap_or_default()) {
            broken.insert(0, OTHER_KEY);
        }
        for rule in broken.iter() {
            note(tally, *rule, received.at);
        }
        let accepted = broken.iter().all(|rule| self.rule(*rule).severity == Severity::Warn);
        if accepted {
            accept(received.at.record, &read);
        }
        *values = recycle(read);
        let breach = |rule: &RuleId| match *rule {
            OTHER_KEY => self.other_key(&bytes, received.key),
            rule => self.breach(rule, &bytes),
        };
        (!accepted).then(|| broken.iter().map(breach).collect())
    }

    /// A key is quoted where its field may be.
    fn other_key<'c>(&self, bytes: impl Fn(usize) -> &'c [u8], key: Option<&[u8]>) -> Breach {
        let message = match key {
            None => "is not the key of its message, which has none".to_owned(),
            Some(_) if self.key_is_pii => "is not the key of its message".to_owned(),
            Some(key) => format!("is not the key of its message, which is {}", quoted(key)),
        };
        Breach { message, ..self.breach(OTHER_KEY, bytes) }
    }

    fn structure(&self, fault: RecordFault) -> Unreadable {
        Unreadable { rule: structure_rule(fault), message: message::structure(fault, self.width_of) }
    }

    fn unread(&self, fault: Unreadable) -> Breach {
        let rule = self.rule(fault.rule);
        Breach { rule: rule.name.clone(), severity: rule.severity, field: None, value: None, message: fault.message }
    }
}

/// By its offset; where it lies in the payload.
fn place(message: &Message) -> Position {
    Position { record: message.offset, line: 0, byte: message.start as u64 }
}
