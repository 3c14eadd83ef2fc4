//! What happens between threads, in every order that the memory model allows: the put alone and in batches, the ring,
//! the references, the page that fragments are cut from, the shutdown and who looks at it, and the unmapping, also of what a
//! device still has.
//!
//! Each test is a model that loom runs once for each order of the atomic operations of its threads, and each value a
//! relaxed load may give. Its comment says what bounds it (threads, preemptions: how often a thread is interrupted
//! where it need not be) and what it shows. Three canaries stand for the plain memory that loom does not see:
//!
//! - in the crate, `sync::Alive` for the pool's shared part, its ring's slots and an area: used by whoever uses them,
//!   written when they are freed, so that a use which the end is not ordered after fails;
//! - here, [`world::Bytes`] for the bytes of the memory: read by handles that share it, written by whoever is alone with it;
//! - here, [`world::World::end`] for what must be left: all frames free, each pool freed once, nothing mapped.
//!
//! loom by itself skips orders in which a thread loads what another one has loaded and is about to write, which is what
//! every counter here does; `sync.rs` makes it try them. REFILL is 2 under loom. `mutants.sh` shows that the models
//! fail when the code is wrong.

/// The devices of netmem-sim, over loom's lock: they know this crate as `netmem`, as everybody does.
#[allow(dead_code, unused_imports, reason = "the models use one of three")]
#[path = "../../../../sim/src/dma/mod.rs"]
mod dma;
#[allow(dead_code, unused_imports, reason = "the devices use a part of it")]
#[path = "../../../../src/sync.rs"]
mod sync;

mod areas;
mod batches;
mod fragments;
mod mappings;
mod mm;
mod references;
mod ring;
mod shutdown;
mod world;
