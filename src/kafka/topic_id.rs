//! Asks Kafka for a topic's id, by which one that was made anew is told from the one before.

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

/// The id in base64, as `kafka-topics.sh --describe` shows it; `None`: there is no such topic. Blocks.
pub fn topic_id(client: &BaseConsumer, topic: &str, timeout: Duration) -> Result<Option<String>, KafkaError> {
    let Ok(name) = CString::new(topic) else { return Ok(None) };
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client lives for the whole call, and every object made here is destroyed below, once, after the last use
    // of what it owns; what librdkafka returns as part of an event is read before the event is destroyed.
    unsafe {
        let client = client.client().native_ptr();
        let queue = native::rd_kafka_queue_new(client);
        let mut names = [name.as_ptr()];
        let topics = native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
        let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = native::rd_kafka_AdminOptions_new(client, operation);
        native::rd_kafka_AdminOptions_set_request_timeout(options, millis, ptr::null_mut(), 0);
        native::rd_kafka_DescribeTopics(client, topics, options, queue);
        let event = native::rd_kafka_queue_poll(queue, millis.saturating_add(1_000));
        let answer = if event.is_null() { Err(failed(RDKafkaErrorCode::OperationTimedOut)) } else { read(event) };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_AdminOptions_destroy(options);
        native::rd_kafka_TopicCollection_destroy(topics);
        native::rd_kafka_queue_destroy(queue);
        answer
    }
}

fn failed(code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::AdminOp(code)
}

/// # Safety
///
/// `event` is one of librdkafka's, not destroyed yet.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> Result<Option<String>, KafkaError> {
    // SAFETY: the event is alive, and all that is read here is its own.
    unsafe {
        let error = native::rd_kafka_event_error(event);
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(failed(error.into()));
        }
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(failed(RDKafkaErrorCode::BadMessage));
        }
        let mut count = 0;
        let topics = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 || topics.is_null() {
            return Ok(None);
        }
        let topic = *topics;
        match native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic)) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Ok(None),
            other => return Err(failed(other.into())),
        }
        let id = native::rd_kafka_Uuid_base64str(native::rd_kafka_TopicDescription_topic_id(topic));
        Ok((!id.is_null()).then(|| CStr::from_ptr(id).to_string_lossy().into_owned()))
    }
}
