//! A message as it came, its payload in memory that chunks share instead of copying.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Message as _, OwnedHeaders};

/// Everything of a message that may be needed again: by the dead letters, unchanged.
#[derive(Debug, Clone)]
pub struct ChunkMessage {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Bytes>,
    pub headers: Option<OwnedHeaders>,
}

impl ChunkMessage {
    /// Copies the message once out of librdkafka's memory, which it would otherwise hold as long as the chunk lives.
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(Bytes::copy_from_slice),
            headers: message.headers().map(|headers| headers.detach()),
        }
    }

    /// Empty where there is none: then it is no chunk.
    pub fn bytes(&self) -> Bytes {
        self.payload.clone().unwrap_or_default()
    }
}
