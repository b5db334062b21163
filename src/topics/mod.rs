//! Kafka topics as declared data: what `topics/*.yaml` says, what the broker has, and the plan that lies between.
