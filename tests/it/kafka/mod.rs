//! Topics on a real broker.

mod topics;
