//! Memory of our own: the only file that names liballoc. It is what `src/alloc.rs` is in netmem.
//!
//! `DevmemUser::new` allocates without an answer: the `Arc` that pieces return through. All else asks first.

pub(crate) use liballoc::boxed::Box;
pub(crate) use liballoc::collections::{BinaryHeap, TryReserveError, VecDeque};
pub(crate) use liballoc::sync::Arc;
pub(crate) use liballoc::vec::Vec;

/// There is no memory for a value.
pub(crate) struct NoMemory;

/// Puts `value` behind a shared pointer.
///
/// No stable `Arc` of liballoc can fail. So this asks for as much memory before, gives it back, and then makes the `Arc`.
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
