//! Kafka topics as declared data: what `topics/*.yaml` says, what the broker has, and the plan that lies between.

mod broker;
mod plan;
mod spec;

pub use broker::{TopicsError, apply, look, look_at, plan_for, verify};
pub use plan::{Actual, ConfigChange, Plan, Step, plan};
pub use spec::{TopicSpec, declared, room_for_chunks};
