//! Names a publishing process so that another on the same host can tell whether it still runs.

use std::fs;

/// `HOST/PID/START`: START is the process's start in clock ticks since boot (proc(5), `/proc/PID/stat` field 22),
/// which tells a process from a later one with the same id.
pub fn own() -> String {
    let pid = std::process::id();
    format!("{}/{pid}/{}", host(), start_of(pid).unwrap_or_default())
}

/// Whether `name` is a process of this host that has ended. `false` where that cannot be told.
pub fn is_gone(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '/');
    let (Some(start), Some(pid), Some(on)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(start), Ok(pid)) = (start.parse::<u64>(), pid.parse::<u32>()) else {
        return false;
    };
    on == host() && start_of(pid) != Some(start)
}

/// Host name and boot id: container restarts and reboots are other hosts.
fn host() -> String {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let boot = read("/proc/sys/kernel/random/boot_id");
    format!("{}.{}", read("/proc/sys/kernel/hostname"), boot.get(..8).unwrap_or_default())
}

/// `None` for a process that is not there, or is a zombie: it will publish no more.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything: count from its end.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone() {
        assert!(!is_gone(&own()), "{}", own());
    }

    #[test]
    fn a_process_that_ended_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let name = format!("{}/{}/{}", host(), child.id(), start_of(child.id()).unwrap());
        assert!(!is_gone(&name));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&name));
    }

    #[test]
    fn another_host_cannot_be_told() {
        assert!(!is_gone("elsewhere.00000000/1/1"));
        assert!(!is_gone("nonsense"));
    }
}
