//! Does hot paths, to be counted by callgrind: `benches/instructions.sh`.
//!
//! usage: `instructions [PART]`, for the cases with PART in their name. Each does [`OPERATIONS`] operations, then
//! twice as many, with a call of [`netmem_mark`] before, between and after, where callgrind writes down its counts.

#[path = "../paths/mod.rs"]
mod paths;

use paths::BULK;
use std::hint::black_box;

/// How many operations the shorter round has. A pool comes back to the same state after each.
const OPERATIONS: u64 = 250 * BULK;

/// Where counts are written down: the script names it to callgrind. It does nothing, and the compiler does not know.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn netmem_mark() {
    black_box(());
}

fn main() {
    // `cargo bench` adds --bench.
    let part = std::env::args().skip(1).find(|arg| arg != "--bench").unwrap_or_default();
    if std::env::args().any(|arg| arg == "--help") {
        println!("usage: instructions [PART]; benches/instructions.sh runs it under callgrind");
        return;
    }
    for case in paths::cases().iter().filter(|case| case.is_overhead() || case.name.contains(&part)) {
        // The script reads these lines, and the counts in the same order.
        println!("{}\t{}", case.name, case.overhead);
        let mut path = (case.make)();
        path(OPERATIONS);
        netmem_mark();
        path(OPERATIONS);
        netmem_mark();
        path(2 * OPERATIONS);
        netmem_mark();
    }
    println!("{OPERATIONS}");
}
