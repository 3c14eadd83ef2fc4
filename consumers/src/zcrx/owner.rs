//! [`Zcrx`]: io_uring's end.

use super::event::Events;
use super::user::UserHome;
use super::{
    ArmError, CompletionRing, CopyError, HandOutError, MAX_CQ_ENTRIES, RefillRing, RegisterError, UserArea, ZcrxCqe,
    ZcrxEvent, ZcrxEvents, ZcrxProvider, ZcrxStats, ZcrxUser,
};
use crate::alloc::{Arc, NoMemory};
use crate::assert::assert_not_impl_any;
use core::fmt;
use netmem::Refused;
use netmem::dma::DmaDevice;
use netmem::memory::NetIov;
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::Frag;

/// What a program asks for: `struct io_uring_zcrx_ifq_reg`.
#[derive(Clone)]
pub struct ZcrxParams {
    /// The device whose queue will write there.
    pub device: Arc<dyn DmaDevice>,
    /// Entries of the refill ring, 1 to 32768; made into a power of two.
    pub rq_entries: u32,
    /// Entries of the completion ring, 1 to 65536; made into a power of two.
    pub cq_entries: u32,
    /// How many bytes each buffer has: a power of two of at least 4096. 0 means 4096.
    pub rx_buf_len: u32,
    /// What the program wants to be told of.
    pub events: ZcrxEvents,
}

impl ZcrxParams {
    /// Buffers of 4096 bytes, a completion ring of twice the entries of the refill ring, and every event.
    pub fn new(device: Arc<dyn DmaDevice>, rq_entries: u32) -> Self {
        let cq_entries = rq_entries.saturating_mul(2).min(MAX_CQ_ENTRIES);
        ZcrxParams { device, rq_entries, cq_entries, rx_buf_len: 0, events: ZcrxEvents::all() }
    }
}

impl fmt::Debug for ZcrxParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZcrxParams")
            .field("rq_entries", &self.rq_entries)
            .field("cq_entries", &self.cq_entries)
            .field("rx_buf_len", &self.rx_buf_len)
            .field("events", &self.events)
            .finish()
    }
}

/// An instance of zcrx, as io_uring has it: `struct io_zcrx_ifq`.
///
/// Dropping it takes back everything that the program has; pools that are still there get no more memory from it.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem::page_pool::{PagePool, PagePoolParams};
/// use netmem_sim::Memfd;
/// use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
/// use netmem::NetIov;
/// use std::sync::Arc;
///
/// let device = Arc::new(Coherent::new()).driver_side();
/// let memory = Memfd::new("program", 16 << 12)?;
/// let area = UserArea::whole(memory.clone());
/// let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device.clone(), 64), area)?;
/// let params = PagePoolParams::for_device(device, 4096);
/// let mut pool = PagePool::<NetIov>::new(params, zcrx.provider().clone())?;
///
/// let frag = pool.alloc_frag(1000).expect("16 are free");
/// zcrx.post(frag)?; // the frag is gone: the program has it
/// let piece = user.receive()?.expect("one was posted");
/// assert_eq!((piece.area(), piece.len(), zcrx.provider().with_user()), (0, 1000, 1));
/// drop(piece); // gives it back
/// zcrx.flush();
/// assert_eq!(zcrx.provider().with_user(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Zcrx {
    provider: Arc<ZcrxProvider>,
    /// The program's side, to tell it of areas and of the end.
    user: Arc<UserHome>,
}

assert_not_impl_any!(Zcrx: Clone, Copy, Default);

impl Zcrx {
    /// Registers an area of a program's memory. Gives io_uring's end and the program's.
    ///
    /// # Errors
    ///
    /// [`RegisterError`], with what was wrong.
    #[doc(alias = "io_register_zcrx")]
    pub fn register(params: ZcrxParams, area: UserArea) -> Result<(Zcrx, ZcrxUser), RegisterError> {
        Self::register_at(params, area, 0)
    }

    /// Registers an area, with rings whose positions begin at `start`. Tests begin short of 2^32.
    pub(super) fn register_at(
        params: ZcrxParams,
        area: UserArea,
        start: u32,
    ) -> Result<(Zcrx, ZcrxUser), RegisterError> {
        let len = params.rx_buf_len;
        if len != 0 && (!len.is_power_of_two() || (len as usize) < PAGE_SIZE) {
            return Err(RegisterError::BufLen { len });
        }
        let unknown = params.events.bits() & !ZcrxEvents::all().bits();
        if unknown != 0 {
            return Err(RegisterError::UnknownEvents { bits: unknown });
        }
        let niov_shift = if len == 0 { PAGE_SIZE.ilog2() } else { len.ilog2() };
        let refill = RefillRing::new(params.rq_entries, start)?;
        let completions = CompletionRing::new(params.cq_entries, start)?;
        let no_memory = |NoMemory| RegisterError::NoMemory;
        let user = UserHome::new(completions.clone(), refill.clone()).map_err(no_memory)?;
        let events = Events::new(params.events);
        let provider = ZcrxProvider::new(params.device, niov_shift, refill, completions, events).map_err(no_memory)?;
        let zcrx = Zcrx { provider, user: user.clone() };
        zcrx.add_area(area)?;
        Ok((zcrx, ZcrxUser::new(user)))
    }

    /// Registers one more area, and gives its number.
    ///
    /// # Errors
    ///
    /// [`RegisterError`], with what was wrong.
    #[doc(alias = "ZCRX_CTRL_ADD_AREA")]
    pub fn add_area(&self, area: UserArea) -> Result<u32, RegisterError> {
        self.provider.add_area(area, &self.user)
    }

    /// What a pool gets its memory from.
    pub fn provider(&self) -> &Arc<ZcrxProvider> {
        &self.provider
    }

    /// Hands a piece of a packet to the program: it holds a reference from now on, and gets the numbers in its completion
    /// ring. Returns the numbers, too, as what was told: they are no piece.
    ///
    /// # Errors
    ///
    /// [`HandOutError`], with the piece.
    #[doc(alias = "io_zcrx_recv_frag")]
    #[doc(alias = "io_zcrx_queue_cqe")]
    pub fn post(&self, frag: Frag<NetIov>) -> Result<ZcrxCqe, Refused<HandOutError, Frag<NetIov>>> {
        self.provider.post(frag)
    }

    /// Copies bytes that are not in the program's memory into buffers that nobody has, at most 4096 bytes in each, and
    /// tells the program while its completion ring has room. Returns how many bytes were copied, at least 1 if there are
    /// any.
    ///
    /// # Errors
    ///
    /// [`CopyError`], when none was copied.
    #[doc(alias = "io_zcrx_copy_chunk")]
    pub fn copy(&self, bytes: &[u8]) -> Result<usize, CopyError> {
        self.provider.copy(bytes)
    }

    /// [`copy`](Self::copy) of a frag: counted, and the program is told once ([`ZcrxEvent::Copy`]). The linear part of a
    /// packet is copied in any case, and so is not counted.
    ///
    /// # Errors
    ///
    /// As for [`copy`](Self::copy).
    #[doc(alias = "io_zcrx_copy_frag")]
    pub fn copy_frag(&self, bytes: &[u8]) -> Result<usize, CopyError> {
        let copied = self.provider.copy(bytes)?;
        if copied != 0 {
            self.provider.count_copy(copied);
        }
        Ok(copied)
    }

    /// Takes back what the program has put into the refill ring, without waiting for a pool to ask. Stops behind an entry
    /// that names nothing.
    #[doc(alias = "ZCRX_CTRL_FLUSH_RQ")]
    pub fn flush(&self) {
        self.provider.flush();
    }

    /// The next event that the program has not been told of.
    pub fn take_event(&self) -> Option<ZcrxEvent> {
        self.provider.with_events(Events::take)
    }

    /// Asks to be told of an event once more.
    ///
    /// # Errors
    ///
    /// [`ArmError`], when it has not been fired since it was last armed.
    #[doc(alias = "ZCRX_CTRL_ARM_EVENT")]
    pub fn arm(&self, event: ZcrxEvent) -> Result<(), ArmError> {
        self.provider.with_events(|events| events.arm(event))
    }

    /// What the provider has counted.
    pub fn stats(&self) -> ZcrxStats {
        self.provider.stats()
    }
}

impl Drop for Zcrx {
    /// Takes back what the program has, to its pools. Nothing is handed to it any more, and its pieces are not read any
    /// more ([`PieceError::Closed`](crate::PieceError::Closed)).
    #[doc(alias = "io_zcrx_scrub")]
    fn drop(&mut self) {
        // Before the memory is somebody else's.
        self.user.home.close();
        self.provider.close();
    }
}

impl fmt::Debug for Zcrx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zcrx").field(&self.provider).finish()
    }
}
