//! Messages of a record topic, each one record, side by side in memory.

/// Bytes that are kept of a message that is longer than a record may be.
const KEPT: usize = 64 << 10;

/// The messages of a batch, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messages {
    payload: Vec<u8>,
    list: Vec<Message>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub offset: u64,
    /// Where its value lies in the payload.
    pub start: usize,
    pub end: usize,
    /// Where its key ends, which lies behind the value; `None`: it has no key.
    key_end: Option<usize>,
    pub content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Value,
    /// No value at all, as a tombstone of a compacted topic has none.
    Null,
    /// It is longer than a record may be: this many bytes, of which the first are kept.
    Overlong {
        length: u64,
    },
}

impl Message {
    /// Bytes of the value in the topic.
    pub const fn length(&self) -> u64 {
        match self.content {
            Content::Overlong { length } => length,
            Content::Value | Content::Null => (self.end - self.start) as u64,
        }
    }
}

impl Messages {
    /// `longest`: bytes that a record may have. Of a longer key so much is kept that it is still longer.
    pub fn push(&mut self, offset: u64, key: Option<&[u8]>, value: Option<&[u8]>, longest: usize) {
        let start = self.payload.len();
        let bytes = value.unwrap_or_default();
        let content = match value {
            None => Content::Null,
            Some(_) if bytes.len() > longest => Content::Overlong { length: bytes.len() as u64 },
            Some(_) => Content::Value,
        };
        let kept = if content == Content::Value { bytes } else { &bytes[..bytes.len().min(KEPT)] };
        self.payload.extend_from_slice(kept);
        let end = self.payload.len();
        self.payload.extend_from_slice(key.map_or(&[], |key| &key[..key.len().min(longest.saturating_add(1))]));
        let key_end = key.map(|_| self.payload.len());
        self.list.push(Message { offset, start, end, key_end, content });
    }

    /// Keeps the first `count` messages, and gives away the rest.
    pub fn split_off(&mut self, count: usize) -> Self {
        let mut list = self.list.split_off(count.min(self.list.len()));
        let at = list.first().map_or(self.payload.len(), |message| message.start);
        for message in &mut list {
            message.start -= at;
            message.end -= at;
            message.key_end = message.key_end.map(|end| end - at);
        }
        Self { payload: self.payload.split_off(at), list }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.list.iter()
    }

    pub fn value(&self, message: &Message) -> &[u8] {
        &self.payload[message.start..message.end]
    }

    pub fn key(&self, message: &Message) -> Option<&[u8]> {
        message.key_end.map(|end| &self.payload[message.end..end])
    }

    /// All values, one behind the other, each with its key behind it.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The last message's.
    pub fn last_offset(&self) -> Option<u64> {
        self.list.last().map(|message| message.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_split_keep_their_offsets_and_values() {
        let mut first = Messages::default();
        let pushed =
            [(3, Some("k"), Some("ab")), (5, Some("l"), None), (6, None, Some("c")), (9, Some(""), Some("def"))];
        for (offset, key, value) in pushed {
            first.push(offset, key.map(str::as_bytes), value.map(str::as_bytes), 100);
        }
        let rest = first.split_off(2);
        let told = |messages: &Messages| -> Vec<(u64, Option<String>, String, Content)> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let tell = |message: &Message| {
                (message.offset, messages.key(message).map(text), text(messages.value(message)), message.content)
            };
            messages.iter().map(tell).collect()
        };
        let expected =
            [(3, Some("k".into()), "ab".into(), Content::Value), (5, Some("l".into()), String::new(), Content::Null)];
        assert_eq!(told(&first), expected);
        let expected = [(6, None, "c".into(), Content::Value), (9, Some(String::new()), "def".into(), Content::Value)];
        assert_eq!(told(&rest), expected);
        assert!(first.split_off(2).is_empty() && first.len() == 2);
    }

    #[test]
    fn a_key_that_is_longer_than_a_record_may_be_stays_longer_than_any_value() {
        let mut messages = Messages::default();
        messages.push(0, Some(&[b'k'; 9]), Some(b"kkkk"), 4);
        let message = messages.iter().next().unwrap();
        assert_eq!((messages.key(message), messages.value(message)), (Some(&b"kkkkk"[..]), &b"kkkk"[..]));
    }
}
