//! What this machine and this process can have: refused at once, with the number, where the work would end in the middle.

use netmem::mm::PAGE_SIZE;
use rustix::process::{Resource, getrlimit};

/// Frames of a queue that a checker has not asked for yet. More than that, and the source waits for the checker.
pub(crate) const AHEAD: usize = 256;
/// Frames of host memory: 64 MiB.
pub(crate) const FRAMES: usize = 16384;
/// Threads beside the first one: the NIC's two, one for each queue that is checked, and one for signals.
const THREADS: usize = 5;
/// Address space of a thread: its stack, and the 64 MiB that the C library reserves for what it allocates. A limit counts
/// reservations, and a thread whose stack does not fit any more cannot be started.
const A_THREAD: usize = (2 << 20) + (64 << 20);
/// Rings, the program itself, and the C library's reservations, which are twice as long for a moment.
const REST: usize = (32 << 20) + (64 << 20);

/// Refuses what needs more memory than there is: `device_memory` bytes, and frames of up to `max_frame`.
pub(crate) fn check(device_memory: usize, max_frame: usize) -> Result<(), String> {
    available(device_memory)?;
    // The memory and what describes it, host memory, and frames that wait to be checked.
    let need =
        device_memory + device_memory / 32 + FRAMES * PAGE_SIZE + 2 * AHEAD * max_frame + THREADS * A_THREAD + REST;
    match getrlimit(Resource::As).current {
        Some(limit) if limit < need as u64 => Err(format!(
            "this process may have {} KiB of memory, and needs about {}: raise the limit (ulimit -v), or use less \
             --device-memory",
            limit / 1024,
            need / 1024
        )),
        _ => Ok(()),
    }
}

/// Refuses device memory that this machine does not have, as far as it says so.
fn available(device_memory: usize) -> Result<(), String> {
    let Ok(meminfo) = std::fs::read_to_string("/proc/meminfo") else { return Ok(()) };
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let Some(available) = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok()) else {
        return Ok(());
    };
    let need = device_memory / 1024;
    if need <= available {
        return Ok(());
    }
    Err(format!("--device-memory {need} is more than this machine has, which is {available} KiB for now: use less"))
}
