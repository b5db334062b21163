//! Turns /proc into the figures that every process has (proc(5)).

use super::catalog;

/// A page of memory and a tick of the clock, as every Linux on our machines has them.
const PAGE_BYTES: f64 = 4096.0;
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn sample() {
    if let Some(pages) = field("/proc/self/statm", 1) {
        catalog::MEMORY.set(&[], pages * PAGE_BYTES);
    }
    // utime, stime and starttime are fields 14, 15 and 22; those before the name's closing bracket are cut off here.
    let ticks = |number: usize| after_name("/proc/self/stat", number - 3).map(|ticks| ticks / TICKS_PER_SECOND);
    if let (Some(user), Some(system)) = (ticks(14), ticks(15)) {
        catalog::CPU.reach(&[], (user + system) as u64);
    }
    if let (Some(after_boot), Some(boot)) = (ticks(22), boot_time()) {
        catalog::STARTED.set(&[], boot + after_boot);
    }
}

fn field(path: &str, index: usize) -> Option<f64> {
    std::fs::read_to_string(path).ok()?.split_whitespace().nth(index)?.parse().ok()
}

/// A name may hold spaces and brackets.
fn after_name(path: &str, index: usize) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

fn boot_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
