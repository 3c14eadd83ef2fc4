//! The hot paths that are measured, each as a loop in a function of its own.
//!
//! Between an operation and the next, a caller does something that the compiler knows nothing of: it posts the buffer,
//! reads a ring, calls a driver. Without that, the compiler sees that what `recycle_direct` stored is what the next
//! `alloc` loads, and leaves both out. So the inlined loops have a [`barrier`] after each operation. It costs no
//! instruction, and the handle stays in its register: what remains is the operations, one test of the `Option`, and the
//! loop's own counter and jump. The loops out of line call through pointers that the compiler cannot see through, as a
//! caller in another crate or module would, and need no barrier.

pub(crate) mod memory;
mod packet;
mod pool;

use core::arch::asm;
use core::mem::MaybeUninit;

/// Whatever memory can be reached may have been read and written here, for all that the compiler knows: `barrier()`.
#[inline(always)]
pub(crate) fn barrier() {
    // SAFETY: there is no instruction in it.
    unsafe { asm!("", options(nostack, preserves_flags)) }
}

/// The same word, for all that the compiler knows another one. It stays in its register.
#[inline(always)]
pub(crate) fn opaque(mut word: usize) -> usize {
    // SAFETY: there is no instruction in it, and any word is a word.
    unsafe { asm!("/* {0} */", inout(reg) word, options(nostack, preserves_flags)) }
    word
}

/// How many handles are out at a time on the paths called 64/64, and how many a bulk has.
pub(crate) const BULK: u64 = 64;

/// Room for the handles that are out, as a driver has it: one store and one load a handle, and nothing to check.
pub(crate) struct Out<T>(pub(crate) [MaybeUninit<T>; BULK as usize]);

impl<T> Out<T> {
    pub(crate) fn new() -> Self {
        Out([const { MaybeUninit::uninit() }; BULK as usize])
    }
}

/// One hot path.
pub(crate) struct Case {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Sets it up. What comes back does the operation so many times: a multiple of [`BULK`].
    pub(crate) make: fn() -> Box<dyn FnMut(u64)>,
    /// The case whose loop does the same and leaves the operation out; such a case names itself.
    pub(crate) overhead: &'static str,
}

impl Case {
    const fn new(name: &'static str, overhead: &'static str, make: fn() -> Box<dyn FnMut(u64)>) -> Self {
        Case { name, make, overhead }
    }

    /// Whether this is the loop of others.
    pub(crate) fn is_overhead(&self) -> bool {
        self.name == self.overhead
    }
}

/// All hot paths.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = pool::cases();
    cases.extend([
        Case::new("packet: received, recycled", "loop of bulks", || packet::receive(packet::give_back)),
        Case::new("packet: received, dropped", "loop of bulks", || packet::receive(packet::discard)),
        Case::new("packet: sent", "loop of bulks", packet::send),
    ]);
    cases
}
