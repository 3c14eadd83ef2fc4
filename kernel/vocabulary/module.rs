//! The crate's own `src/memory` inside a Linux kernel, and the four functions that `glue.c` calls.
//!
//! The files of `memory` are compiled as they are, with the kernel's code-generation flags. What is answered here is
//! asked of their public interface; only the counter, mm's fields and the DMA index need what is `pub(crate)`, which
//! this crate sees because `memory` is a module of it.
#![no_std]
#![allow(dead_code, unused)] // `memory` has more than is asked here
#![deny(unsafe_op_in_unsafe_fn)]

use core::ffi::c_long;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use memory::layout::Mirror;
use memory::{Backing, NetIov, NetIovArea, NetIovType, NetmemDesc, NetmemRef, Page, PageOrIov};

// The assertions about traits have been checked in the crate; here they stand for nothing. Those about layouts stay.
extern crate self as static_assertions;
#[macro_export]
macro_rules! assert_impl_all {
    ($($t:tt)*) => {};
}
#[macro_export]
macro_rules! assert_eq_size {
    ($($t:tt)*) => {};
}
mod assert {
    macro_rules! none {
        ($($t:tt)*) => {};
    }
    pub(crate) use none as assert_not_impl_any;
}
mod sync {
    pub(crate) use core::sync::atomic::*;
}
#[path = "../../src/memory/mod.rs"]
mod memory;

/// What the crate says of a handle. `struct answers` of `glue.c`, which fills another one from the kernel's helpers.
/// What does not apply to a page or to a net_iov is 0.
#[repr(C)]
#[derive(Default)]
pub struct Answers {
    /// The handle made from the word, and made a word again.
    word: u64,
    is_net_iov: u64,
    /// The page or net_iov that the tag leads back to.
    memory: u64,
    desc: u64,
    /// The descriptor, got by a cast from the page or net_iov.
    desc_of_memory: u64,
    pp: u64,
    dma_addr: u64,
    magic: u64,
    is_pp: u64,
    dma_index: u64,
    ref_count: u64,
    /// The page or net_iov, cast to a handle of open kind.
    cast: u64,
    /// The same, cast to the known kind.
    cast_known: u64,
    /// The page or net_iov of the handle that `try_from` narrowed.
    known: u64,
    known_desc: u64,
    known_pp: u64,
    /// The narrowed handle, widened again.
    widened: u64,
    /// What `try_from` to the other kind gives back as its error.
    refused: u64,
    page_refcount: u64,
    page_type: u64,
    memcg_data: u64,
    iov_type: u64,
    is_devmem: u64,
    area: u64,
    index: u64,
    num_niovs: u64,
    base_virtual: u64,
    virtual_addr: u64,
}

/// x86-64 has pages of 4 KiB, and so have its net_iovs.
const PAGE_SHIFT: u32 = 12;

fn address<T>(of: &T) -> u64 {
    (of as *const T).addr() as u64
}

fn bits(word: NonNull<()>) -> u64 {
    word.addr().get() as u64
}

/// Answers everything about the handle `word`.
///
/// # Safety
///
/// As for [`NetmemRef::from_raw`], for the duration of the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_answer(word: NonNull<()>, answers: &mut Answers) {
    // SAFETY: the caller's promise is that of `from_raw`; the open kind agrees with either tag.
    let memory: NetmemRef<'_> = unsafe { NetmemRef::from_raw(word) };
    let desc = memory.desc();
    *answers = Answers {
        word: bits(memory.as_raw()),
        is_net_iov: memory.is_net_iov().into(),
        desc: address(desc),
        pp: memory.pp().map_or(0, |pool| pool.addr() as u64),
        dma_addr: memory.dma_addr().as_raw() as u64,
        magic: desc.pp_magic() as u64,
        is_pp: desc.is_pp().into(),
        dma_index: desc.dma_index() as u64,
        ref_count: memory.pp_ref_count() as u64,
        ..Answers::default()
    };
    match memory.backing() {
        Backing::Page(page) => {
            answers.memory = address(page);
            answers.desc_of_memory = address(<&NetmemDesc>::from(page));
            answers.cast = bits(NetmemRef::<PageOrIov>::from(page).as_raw());
            answers.cast_known = bits(NetmemRef::<Page>::from(page).as_raw());
            if let Ok(known) = NetmemRef::<Page>::try_from(memory) {
                answers.known = address(known.page());
                answers.known_desc = address(known.desc());
                answers.known_pp = known.pp().map_or(0, |pool| pool.addr() as u64);
                answers.widened = bits(NetmemRef::<PageOrIov>::from(known).as_raw());
            }
            if let Err(page) = NetmemRef::<NetIov>::try_from(memory) {
                answers.refused = bits(page.as_raw());
            }
            answers.page_refcount = page.refcount_ref().load(Relaxed) as u64;
            answers.page_type = page.page_type_ref().load(Relaxed).into();
            answers.memcg_data = page.zone_ref().load(Relaxed).addr() as u64;
        }
        Backing::NetIov(iov) => {
            answers.memory = address(iov);
            answers.desc_of_memory = address(<&NetmemDesc>::from(iov));
            answers.cast = bits(NetmemRef::<PageOrIov>::from(iov).as_raw());
            answers.cast_known = bits(NetmemRef::<NetIov>::from(iov).as_raw());
            if let Ok(known) = NetmemRef::<NetIov>::try_from(memory) {
                answers.known = address(known.net_iov());
                answers.known_desc = address(known.desc());
                answers.known_pp = known.pp().map_or(0, |pool| pool.addr() as u64);
                answers.widened = bits(NetmemRef::<PageOrIov>::from(known).as_raw());
            }
            if let Err(iov) = NetmemRef::<Page>::try_from(memory) {
                answers.refused = bits(iov.as_raw());
            }
            let area = iov.area();
            answers.iov_type = match iov.ty() {
                Some(NetIovType::DmaBuf) => 0,
                Some(NetIovType::IoUring) => 1,
                None => u64::MAX,
            };
            answers.is_devmem = iov.is_devmem().into();
            answers.area = address(area);
            answers.index = iov.index() as u64;
            answers.num_niovs = area.num_niovs() as u64;
            answers.base_virtual = area.base_virtual() as u64;
            answers.virtual_addr = answers.base_virtual.wrapping_add(answers.index << PAGE_SHIFT);
        }
    }
}

/// Takes `n` references and says how many there are now: `page_pool_ref_netmem`, `n` times.
///
/// # Safety
///
/// As for [`NetmemRef::from_raw`], for the duration of the call; the caller holds a reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_take(word: NonNull<()>, n: c_long) -> c_long {
    // SAFETY: the caller's promise is that of `from_raw`; the open kind agrees with either tag.
    let memory: NetmemRef<'_> = unsafe { NetmemRef::from_raw(word) };
    let count = memory.desc().pp_ref_count_ref();
    (count.fetch_add(n as isize, Relaxed) as c_long).wrapping_add(n)
}

/// Drops `n` references and says how many are left. With 0 left the count stands at 1 for the next owner, and the
/// caller must give the memory back: `page_pool_unref_netmem`.
///
/// # Safety
///
/// As for [`NetmemRef::from_raw`], for the duration of the call; the caller holds these `n` references.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_drop(word: NonNull<()>, n: c_long) -> c_long {
    // SAFETY: the caller's promise is that of `from_raw`; the open kind agrees with either tag.
    let memory: NetmemRef<'_> = unsafe { NetmemRef::from_raw(word) };
    let count = memory.desc().pp_ref_count_ref();
    let left = (count.fetch_sub(n as isize, AcqRel) as c_long).wrapping_sub(n);
    if left == 0 {
        // Nobody else has a reference, so nobody else writes.
        count.store(1, Relaxed);
    }
    left
}

/// One number that has a twin in C: a struct, a field of the struct before, or a number of an enum.
#[repr(C)]
pub struct Row {
    name: *const u8,
    name_len: usize,
    offset: u64,
    size: u64,
}

/// Row `at` of everything that `memory` mirrors, and of [`Answers`]. False after the last.
#[unsafe(no_mangle)]
pub extern "C" fn rust_layout(at: usize, row: &mut Row) -> bool {
    fn of<T: Mirror>() -> impl Iterator<Item = (&'static str, usize, usize)> {
        let fields = T::FIELDS.iter().map(|field| (field.c_name, field.offset, field.size));
        [(T::C_NAME, 0, size_of::<T>())].into_iter().chain(fields)
    }
    let values = NetIovType::VALUES.iter().map(|value| (value.c_name, value.value as usize, size_of::<u32>()));
    let mut rows = [("answers", 0, size_of::<Answers>())]
        .into_iter()
        .chain(of::<NetmemDesc>())
        .chain(of::<Page>())
        .chain(of::<NetIov>())
        .chain(of::<NetIovArea>())
        .chain(values);
    let Some((name, offset, size)) = rows.nth(at) else { return false };
    *row = Row { name: name.as_ptr(), name_len: name.len(), offset: offset as u64, size: size as u64 };
    true
}

unsafe extern "C" {
    /// The kernel's panic, in `glue.c`.
    safe fn glue_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    glue_panic()
}
