//! What each rule forbids, why, what rustc says, and what to write instead.
//!
// The page names files by links from docs/. Of two definitions of a link the first holds, and these lead to the same
// files from where cargo puts the documentation, target/doc/netmem/rules.
//! [docs/bugs.md]: ../../../../docs/bugs.md
//! [compile-fail/C1]: ../../../../compile-fail/C1
//! [compile-fail/C2]: ../../../../compile-fail/C2
//! [compile-fail/C3]: ../../../../compile-fail/C3
//! [compile-fail/C4]: ../../../../compile-fail/C4
//! [compile-fail/C5]: ../../../../compile-fail/C5
//! [compile-fail/O1]: ../../../../compile-fail/O1
//! [compile-fail/O2]: ../../../../compile-fail/O2
//! [compile-fail/O3]: ../../../../compile-fail/O3
//! [compile-fail/O4]: ../../../../compile-fail/O4
//! [compile-fail/O5]: ../../../../compile-fail/O5
//! [compile-fail/O6]: ../../../../compile-fail/O6
//! [compile-fail/D1]: ../../../../compile-fail/D1
//! [compile-fail/D2]: ../../../../compile-fail/D2
//! [compile-fail/D3]: ../../../../compile-fail/D3
//! [compile-fail/D4]: ../../../../compile-fail/D4
//! [compile-fail/D5]: ../../../../compile-fail/D5
//! [compile-fail/N1]: ../../../../compile-fail/N1
//! [compile-fail/N2]: ../../../../compile-fail/N2
//! [compile-fail/P1]: ../../../../compile-fail/P1
//! [compile-fail/P2]: ../../../../compile-fail/P2
//! [compile-fail/P3]: ../../../../compile-fail/P3
//! [compile-fail/S1]: ../../../../compile-fail/S1
//! [compile-fail/S2]: ../../../../compile-fail/S2
//! [tests/abuse/device.rs]: ../../../../tests/abuse/device.rs
//! [compile-fail/S4]: ../../../../compile-fail/S4
//! [src/provider/dmabuf.rs]: ../../../../src/provider/dmabuf.rs
//! [tests/abuse/handles.rs]: ../../../../tests/abuse/handles.rs
//! [tests/binding.rs]: ../../../../tests/binding.rs
//! [tests/devmem.rs]: ../../../../tests/devmem.rs
//! [tests/history.rs]: ../../../../tests/history.rs
//! [tests/nic.rs]: ../../../../tests/nic.rs
//! [tests/pool.rs]: ../../../../tests/pool.rs
//! [tests/ports.rs]: ../../../../tests/ports.rs
//! [tests/provider.rs]: ../../../../tests/provider.rs
//! [tests/receive.rs]: ../../../../tests/receive.rs
//! [tests/skb.rs]: ../../../../tests/skb.rs
//! [tests/transmit.rs]: ../../../../tests/transmit.rs
//! [tests/zcrx.rs]: ../../../../tests/zcrx.rs
//! [tests/loom]: ../../../../tests/loom
//! [tests/hostile]: ../../../../tests/hostile
#![doc = include_str!("../docs/rules.md")]
