//! [`ZcrxProvider`]: what a queue's pool sees of a program's memory.

use super::area::{Area, Held};
use super::consumer::{Consumer, Group};
use super::event::Events;
use super::ring::{CompletionRing, Completions, NoRoom, RefillRing};
use super::uapi::MAX_AREAS;
use super::user::UserHome;
use super::{CopyError, HandOutError, RegisterError, UserArea, ZcrxCqe, ZcrxEvent};
use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use crate::sync::Lock;
use core::fmt;
use netmem::Refused;
use netmem::dma::{DmaDevice, DmaDirection, PeerMemory};
use netmem::memory::NetIov;
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::{Frag, FreeIov, MemoryProvider, PagePoolParams, PoolFlags, ProviderError, Refill};

const REFILL: usize = PagePoolParams::REFILL;

/// Net_iovs of a program's memory, for the pools of one device.
///
/// Made by [`Zcrx::register`](super::Zcrx::register). When it is asked for memory it first takes back what the program
/// has put into the refill ring, and then hands out what is free, as Linux does. Its memory is synced like host memory
/// (rule D3).
pub struct ZcrxProvider {
    device: Arc<dyn DmaDevice>,
    niov_shift: u32,
    /// The ring, and what entries may name. Taken before `state`, never after it.
    rq: Lock<Consumer>,
    state: Lock<State>,
}

/// What a [`ZcrxProvider`] has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZcrxStats {
    /// Times a frag was copied into the program's memory, because it was not there.
    pub copy_count: u64,
    /// Bytes of those copies.
    pub copy_bytes: u64,
    /// Entries of the refill ring that were read.
    pub entries: u64,
    /// Entries that were skipped because their padding is not 0.
    pub bad_pad: u64,
    /// Entries that were skipped because there is no such area.
    pub bad_area: u64,
    /// Entries that were skipped because the area has no such net_iov.
    pub bad_index: u64,
    /// Entries that were skipped because the program has no such reference.
    pub not_held: u64,
    /// References that the program gave back.
    pub returned: u64,
    /// Completions that were not written because the program has moved the head out of its ring.
    pub bad_cq_head: u64,
}

impl ZcrxStats {
    /// Entries that were skipped.
    pub fn skipped(&self) -> u64 {
        self.bad_pad + self.bad_area + self.bad_index + self.not_held
    }

    /// Counts why no completion was written.
    fn note(&mut self, why: NoRoom) -> CopyError {
        if let NoRoom::BadHead = why {
            self.bad_cq_head += 1;
        }
        CopyError::QueueFull
    }
}

struct State {
    completions: Completions,
    areas: Vec<Area>,
    events: Events,
    stats: ZcrxStats,
    /// The program is gone: nothing is handed to it.
    closed: bool,
    /// The queue is gone: nothing is handed to pools.
    uninstalled: bool,
}

impl State {
    /// A net_iov that nobody has, and its area.
    fn take_free(&mut self) -> Option<(usize, FreeIov)> {
        self.areas.iter_mut().enumerate().find_map(|(at, area)| Some((at, area.free.pop()?)))
    }

    /// Puts a net_iov back where it came from. One of somebody else's is to be dropped outside the lock: it may be the last
    /// of its area, whose memory may do anything then.
    fn put_free(&mut self, iov: FreeIov) -> Option<FreeIov> {
        let serial = iov.area_serial();
        let Some(area) = self.areas.iter_mut().find(|area| area.is(serial)) else { return Some(iov) };
        // There is room, by the area's invariant.
        area.free.push(iov);
        None
    }

    /// Takes back what the program says it gives. What is a pool's must be dropped outside the lock.
    fn put(&mut self, group: Group) -> Option<Held> {
        let slot = self.areas.get_mut(group.area as usize)?.slots.get_mut(group.index as usize)?;
        let Some(held) = slot.put(group.refs) else {
            self.stats.not_held += u64::from(group.refs);
            return None;
        };
        self.stats.returned += u64::from(group.refs);
        self.settle(held?)
    }

    /// Gives memory that was nobody's to nobody, and a pool's to the caller.
    fn settle(&mut self, held: Held) -> Option<Held> {
        match held {
            Held::Copied(iov) => self.put_free(iov).map(Held::Copied),
            Held::Pool(_) => Some(held),
        }
    }

    /// The next net_iov from `at` on that the program has.
    fn scrub(&mut self, at: &mut (usize, usize)) -> Option<Held> {
        while let Some(area) = self.areas.get_mut(at.0) {
            while let Some(slot) = area.slots.get_mut(at.1) {
                at.1 += 1;
                if let Some(held) = slot.scrub() {
                    if let Some(held) = self.settle(held) {
                        return Some(held);
                    }
                    break;
                }
            }
            if self.areas.get(at.0).is_some_and(|area| at.1 >= area.slots.len()) {
                *at = (at.0 + 1, 0);
            }
        }
        None
    }
}

impl ZcrxProvider {
    pub(super) fn new(
        device: Arc<dyn DmaDevice>,
        niov_shift: u32,
        refill: Arc<RefillRing>,
        completions: Arc<CompletionRing>,
        events: Events,
    ) -> Result<Arc<Self>, NoMemory> {
        try_arc(ZcrxProvider {
            device,
            niov_shift,
            rq: Lock::new(Consumer::new(refill, niov_shift)),
            state: Lock::new(State {
                completions: Completions::new(completions),
                areas: Vec::new(),
                events,
                stats: ZcrxStats::default(),
                closed: false,
                uninstalled: false,
            }),
        })
    }

    /// Registers one more area, tells the program's side, and gives the number of the area.
    pub(super) fn add_area(&self, user: UserArea, home: &UserHome) -> Result<u32, RegisterError> {
        let check = |state: &State| {
            if state.closed || state.uninstalled {
                return Err(RegisterError::Closed);
            }
            if state.areas.len() >= MAX_AREAS {
                return Err(RegisterError::TooManyAreas);
            }
            Area::check_beside(&state.areas, &user)
        };
        self.state.with(|state| check(state))?;
        let mut area = Some(Area::new(&self.device, user.clone(), self.niov_shift)?);
        let added = self.rq.with(|rq| {
            self.state.with(|state| {
                // Another area may have been added meanwhile.
                check(state)?;
                rq.areas.try_reserve(1).map_err(|_| RegisterError::NoMemory)?;
                state.areas.try_reserve(1).map_err(|_| RegisterError::NoMemory)?;
                if !home.reserve_area() {
                    return Err(RegisterError::NoMemory);
                }
                let at = state.areas.len() as u32;
                if let Some(area) = area.take() {
                    home.add_area(user.clone());
                    // `Area::new` has refused 2^32 and more.
                    rq.areas.push(area.slots.len() as u32);
                    state.areas.push(area);
                }
                Ok(at)
            })
        });
        // An area that was not added is unmapped here, outside the locks.
        drop(area);
        added
    }

    /// Takes back what stands in the refill ring, into the pool that asks.
    fn refill(&self, out: &mut Refill<'_, NetIov>) {
        let mut budget = self.rq.with(|rq| rq.budget());
        loop {
            let mut groups = [Group::default(); REFILL];
            let room = out.wanted().min(REFILL);
            let mut stats = ZcrxStats::default();
            let count = self.rq.with(|rq| rq.collect(&mut budget, &mut groups[..room], &mut stats));
            let mut held = [const { None }; REFILL];
            self.state.with(|state| {
                state.count(stats);
                for (held, group) in held.iter_mut().zip(&groups[..count]) {
                    *held = state.put(*group);
                }
            });
            for held in held.into_iter().flatten() {
                if let Held::Pool(memory) = held {
                    // What the pool does not want, it gets through its ring.
                    drop(out.recycle(memory));
                }
            }
            // Fewer than there was room for: the budget is spent.
            if count < room || out.wanted() == 0 {
                return;
            }
        }
    }

    /// Takes back what stands in the refill ring, without a pool that asks.
    pub(super) fn flush(&self) {
        const BATCH: usize = 32;
        let len = self.rq.with(|rq| rq.len());
        let mut total = 0;
        loop {
            let mut groups = [Group::default(); BATCH];
            let mut stats = ZcrxStats::default();
            let count = self.rq.with(|rq| rq.flush(&mut groups, &mut stats));
            let mut held = [const { None }; BATCH];
            self.state.with(|state| {
                state.count(stats);
                for (held, group) in held.iter_mut().zip(&groups[..count]) {
                    *held = state.put(*group);
                }
            });
            drop(held);
            total += count;
            if count < BATCH || total >= len as usize {
                return;
            }
        }
    }

    /// Hands a piece to the program.
    pub(super) fn post(&self, frag: Frag<NetIov>) -> Result<ZcrxCqe, Refused<HandOutError, Frag<NetIov>>> {
        let (cqe, surplus) = self.state.with(|state| {
            let index = frag.borrow().net_iov().index();
            let Some(at) = state.areas.iter().position(|area| area.is(frag.area_serial())) else {
                return Err(Refused { reason: HandOutError::NotOurs, back: frag });
            };
            let Some(slot) = state.areas[at].slots.get_mut(index) else {
                return Err(Refused { reason: HandOutError::NotOurs, back: frag });
            };
            if slot.is_full() {
                return Err(Refused { reason: HandOutError::TooMany, back: frag });
            }
            if state.completions.room().map_err(|why| state.stats.note(why)).is_err() {
                return Err(Refused { reason: HandOutError::QueueFull, back: frag });
            }
            let cqe = ZcrxCqe::piece(at, index, self.niov_shift, frag.offset(), frag.len());
            let surplus = slot.get(Held::Pool(frag.into_reference()));
            state.completions.push(cqe);
            Ok((cqe, surplus))
        })?;
        // A second reference to the same net_iov is not needed. It is dropped outside the lock.
        drop(surplus);
        Ok(cqe)
    }

    /// Copies bytes into free net_iovs, a page in each, and tells the program, while its completion ring has room.
    pub(super) fn copy(&self, mut bytes: &[u8]) -> Result<usize, CopyError> {
        let mut copied = 0;
        while !bytes.is_empty() {
            let len = bytes.len().min(PAGE_SIZE);
            match self.copy_one(&bytes[..len]) {
                Ok(()) => {}
                Err(_) if copied != 0 => break,
                Err(error) => return Err(error),
            }
            copied += len;
            bytes = &bytes[len..];
        }
        Ok(copied)
    }

    fn copy_one(&self, bytes: &[u8]) -> Result<(), CopyError> {
        let (at, iov, memory, start) = self.state.with(|state| {
            if state.areas.first().is_some_and(|area| area.user().dmabuf) {
                return Err(CopyError::Unreadable);
            }
            state.completions.room().map_err(|why| state.stats.note(why))?;
            let (at, iov) = state.take_free().ok_or(CopyError::NoBuffer)?;
            let user = state.areas[at].user();
            Ok((at, iov, user.memory.clone(), user.offset))
        })?;
        let index = iov.net_iov().index();
        // Outside the lock: it is the program's memory, and may do anything.
        let written = PeerMemory::write(&*memory, start + (index << self.niov_shift), bytes);
        self.state.with(|state| {
            // Another piece may have taken the last entry meanwhile.
            let room = state.completions.room().map_err(|why| state.stats.note(why));
            if let Err(error) = written.map_err(CopyError::Memory).and(room) {
                drop(state.put_free(iov));
                return Err(error);
            }
            if let Some(slot) = state.areas[at].slots.get_mut(index) {
                // Nobody had it, so the program had nothing of it, and what keeps it is this.
                slot.get(Held::Copied(iov));
            }
            // CAST: at most a page.
            state.completions.push(ZcrxCqe::piece(at, index, self.niov_shift, 0, bytes.len() as u32));
            Ok(())
        })
    }

    /// Makes it look as if the program had so many pieces of the net_iov of a completion.
    #[cfg(test)]
    pub(super) fn set_user_refs(&self, told: ZcrxCqe, refs: u32) {
        let index = told.offset() as usize >> self.niov_shift;
        self.state.with(|state| state.areas[told.area() as usize].slots[index].set_refs(refs));
    }

    /// Counts a frag that was copied, and tells the program.
    pub(super) fn count_copy(&self, bytes: usize) {
        self.state.with(|state| {
            state.stats.copy_count += 1;
            state.stats.copy_bytes += bytes as u64;
            state.events.fire(ZcrxEvent::Copy);
        });
    }

    pub(super) fn with_events<R>(&self, f: impl FnOnce(&mut Events) -> R) -> R {
        self.state.with(|state| f(&mut state.events))
    }

    /// Takes everything back from the program, for good.
    pub(super) fn close(&self) {
        self.state.with(|state| {
            state.closed = true;
            state.events.close();
        });
        let mut at = (0, 0);
        // One at a time, as each is dropped outside the lock.
        while let Some(held) = self.state.with(|state| state.scrub(&mut at)) {
            drop(held);
        }
    }

    /// How many bytes each net_iov has.
    pub fn niov_size(&self) -> u32 {
        1 << self.niov_shift
    }

    /// How many net_iovs there are, in all areas.
    pub fn total(&self) -> usize {
        self.state.with(|state| state.areas.iter().map(|area| area.slots.len()).sum())
    }

    /// How many of them nobody has.
    pub fn available(&self) -> usize {
        self.state.with(|state| state.areas.iter().map(|area| area.free.len()).sum())
    }

    /// How many of them the program has pieces of.
    pub fn with_user(&self) -> usize {
        self.state.with(|state| state.areas.iter().flat_map(|area| &area.slots).filter(|slot| slot.is_out()).count())
    }

    /// What it has counted.
    pub fn stats(&self) -> ZcrxStats {
        self.state.with(|state| state.stats)
    }
}

impl State {
    /// Adds what a look at the ring has counted.
    fn count(&mut self, seen: ZcrxStats) {
        self.stats.entries += seen.entries;
        self.stats.bad_pad += seen.bad_pad;
        self.stats.bad_area += seen.bad_area;
        self.stats.bad_index += seen.bad_index;
    }
}

impl MemoryProvider for ZcrxProvider {
    type Kind = NetIov;

    #[doc(alias = "io_pp_zc_init")]
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
            return Err(ProviderError::NeedsDma);
        }
        if params.direction != DmaDirection::FromDevice {
            return Err(ProviderError::Direction { direction: params.direction });
        }
        params.check_piece_size(self.niov_size())?;
        if self.state.with(|state| state.closed || state.uninstalled) {
            return Err(ProviderError::Closed);
        }
        match &params.device {
            Some(device) if device.id() == self.device.id() => Ok(self.niov_size()),
            _ => Err(ProviderError::OtherDevice),
        }
    }

    #[doc(alias = "io_pp_zc_alloc_netmems")]
    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        let wanted = out.wanted();
        if self.state.with(|state| state.closed || state.uninstalled) {
            return;
        }
        self.refill(out);
        if out.wanted() < wanted {
            return;
        }
        while out.wanted() != 0 {
            let Some((_, iov)) = self.state.with(State::take_free) else { break };
            if let Err(iov) = out.push(iov) {
                self.release(iov);
                break;
            }
        }
        if out.wanted() == wanted {
            self.with_events(|events| events.fire(ZcrxEvent::AllocFail));
        }
    }

    #[doc(alias = "io_pp_zc_release_netmem")]
    fn release(&self, iov: FreeIov) {
        let others = self.state.with(|state| state.put_free(iov));
        drop(others);
    }

    /// The queue is gone: pools get nothing more. What the program has stays its own until the instance is closed.
    #[doc(alias = "io_pp_uninstall")]
    fn uninstall(&self) {
        self.state.with(|state| state.uninstalled = true);
    }

    #[doc(alias = "io_pp_nl_fill")]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, total, free, user) = (self.niov_size(), self.total(), self.available(), self.with_user());
        write!(f, "io_uring areas, {free} of {total} net_iovs of {size} bytes free, {user} with the program")
    }
}

impl fmt::Debug for ZcrxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZcrxProvider")
            .field("niov_size", &self.niov_size())
            .field("total", &self.total())
            .field("available", &self.available())
            .field("with_user", &self.with_user())
            .field("stats", &self.stats())
            .finish()
    }
}
