//! Memory of our own: the only file that names liballoc.
//!
//! A kernel has no allocation that cannot fail, and `rust/kernel` has no liballoc. So each allocation goes through this room, and
//! set-up allocates by [`try_arc`] or by a `Vec` after a reservation. On a packet's path nothing allocates
//! (tests/pool_memory.rs counts).
//!
//! These allocate without an answer. They are set-up, and their values are a few words:
//!
//! | call | what |
//! | --- | --- |
//! | `PageProvider::new` | the `Arc` around a zone |
//! | `Xdp::new`, `on_tx`, `on_redirect` | a `Box` around each closure |
//!
//! What the caller has allocated, such as the `Vec` of [`Napi::new`](crate::netdev::Napi::new), was the caller's to check.

pub(crate) use liballoc::alloc::{alloc_zeroed, dealloc};
pub(crate) use liballoc::boxed::Box;
pub(crate) use liballoc::sync::Arc;
#[cfg(test)]
pub(crate) use liballoc::vec;
pub(crate) use liballoc::vec::Vec;

/// There is no memory for a value.
pub(crate) struct NoMemory;

/// Puts `value` behind a shared pointer.
///
/// No stable `Arc` of liballoc can fail. So this asks for as much memory before, gives it back, and then makes the `Arc`: a shortage is
/// an error here, unless another thread takes the last memory in between. A kernel's `Arc::new` says so by itself.
///
/// # Errors
///
/// [`NoMemory`]; the value is dropped.
pub(crate) fn try_arc<T>(value: T) -> Result<Arc<T>, NoMemory> {
    // Two counts and the value: what the `Arc` allocates.
    let mut room: Vec<([usize; 2], T)> = Vec::new();
    room.try_reserve_exact(1).map_err(|_| NoMemory)?;
    drop(room);
    Ok(Arc::new(value))
}
