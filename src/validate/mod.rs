//! A member of the consumer group: takes chunk messages, judges them, hands them to loaders.
