//! [`Zone`]: a range of page frames, its `Page`s, and who of them is free.

use crate::alloc::Box;
use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use crate::alloc::{alloc_zeroed, dealloc};
use crate::error::errno::{EINVAL, ENOMEM};
use crate::memory::Page;
use crate::mm::{FreePage, MAX_ORDER, PAGE_SHIFT, PAGE_SIZE, PFMEMALLOC, PHYSICAL_BITS, PageRef, TAIL, page_size};
use crate::sync::{AtomicUsize, Lock};
use buddy_system_allocator::FrameAllocator;
use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Orders 0 to [`MAX_ORDER`].
const ORDERS: usize = MAX_ORDER as usize + 1;

/// Where the frame numbers of the next zone start, so that no two zones share a pfn. Frame 0 belongs to nobody. They do not
/// come round: where they would pass the physical address space, there is no zone.
static NEXT_PFN: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(1 << MAX_ORDER);

/// A range of page frames that can be allocated. Cheap to clone: every clone is the same zone.
///
/// The zone's memory goes when the last clone and the last page are gone, so a page may outlive every `Zone`.
///
/// ```
/// use netmem::mm::{Zone, ZoneError};
///
/// let zone = Zone::new(64)?;
/// assert!(zone.alloc(11).is_none(), "there is no order 11");
/// let four = zone.alloc(2).expect("64 frames are free");
/// assert_eq!(zone.free_frames(), 60);
/// drop(four);
/// assert_eq!(zone.free_frames(), 64);
/// assert!(matches!(Zone::new(0), Err(ZoneError::Size { frames: 0 })));
/// # Ok::<(), ZoneError>(())
/// ```
#[derive(Clone)]
pub struct Zone(Arc<ZoneInner>);

/// Why a zone could not be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// No frames, or 2^31 or more.
    #[error("a zone of {frames} page frames is not possible: ask for at least 1 and fewer than 2^31")]
    Size {
        /// The number of page frames that was asked for.
        frames: usize,
    },
    /// The memory is not there.
    #[error("no memory for a zone of {frames} page frames ({} KiB): ask for fewer", frames * (PAGE_SIZE / 1024))]
    NoMemory {
        /// The number of page frames that was asked for.
        frames: usize,
    },
}

impl ZoneError {
    /// Returns EINVAL and ENOMEM, which are the nearest. A kernel makes no such thing.
    pub fn errno(&self) -> i32 {
        match self {
            ZoneError::Size { .. } => EINVAL,
            ZoneError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// What the clones and the pages of a zone share.
///
/// # Invariants
///
/// Each allocated block of frames holds one strong count of the `Arc` around this, as the pointer in the zone word of
/// each of its pages; a page that is free has a null zone word.
pub(super) struct ZoneInner {
    pages: Box<[Page]>,
    frames: Frames,
    base_pfn: usize,
    nid: i32,
    reserve: AtomicUsize,
    buddy: Lock<Buddy>,
}

struct Buddy {
    frames: FrameAllocator<ORDERS>,
    free: usize,
}

/// The memory of the frames.
struct Frames {
    start: NonNull<u8>,
    layout: Layout,
}

impl Frames {
    fn new(count: usize) -> Option<Self> {
        let layout = Layout::from_size_align(count.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok()?;
        // SAFETY: the layout has a size above 0, as the caller asks for at least one frame.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Frames { start, layout })
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this layout and is freed once, here.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

// SAFETY: the pointer owns plain memory; who may touch which bytes of it is decided by who owns which page.
unsafe impl Send for Frames {}
// SAFETY: as above.
unsafe impl Sync for Frames {}

impl Zone {
    /// A zone of `frames` page frames on NUMA node 0.
    ///
    /// # Errors
    ///
    /// [`ZoneError::Size`] for 0 frames, or 2^31 or more, [`ZoneError::NoMemory`] when the memory is
    /// not there.
    pub fn new(frames: usize) -> Result<Self, ZoneError> {
        Self::on_node(frames, 0)
    }

    /// A zone of `frames` page frames on NUMA node `nid`.
    ///
    /// # Errors
    ///
    /// As [`Zone::new`].
    pub fn on_node(frames: usize, nid: i32) -> Result<Self, ZoneError> {
        if frames == 0 || frames >= 1 << 31 {
            return Err(ZoneError::Size { frames });
        }
        let no_memory = || ZoneError::NoMemory { frames };
        let Some(memory) = Frames::new(frames) else { return Err(no_memory()) };
        let mut pages = Vec::new();
        if pages.try_reserve_exact(frames).is_err() {
            return Err(no_memory());
        }
        pages.extend((0..frames).map(|_| Page::new()));
        let mut buddy = FrameAllocator::new();
        buddy.insert(0..frames);
        let pfns = frames.next_multiple_of(1 << MAX_ORDER);
        let next = |pfn: usize| Some(pfn + pfns).filter(|end| *end <= 1 << (PHYSICAL_BITS - PAGE_SHIFT));
        let base_pfn = NEXT_PFN.fetch_update(Relaxed, Relaxed, next).map_err(|_| no_memory())?;
        let inner = try_arc(ZoneInner {
            pages: pages.into_boxed_slice(),
            frames: memory,
            base_pfn,
            nid,
            reserve: AtomicUsize::new(0),
            buddy: Lock::new(Buddy { frames: buddy, free: frames }),
        });
        Ok(Zone(inner.map_err(|NoMemory| no_memory())?))
    }

    /// `1 << order` pages in one block, aligned to its size; `None` when there is none or `order` is above
    /// [`MAX_ORDER`]. The bytes are initialised but are whatever their last owner left.
    #[doc(alias = "alloc_pages")]
    #[doc(alias = "alloc_pages_node")]
    pub fn alloc(&self, order: u32) -> Option<FreePage> {
        if order > MAX_ORDER {
            return None;
        }
        let count = 1_usize << order;
        let (first, left) = self.0.buddy.with(|buddy| {
            let first = buddy.frames.alloc(count)?;
            buddy.free -= count;
            Some((first, buddy.free))
        })?;
        let block = self.0.pages.get(first..first + count)?;
        // INVARIANT: one strong count goes with the block, as the zone word of its pages.
        let zone = Arc::into_raw(self.0.clone()).cast_mut().cast::<()>();
        for (distance, page) in block.iter().enumerate() {
            page.zone_ref().store(zone, Relaxed);
            page.desc().mm_word().store(if distance == 0 { 0 } else { distance << 2 | TAIL }, Relaxed);
        }
        let head = &block[0];
        head.page_type_ref().store(order, Relaxed);
        if left < self.0.reserve.load(Relaxed) {
            head.desc().mm_word().store(PFMEMALLOC, Relaxed);
        }
        // Release: who finds the page by its address and takes a reference sees what was written above.
        head.refcount_ref().store(1, Release);
        // SAFETY: `head` is the first page of a block that is allocated now, with a `_refcount` of 1 that this value is.
        Some(unsafe { FreePage::from_raw(self.0.page_ptr(first)) })
    }

    /// From now on a page allocated while fewer than `frames` frames are free is marked pfmemalloc: it came from the
    /// reserve that memory reclaim lives on, and the pool must not keep it.
    pub fn set_reserve(&self, frames: usize) {
        self.0.reserve.store(frames, Relaxed);
    }

    /// How many frames are free.
    pub fn free_frames(&self) -> usize {
        self.0.buddy.with(|buddy| buddy.free)
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.0.pages.len()
    }

    /// The NUMA node.
    pub fn nid(&self) -> i32 {
        self.0.nid
    }

    /// The page that holds the byte at `address`, with a reference; `None` when the address is not of this zone, the
    /// page is free, or 2^31 - 1 references to it are out.
    #[doc(alias = "virt_to_netmem")]
    #[doc(alias = "virt_to_head_page")]
    pub fn virt_to_page(&self, address: *const u8) -> Option<PageRef> {
        let offset = address.addr().checked_sub(self.0.frames.start.addr().get())?;
        let mut index = offset >> PAGE_SHIFT;
        // A tail page leads to its head, whose count decides; read it before the head is known to live, then again.
        let word = self.0.pages.get(index)?.desc().mm_word().load(Relaxed);
        if word & TAIL != 0 {
            index = index.checked_sub(word >> 2)?;
        }
        let head = self.0.pages.get(index)?;
        let mut count = head.refcount_ref().load(Relaxed);
        loop {
            if count <= 0 || count == i32::MAX {
                return None;
            }
            match head.refcount_ref().compare_exchange_weak(count, count + 1, Acquire, Relaxed) {
                Ok(_) => break,
                Err(now) => count = now,
            }
        }
        // SAFETY: the count was above 0 and the exchange made one reference more, which this value is.
        let page = unsafe { PageRef::from_raw(self.0.page_ptr(index)) };
        let inside = offset < (index << PAGE_SHIFT) + page_size(&page);
        inside.then_some(page)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone")
            .field("frames", &self.frames())
            .field("free", &self.free_frames())
            .field("nid", &self.nid())
            .finish()
    }
}

impl ZoneInner {
    /// The zone of a page.
    pub(super) fn of(page: &Page) -> &ZoneInner {
        // SAFETY: a `&Page` has a `_refcount` above 0, so its block is allocated, its zone word is a pointer that
        // `Arc::into_raw` gave, and the strong count of the block keeps the zone alive while the block is.
        unsafe { &*page.zone_ref().load(Relaxed).cast::<ZoneInner>().cast_const() }
    }

    /// Index of a page of this zone. By address: a `&Page` may not reach beyond its own 64 bytes.
    pub(super) fn index(&self, page: &Page) -> usize {
        ((page as *const Page).addr() - self.pages.as_ptr().addr()) / size_of::<Page>()
    }

    /// Returns a pointer to a page. It reaches the 64 bytes of that page and no others: its neighbours are found by index.
    pub(super) fn page_ptr(&self, index: usize) -> NonNull<Page> {
        NonNull::from(&self.pages[index])
    }

    /// A page of this zone.
    pub(super) fn page(&self, index: usize) -> &Page {
        &self.pages[index]
    }

    /// Where the bytes of a page are.
    pub(super) fn address(&self, index: usize) -> NonNull<u8> {
        debug_assert!(index < self.pages.len());
        // SAFETY: `index` is that of a page of this zone, whose frames are one allocation of as many pages.
        unsafe { self.frames.start.add(index << PAGE_SHIFT) }
    }

    pub(super) fn pfn(&self, index: usize) -> usize {
        self.base_pfn + index
    }

    pub(super) fn nid(&self) -> i32 {
        self.nid
    }

    /// Makes blocks of `1 << order` pages of the block that starts at `head`, each with a reference of its own. False, and
    /// nothing has changed, when somebody else has a reference.
    ///
    /// # Safety
    ///
    /// `head` is the first page of an allocated block of at least that order, and one reference to it is the caller's; if
    /// this returns true, that one and those to the other blocks are.
    pub(super) unsafe fn split(head: NonNull<Page>, order: u32) -> bool {
        // SAFETY: pages live as long as their zone, and the zone while the block is allocated.
        let page = unsafe { head.as_ref() };
        // Frozen: at 0 nobody who finds the block by an address gets a reference.
        while let Err(count) = page.refcount_ref().compare_exchange_weak(1, 0, Acquire, Relaxed) {
            if count != 1 {
                return false;
            }
        }
        let word = page.zone_ref().load(Relaxed).cast::<ZoneInner>().cast_const();
        // SAFETY: the zone word of an allocated block is a pointer that `Arc::into_raw` gave, and the strong count that
        // goes with the block keeps the zone.
        let zone = unsafe { &*word };
        let first = zone.index(page);
        let (step, count) = (1_usize << order, 1_usize << page.page_type_ref().load(Relaxed));
        let reserve = page.desc().mm_word().load(Relaxed) & PFMEMALLOC;
        for start in (first..first + count).step_by(step) {
            if start != first {
                // INVARIANT: one strong count goes with each block; the zone word of its pages is the same pointer.
                // SAFETY: as for `zone`.
                unsafe { Arc::increment_strong_count(word) }
            }
            for (distance, page) in zone.pages[start..start + step].iter().enumerate() {
                page.desc().mm_word().store(if distance == 0 { reserve } else { distance << 2 | TAIL }, Relaxed);
            }
            zone.pages[start].page_type_ref().store(order, Relaxed);
        }
        for head in zone.pages[first..first + count].iter().step_by(step) {
            // Release: as in `alloc`.
            head.refcount_ref().store(1, Release);
        }
        true
    }

    /// Takes back the block that starts at `head`.
    ///
    /// # Safety
    ///
    /// `head` is the first page of an allocated block whose last reference is gone.
    #[cold]
    pub(super) unsafe fn free(head: NonNull<Page>) {
        // SAFETY: pages live as long as their zone, and the zone at least until the count below is given back.
        let page = unsafe { head.as_ref() };
        let zone = page.zone_ref().load(Relaxed).cast::<ZoneInner>().cast_const();
        // SAFETY: the zone word is a pointer that `Arc::into_raw` gave in `alloc`; this takes back the one strong count
        // that goes with the block.
        let zone = unsafe { Arc::from_raw(zone) };
        let first = zone.index(page);
        let count = 1_usize << page.page_type_ref().load(Relaxed);
        for page in &zone.pages[first..first + count] {
            page.zone_ref().store(core::ptr::null_mut(), Relaxed);
            page.desc().mm_word().store(0, Relaxed);
        }
        page.page_type_ref().store(0, Relaxed);
        zone.buddy.with(|buddy| {
            buddy.frames.dealloc(first, count);
            buddy.free += count;
        });
    }
}

/// Takes one more reference to a block. It is the caller's.
pub(super) fn get_page(head: &Page) -> NonNull<Page> {
    let before = head.refcount_ref().fetch_add(1, Relaxed);
    if before <= 0 || before == i32::MAX {
        // At its end, or over it because others are here as well. Each undoes its own step; there are fewer threads
        // than it would take to come round to 0.
        head.refcount_ref().fetch_sub(1, Relaxed);
        panic!("get_page: _refcount is at its end (2^31 - 1): references were forgotten, not put");
    }
    let zone = ZoneInner::of(head);
    zone.page_ptr(zone.index(head))
}
