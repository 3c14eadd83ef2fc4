//! [`UserFrags`]: which frag a token stands for.

use crate::alloc::BinaryHeap;
use crate::alloc::Vec;
use crate::errno::{EBUSY, ENOMEM};
use core::cmp::Reverse;
use netmem::memory::NetIov;
use netmem::page_pool::Frag;

/// How many tokens a socket can have out, and the highest number of one.
pub const MAX_TOKENS: u32 = i32::MAX as u32;

/// The frags that user space has, by token: `sk_user_frags`. Tokens count from 1, and the lowest free one is given.
///
/// A token is the number of a slot, so it is given again after it came back, as in Linux. No counter comes round here: the
/// table never has more than [`MAX_TOKENS`] slots. What rests on a token is which of *this* reader's frags is returned.
/// A program whose pieces are values (rule S4) returns each token once, so a token that was given again is not meant.
///
/// # Invariants
///
/// `free` has the number of every slot that is `None`, once; its capacity is at least the number of slots.
pub(super) struct UserFrags {
    slots: Vec<Option<Frag<NetIov>>>,
    free: BinaryHeap<Reverse<u32>>,
    limit: u32,
    /// How many tokens were given, in 64 bits, which do not come round.
    given: u64,
}

/// No token for one more frag, which stays in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// As many are out as may be.
    #[error("all {limit} tokens are out: return some with SO_DEVMEM_DONTNEED before reading on")]
    AllOut {
        /// How many may be out.
        limit: u32,
    },
    /// There is no memory for one more token.
    #[error("no memory for token {token}: return some with SO_DEVMEM_DONTNEED, or try again")]
    NoMemory {
        /// Which token it would have been.
        token: u32,
    },
}

impl TokenError {
    /// Returns what `tcp_xa_pool_refill` returns, which is the number of `__xa_alloc`.
    pub fn errno(&self) -> i32 {
        match self {
            TokenError::AllOut { .. } => EBUSY,
            TokenError::NoMemory { .. } => ENOMEM,
        }
    }
}

impl UserFrags {
    /// An empty table that gives out at most `limit` tokens at a time.
    pub(super) const fn new(limit: u32) -> Self {
        let limit = if limit < MAX_TOKENS { limit } else { MAX_TOKENS };
        UserFrags { slots: Vec::new(), free: BinaryHeap::new(), limit, given: 0 }
    }

    /// How many tokens are out.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns how many tokens were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Finds the lowest free token. Nothing has changed if it is not used.
    #[doc(alias = "tcp_xa_pool_refill")]
    pub(super) fn vacant(&mut self) -> Result<Vacant<'_>, TokenError> {
        let slot = match self.free.peek() {
            Some(&Reverse(slot)) => slot,
            None => self.grow()?,
        };
        Ok(Vacant { table: self, slot })
    }

    /// Makes room for one more slot and for its number; gives the number.
    fn grow(&mut self) -> Result<u32, TokenError> {
        // The slots are as many as a u32 counts: `limit` is one.
        let next = self.slots.len() as u32;
        if next >= self.limit {
            return Err(TokenError::AllOut { limit: self.limit });
        }
        let no_memory = |_| TokenError::NoMemory { token: next + 1 };
        self.slots.try_reserve(1).map_err(no_memory)?;
        // INVARIANT: no number is in it now, and there will be one more slot.
        self.free.try_reserve(self.slots.len() + 1).map_err(no_memory)?;
        Ok(next)
    }

    /// Takes a frag out; `None` for a token that stands for none.
    pub(super) fn erase(&mut self, token: u32) -> Option<Frag<NetIov>> {
        let slot = token.checked_sub(1)?;
        let frag = self.slots.get_mut(slot as usize)?.take()?;
        // INVARIANT: the slot was full until now, so its number was not in there, and there is room for it.
        self.free.push(Reverse(slot));
        Some(frag)
    }
}

/// A token that stands for nothing yet.
pub(super) struct Vacant<'a> {
    table: &'a mut UserFrags,
    slot: u32,
}

impl Vacant<'_> {
    /// The token.
    pub(super) fn token(&self) -> u32 {
        self.slot + 1
    }

    /// Makes it stand for a frag. Allocates nothing.
    #[doc(alias = "tcp_xa_pool_commit")]
    pub(super) fn fill(self, frag: Frag<NetIov>) {
        let Vacant { table, slot } = self;
        table.given += 1;
        match table.slots.get_mut(slot as usize) {
            // INVARIANT: the number leaves the heap, of which it is the lowest, as the slot is filled.
            Some(free) => {
                table.free.pop();
                *free = Some(frag);
            }
            // There is room: `grow` made some.
            None => table.slots.push(Some(frag)),
        }
    }
}
