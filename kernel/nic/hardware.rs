//! [`Nic`]: the 82574L as hardware of a driver.
//!
//! Headers are split off (RFCTL.EXTEN, RCTL.DTYP, PSRCTL). A receive descriptor has 32 bytes: addresses of a header buffer and of
//! up to three payload buffers, of which one is used. Head and tail count in units of 16 bytes, so a step is 2.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, DmaQueue, MapError, PeerMemory, RxCompletion, RxDescriptor};
use netmem::netdev::{Capabilities, Hardware, KernelNapi};
use netmem::{DmaAddr, Page, PageOrIov};

/// What C opens the receive side with: `struct setup` of nic.h, which says what each field is.
#[repr(C)]
pub(crate) struct Setup {
    regs: *mut u8,
    rings: [*mut u64; 2],
    rings_dma: [u64; 2],
    entries: u32,
    pub(crate) header: u32,
    pub(crate) payload: u32,
    pub(crate) room: u32,
    dev: NonNull<c_void>,
    napi: NonNull<c_void>,
}

impl Setup {
    pub(crate) fn napi(&self) -> NonNull<c_void> {
        self.napi
    }
}

/// The PCI function, as the DMA API sees it. The pools over a kernel map by themselves, and know it by its `struct device`.
struct PciDevice(DeviceId);

// SAFETY: the identity is that of the kernel's `struct device`. It maps nothing here, so no address is claimed to reach anything.
// The hardware writes a buffer only from its post to its completion, or to the stop of its queue: that is how the 82574L uses
// descriptors.
unsafe impl DmaDevice for PciDevice {
    fn id(&self) -> DeviceId {
        self.0
    }

    unsafe fn map(&self, _: &Page, _: DmaDirection) -> Option<DmaAddr> {
        None
    }

    unsafe fn unmap(&self, _: DmaAddr) {}

    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        Err(MapError::NoRoom { len })
    }

    unsafe fn unmap_peer(&self, _: DmaAddr) {}

    /// The kernel's pool asks for itself, and it syncs.
    fn needs_sync(&self) -> bool {
        true
    }

    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {}

    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {}

    unsafe fn sync_bytes_for_device(&self, _: DmaAddr, _: usize, _: &[u8]) {}
}

const STATUS: usize = 0x0008;
const RCTL: usize = 0x0100;
const PSRCTL: usize = 0x2170;
const RDBAL: usize = 0x2800;
const RDBAH: usize = 0x2804;
const RDLEN: usize = 0x2808;
const RDH: usize = 0x2810;
const RDT: usize = 0x2818;
const RXCSUM: usize = 0x5000;
const RFCTL: usize = 0x5008;

/// Extended descriptors, which packet split needs.
const RFCTL_EXTEN: u32 = 1 << 15;
/// Check the checksums of IP, and of TCP and UDP.
const RXCSUM_ALL: u32 = 1 << 8 | 1 << 9;
/// Enable, packet split, accept broadcasts, strip the CRC: else it would lie behind the payload.
const RCTL_ON: u32 = 1 << 1 | 1 << 10 | 1 << 15 | 1 << 26;

/// Status of a completion: done, end of frame, and that the checksum of TCP or UDP was looked at.
const DONE: u32 = 1 << 0;
const END: u32 = 1 << 1;
const SUMMED: u32 = 1 << 4 | 1 << 5;
/// Errors: of the MAC, of a checksum.
const FAILED: u32 = 0x9700_0000;
const SUM_WRONG: u32 = 0x6000_0000;

/// Bytes of a register block that are used.
const REGS: usize = 0x6000;
/// Words of 8 bytes in a descriptor.
const WORDS: usize = 4;

/// Registers and rings, which queues share.
///
/// # Invariants
///
/// `regs` are `REGS` bytes of device registers, and each of `rings` is coherent memory for `entries` descriptors; all live as long
/// as this value. A ring of which `in_use` is set is used by one queue alone.
struct Shared {
    regs: NonNull<u8>,
    rings: [NonNull<u64>; 2],
    rings_dma: [u64; 2],
    entries: usize,
    /// How many bytes the device writes into a header buffer and into a payload buffer, at most: what PSRCTL says.
    header: u32,
    payload: u32,
    in_use: [AtomicBool; 2],
}

// SAFETY: registers and rings are reached by atomic accesses; a ring is one queue's, by the type's invariant.
unsafe impl Send for Shared {}
// SAFETY: the same.
unsafe impl Sync for Shared {}

impl Shared {
    fn register(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at + 4 <= REGS && at % 4 == 0);
        // SAFETY: the offset is one of the constants above, which are inside the registers.
        let register = unsafe { self.regs.add(at) };
        // SAFETY: registers live as long as this value, are aligned, and device memory is accessed by whole words: on x86-64 an
        // atomic load or store of 32 bits is one `mov`, which is what `readl` and `writel` are.
        unsafe { AtomicU32::from_ptr(register.as_ptr().cast()) }
    }

    /// `writel`: what was written to memory before is visible to the device.
    fn write(&self, at: usize, value: u32) {
        fence(Release);
        self.register(at).store(value, Relaxed);
    }

    /// `readl`.
    fn read(&self, at: usize) -> u32 {
        self.register(at).load(Acquire)
    }

    /// Returns word `word` of descriptor `at` of a ring.
    fn word(&self, ring: usize, at: usize, word: usize) -> &AtomicU64 {
        assert!(at < self.entries && word < WORDS, "the index is inside the ring");
        // SAFETY: the index was just checked against the ring's length.
        let word = unsafe { self.rings[ring].add(at * WORDS + word) };
        // SAFETY: by the type's invariant the ring's memory lives as long as this value; it is aligned to 8, as coherent memory is
        // to a page. The device writes it at any time, so it is read and written by whole words.
        unsafe { AtomicU64::from_ptr(word.as_ptr()) }
    }
}

/// The hardware of one receive queue. A clone is the same hardware.
#[derive(Clone)]
pub(crate) struct Nic {
    shared: Arc<Shared>,
    device: Arc<dyn DmaDevice>,
    napi: KernelNapi,
}

impl Nic {
    /// Takes the hardware over from C.
    ///
    /// # Safety
    ///
    /// What `struct setup` says of its fields is true, and stays so as long as this value, a queue or a pool of it lives. Polls of
    /// its driver run in `setup.napi`, and its driver gets memory only while that is disabled, where one may sleep.
    pub(crate) unsafe fn new(setup: &Setup) -> Option<Self> {
        // SAFETY: the device outlives everything here, says the caller.
        let device = unsafe { DeviceId::from_raw(setup.dev) };
        // SAFETY: promised by the caller.
        let napi = unsafe { KernelNapi::from_raw(setup.napi) };
        // INVARIANT: the caller says so of registers and rings, and no queue has a ring.
        let shared = Shared {
            regs: NonNull::new(setup.regs)?,
            rings: [NonNull::new(setup.rings[0])?, NonNull::new(setup.rings[1])?],
            rings_dma: setup.rings_dma,
            entries: setup.entries as usize,
            // in units of 128 bytes, and of 1024; 7 and 6 bits
            header: (setup.header / 128).min(127) * 128,
            payload: (setup.payload / 1024).min(63) * 1024,
            in_use: [AtomicBool::new(false), AtomicBool::new(false)],
        };
        Some(Nic { shared: Arc::new(shared), device: Arc::new(PciDevice(device)), napi })
    }

    pub(crate) fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }
}

impl Hardware for Nic {
    type Queue = Queue;
    type Rx = PageOrIov;

    fn rx_queue(&mut self, index: usize) -> Option<Queue> {
        let ring = (0..2).find(|&ring| index == 0 && !self.shared.in_use[ring].swap(true, AcqRel))?;
        let mut queue = Queue {
            shared: self.shared.clone(),
            device: self.device.clone(),
            ring,
            ids: Vec::new(),
            refused: Vec::new(),
            next: 0,
            tail: 0,
            started: false,
        };
        queue.ids.try_reserve_exact(self.shared.entries).ok()?;
        queue.refused.try_reserve_exact(self.shared.entries).ok()?;
        queue.ids.resize(self.shared.entries, 0);
        Some(queue)
    }

    fn napi(&self) -> KernelNapi {
        self.napi
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { header_split: true, max_frame: 1522, ..Capabilities::default() }
    }
}

/// One of two descriptor rings of the one receive queue: the one that runs, or the one that takes over.
///
/// # Invariants
///
/// `ring` is in use by this queue. Descriptors from `next` up to `tail` are the device's, and `ids` says what they are. The buffers of
/// each have at least as many bytes as the device may write.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    device: Arc<dyn DmaDevice>,
    ring: usize,
    ids: Vec<u32>,
    /// Descriptors whose buffers are too short for this device. It never gets them, and they come back as failed.
    refused: Vec<u32>,
    next: usize,
    tail: usize,
    /// Whether the registers name this ring.
    started: bool,
}

// SAFETY: the device is told of a descriptor by its tail register, which only `kick` moves, and only over descriptors that `post`
// wrote; it writes at most as many bytes into a buffer as PSRCTL says, and `post` lets no shorter buffer pass. It writes a buffer before it sets DONE in the descriptor, which is read before (acquire). `stop` disables receiving and
// reads a register, so the write has arrived; the device's DMA is over when that returns. A ring that was not started was never
// told to the device.
unsafe impl DmaQueue for Queue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }

    fn depth(&self) -> usize {
        // When head and tail are equal the device has none, so one descriptor stays empty.
        self.shared.entries - 1
    }

    fn post(&mut self, descriptor: RxDescriptor) {
        let (header, payload) = (descriptor.header(), descriptor.payload());
        let fits =
            header.is_some_and(|header| header.len() >= self.shared.header) && payload.len() >= self.shared.payload;
        // Bit 0 of the payload's address is where the device says that it is done.
        if !fits || payload.addr().as_raw() % 2 != 0 {
            return self.refused.push(descriptor.id());
        }
        let at = self.tail;
        self.ids[at] = descriptor.id();
        let header = header.map_or(0, |header| header.addr().as_raw() as u64);
        let payload = payload.addr().as_raw() as u64;
        for (word, value) in [header, payload, 0, 0].into_iter().enumerate() {
            self.shared.word(self.ring, at, word).store(value, Relaxed);
        }
        self.tail = (at + 1) % self.shared.entries;
    }

    fn kick(&mut self) {
        let shared = &self.shared;
        if !self.started {
            self.started = true;
            let dma = shared.rings_dma[self.ring];
            shared.write(RDBAL, dma as u32);
            shared.write(RDBAH, (dma >> 32) as u32);
            shared.write(RDLEN, (shared.entries * WORDS * 8) as u32);
            shared.write(RDH, 0);
            shared.write(RDT, 0);
            shared.write(RFCTL, RFCTL_EXTEN);
            shared.write(RXCSUM, RXCSUM_ALL);
            shared.write(PSRCTL, (shared.header / 128) | ((shared.payload / 1024) << 8));
            shared.write(RCTL, RCTL_ON);
        }
        shared.write(RDT, self.tail as u32 * 2);
    }

    fn complete(&mut self) -> Option<RxCompletion> {
        if let Some(id) = self.refused.pop() {
            return Some(RxCompletion { id, failed: true, end_of_frame: true, ..RxCompletion::default() });
        }
        if self.next == self.tail {
            return None;
        }
        let at = self.next;
        let one = self.shared.word(self.ring, at, 1).load(Acquire);
        let status = one as u32;
        if status & DONE == 0 {
            return None;
        }
        let two = self.shared.word(self.ring, at, 2).load(Relaxed);
        self.next = (at + 1) % self.shared.entries;
        Some(RxCompletion {
            id: self.ids[at],
            header_len: (one >> 32) as u32 & 0xffff,
            payload_len: (two >> 16) as u32 & 0xffff,
            end_of_frame: status & END != 0,
            failed: status & FAILED != 0,
            csum_ok: (status & SUMMED != 0).then_some(status & SUM_WRONG == 0),
        })
    }

    fn stop(&mut self) {
        if self.started {
            self.shared.write(RCTL, 0);
            self.shared.read(STATUS);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.in_use[self.ring].store(false, Release);
    }
}
