//! What fabric needs is slow, full or gone for a while, and comes back: nothing lost, nothing doubled, nobody waits for
//! ever.

mod network;
mod proxied;
