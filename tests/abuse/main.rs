//! The sceptic's door: what safe code can do to break the rules, and what holds.
//!
//! Each test says what is attempted and what holds. All of it is safe code (the attribute below), so whatever it does must not be
//! undefined behaviour, a double free or a hang; `.ci/run` runs it under AddressSanitizer and valgrind for that reason. At
//! the end of each test everything is counted: free frames, free net_iovs, mappings. What leaks by design (`forget`, a
//! hook that panics) leaks exactly what the test says, and is [kept](rig::keep) where a leak checker still finds it.
#![forbid(unsafe_code)]

mod astray;
mod device;
mod devmem;
mod forge;
mod handles;
mod order;
mod panics;
mod reentry;
mod rig;
mod transmit;
