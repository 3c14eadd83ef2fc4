//! [`ZcrxUser`]: the program's end.

use super::uapi::ZcrxRqe;
use super::{CompletionRing, RefillRing, UserArea, ZcrxPiece};
use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use crate::assert::assert_not_impl_any;
use crate::errno::ENOMEM;
use crate::piece::{Home, Owed};
use crate::sync::Lock;
use core::fmt;

/// The program's end of an instance, for a program that behaves: it takes pieces as values (rule S4).
///
/// [`receive`](Self::receive) makes one [`ZcrxPiece`] of each completion. Dropping the piece gives it back, from any
/// thread, and the pools get the memory the next time they ask. No number is written by hand, so a piece is not given
/// back twice, and no other piece is given back in its place.
///
/// A program that does not behave writes the [refill ring](Self::ring) itself.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem_sim::Memfd;
/// use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
/// use std::sync::Arc;
///
/// let device = Arc::new(Coherent::new()).driver_side();
/// let area = UserArea::whole(Memfd::new("program", 16 << 12)?);
/// let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device, 64), area)?;
/// zcrx.copy(b"what arrived")?;
///
/// let piece = user.receive()?.expect("one completion is there");
/// let mut seen = [0; 12];
/// piece.read(0, &mut seen)?;
/// assert_eq!(&seen, b"what arrived");
/// assert!(user.receive()?.is_none(), "a completion is taken once");
///
/// piece.give_back();
/// zcrx.flush();
/// assert_eq!(zcrx.provider().with_user(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ZcrxUser {
    home: Arc<UserHome>,
    /// How many completions were taken. It counts on when it passes 2^32, as the positions of the ring do.
    head: u32,
}

assert_not_impl_any!(ZcrxUser: Clone, Copy, Default);

/// There is no memory to note that a piece comes back. The completion is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory to note one more piece beside {out}: drop some, or try again")]
pub struct ReceiveError {
    /// How many pieces the program holds.
    pub out: usize,
}

impl ReceiveError {
    /// Returns ENOMEM. It is the program's own; the kernel has no part in it.
    pub fn errno(&self) -> i32 {
        ENOMEM
    }
}

/// What a program's end shares with its pieces.
pub(super) struct UserHome {
    pub(super) home: Home<Returns>,
    completions: Arc<CompletionRing>,
    refill: Arc<RefillRing>,
    /// The memory of each area, by its number.
    areas: Lock<Vec<UserArea>>,
}

/// What was given back.
pub(super) struct Returns {
    owed: Owed<ZcrxRqe>,
    /// How many entries were written. It counts on when it passes 2^32, as the positions of the ring do.
    tail: u32,
}

impl Returns {
    /// Writes what is owed into the refill ring, as far as there is room.
    fn settle(&mut self, ring: &RefillRing) {
        let before = self.tail;
        // The distance is right across 2^32, because both count on there and are at most 2^15 apart.
        while self.tail.wrapping_sub(ring.head()) < ring.len() {
            let Some(entry) = self.owed.noted().pop() else { break };
            ring.store(self.tail, entry);
            self.tail = self.tail.wrapping_add(1);
        }
        if self.tail != before {
            ring.store_tail(self.tail);
        }
    }
}

impl UserHome {
    pub(super) fn new(completions: Arc<CompletionRing>, refill: Arc<RefillRing>) -> Result<Arc<Self>, NoMemory> {
        let tail = refill.head();
        let home = Home::new(Returns { owed: Owed::new(), tail });
        try_arc(UserHome { home, completions, refill, areas: Lock::new(Vec::new()) })
    }

    /// Notes the memory of the next area. There is [room](Self::reserve_area).
    pub(super) fn add_area(&self, area: UserArea) {
        self.areas.with(|areas| areas.push(area));
    }

    /// Makes room for one more area.
    pub(super) fn reserve_area(&self) -> bool {
        self.areas.with(|areas| areas.try_reserve(1).is_ok())
    }

    pub(super) fn area(&self, number: u32) -> Option<UserArea> {
        self.areas.with(|areas| areas.get(number as usize).cloned())
    }

    /// Gives a piece back that was [lent](Owed::lend).
    pub(super) fn give_back(&self, entry: ZcrxRqe) {
        self.home.with(|returns| {
            returns.owed.note(entry);
            returns.settle(&self.refill);
        });
    }
}

impl ZcrxUser {
    pub(super) fn new(home: Arc<UserHome>) -> Self {
        let head = home.completions.head();
        ZcrxUser { home, head }
    }

    /// Takes the next completion out of the ring, as a piece. `None` when there is none.
    ///
    /// What was given back while the refill ring was full is written first.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`], when there is no memory to note the piece. Nothing was taken.
    pub fn receive(&mut self) -> Result<Option<ZcrxPiece>, ReceiveError> {
        let home = &self.home;
        home.home.with(|returns| returns.settle(&home.refill));
        if home.completions.tail() == self.head {
            return Ok(None);
        }
        home.home.with(|returns| {
            returns.owed.reserve(1).map_err(|_| ReceiveError { out: returns.owed.out() })?;
            returns.owed.lend();
            Ok(())
        })?;
        let cqe = home.completions.load(self.head);
        self.head = self.head.wrapping_add(1);
        home.completions.store_head(self.head);
        // One value of each completion: nobody else makes any, and this one was just taken out.
        Ok(Some(ZcrxPiece::new(cqe, home.clone())))
    }

    /// Writes what was given back while the refill ring was full. Returns how many pieces are still not in the ring: let
    /// the kernel take some ([`Zcrx::flush`](super::Zcrx::flush)).
    pub fn settle(&self) -> usize {
        self.home.home.with(|returns| {
            returns.settle(&self.home.refill);
            returns.owed.noted().len()
        })
    }

    /// Returns how many pieces the program holds as values.
    pub fn pieces(&self) -> usize {
        self.home.home.with(|returns| returns.owed.out())
    }

    /// Returns the refill ring, for a program that does not behave.
    pub fn ring(&self) -> &Arc<RefillRing> {
        &self.home.refill
    }

    /// Returns the completion ring, for a program that does not behave.
    pub fn completions(&self) -> &Arc<CompletionRing> {
        &self.home.completions
    }
}

impl fmt::Debug for ZcrxUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZcrxUser")
            .field("pieces", &self.pieces())
            .field("refill", &self.home.refill)
            .field("completions", &self.home.completions)
            .finish()
    }
}
