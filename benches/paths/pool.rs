//! The hot paths of the pool.

use super::memory::{any, any_iovs, iovs, pages};
use super::{BULK, Case, Out, barrier, opaque};
use netmem::page_pool::{Batch, PagePool, PoolKind};
use netmem::{DmaAddr, Frag, Kind, Netmem, NetmemRef};
use std::hint::black_box;

const NO_MEMORY: &str = "the pool has memory";

/// The loop alone.
#[inline(never)]
fn empty(n: u64) {
    for _ in 0..n {
        barrier();
    }
}

/// The loop of bulks alone.
#[inline(never)]
fn empty_bulk(n: u64) {
    for _ in 0..n / BULK {
        barrier();
    }
}

/// The loops of 64/64, over words and without a pool.
#[inline(never)]
fn empty_64(out: &mut Out<usize>, n: u64) {
    for _ in 0..n / BULK {
        for slot in &mut out.0 {
            slot.write(opaque(1));
            barrier();
        }
        for slot in out.0.iter().rev() {
            // SAFETY: all were written above, and a word may be read twice.
            opaque(unsafe { slot.assume_init_read() });
            barrier();
        }
    }
}

/// One out, one back.
#[inline(never)]
fn one<K: PoolKind>(pool: &mut PagePool<K>, n: u64) {
    for _ in 0..n {
        let memory = pool.alloc().expect(NO_MEMORY);
        barrier();
        pool.recycle_direct(memory);
        barrier();
    }
}

/// 64 out, then 64 back.
#[inline(never)]
fn sixty_four<K: PoolKind>(pool: &mut PagePool<K>, out: &mut Out<Netmem<K>>, n: u64) {
    for _ in 0..n / BULK {
        for slot in &mut out.0 {
            slot.write(pool.alloc().expect(NO_MEMORY));
            barrier();
        }
        for slot in out.0.iter().rev() {
            // SAFETY: all were written above, and each is read once.
            pool.recycle_direct(unsafe { slot.assume_init_read() });
            barrier();
        }
    }
}

/// One out, one back through the ring.
#[inline(never)]
fn ring<K: PoolKind>(pool: &mut PagePool<K>, n: u64) {
    for _ in 0..n {
        let memory = pool.alloc().expect(NO_MEMORY);
        barrier();
        drop(memory);
        barrier();
    }
}

/// 64 out, then 64 back through the ring.
#[inline(never)]
fn ring_64<K: PoolKind>(pool: &mut PagePool<K>, out: &mut Out<Netmem<K>>, n: u64) {
    for _ in 0..n / BULK {
        for slot in &mut out.0 {
            slot.write(pool.alloc().expect(NO_MEMORY));
            barrier();
        }
        for slot in out.0.iter().rev() {
            // SAFETY: all were written above, and each is read once.
            drop(unsafe { slot.assume_init_read() });
            barrier();
        }
    }
}

#[inline(never)]
fn frag_direct<K: PoolKind>(pool: &mut PagePool<K>, size: u32, n: u64) {
    for _ in 0..n {
        let frag = pool.alloc_frag(size).expect(NO_MEMORY);
        barrier();
        pool.recycle_frag(frag);
        barrier();
    }
}

#[inline(never)]
fn frag_drop<K: PoolKind>(pool: &mut PagePool<K>, size: u32, n: u64) {
    for _ in 0..n {
        let frag = pool.alloc_frag(size).expect(NO_MEMORY);
        barrier();
        drop(frag);
        barrier();
    }
}

/// One more reference, and one less.
#[inline(never)]
fn get_drop<K: Kind>(memory: &Netmem<K>, n: u64) {
    for _ in 0..n {
        let second = memory.get();
        barrier();
        drop(second);
        barrier();
    }
}

/// 64 out and 64 back by one call each. An operation is one of the 64.
#[inline(never)]
fn bulk_direct<K: PoolKind>(pool: &mut PagePool<K>, batch: &mut Batch<K>, n: u64) {
    for _ in 0..n / BULK {
        assert_eq!(pool.alloc_bulk(batch), BULK as usize, "{NO_MEMORY}");
        barrier();
        pool.recycle_bulk(batch);
        barrier();
    }
}

/// The same, back through the ring.
#[inline(never)]
fn bulk_ring<K: PoolKind>(pool: &mut PagePool<K>, batch: &mut Batch<K>, n: u64) {
    for _ in 0..n / BULK {
        assert_eq!(pool.alloc_bulk(batch), BULK as usize, "{NO_MEMORY}");
        barrier();
        batch.flush();
        barrier();
    }
}

// Out of line, as seen from another crate.

type Alloc<K> = fn(&mut PagePool<K>) -> Option<Netmem<K>>;
type Recycle<K> = fn(&mut PagePool<K>, Netmem<K>);
type AllocFrag<K> = fn(&mut PagePool<K>, u32) -> Option<Frag<K>>;
type RecycleFrag<K> = fn(&mut PagePool<K>, Frag<K>);

fn alloc<K: PoolKind>(pool: &mut PagePool<K>) -> Option<Netmem<K>> {
    pool.alloc()
}
fn recycle<K: PoolKind>(pool: &mut PagePool<K>, memory: Netmem<K>) {
    pool.recycle_direct(memory);
}
fn put<K: Kind>(memory: Netmem<K>) {
    drop(memory);
}
fn alloc_frag<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
    pool.alloc_frag(size)
}
fn recycle_frag<K: PoolKind>(pool: &mut PagePool<K>, frag: Frag<K>) {
    pool.recycle_frag(frag);
}

#[inline(never)]
fn one_called<K: PoolKind>(pool: &mut PagePool<K>, n: u64) {
    let (alloc, recycle) = (black_box(alloc as Alloc<K>), black_box(recycle as Recycle<K>));
    for _ in 0..n {
        let memory = alloc(pool).expect(NO_MEMORY);
        recycle(pool, memory);
    }
}

#[inline(never)]
fn sixty_four_called<K: PoolKind>(pool: &mut PagePool<K>, out: &mut Out<Netmem<K>>, n: u64) {
    let (alloc, recycle) = (black_box(alloc as Alloc<K>), black_box(recycle as Recycle<K>));
    for _ in 0..n / BULK {
        for slot in &mut out.0 {
            slot.write(alloc(pool).expect(NO_MEMORY));
        }
        for slot in out.0.iter().rev() {
            // SAFETY: all were written above, and each is read once.
            recycle(pool, unsafe { slot.assume_init_read() });
        }
    }
}

#[inline(never)]
fn ring_called<K: PoolKind>(pool: &mut PagePool<K>, n: u64) {
    let (alloc, put) = (black_box(alloc as Alloc<K>), black_box(put as fn(Netmem<K>)));
    for _ in 0..n {
        put(alloc(pool).expect(NO_MEMORY));
    }
}

#[inline(never)]
fn frag_called<K: PoolKind>(pool: &mut PagePool<K>, size: u32, n: u64) {
    let (alloc, recycle) = (black_box(alloc_frag as AllocFrag<K>), black_box(recycle_frag as RecycleFrag<K>));
    for _ in 0..n {
        let frag = alloc(pool, size).expect(NO_MEMORY);
        recycle(pool, frag);
    }
}

// The helpers, one call each.

fn nothing(_: NetmemRef<'_>) {}
fn is_net_iov(memory: NetmemRef<'_>) -> bool {
    memory.is_net_iov()
}
fn pp(memory: NetmemRef<'_>) -> Option<netmem::memory::PoolId> {
    memory.pp()
}
fn dma_addr(memory: NetmemRef<'_>) -> DmaAddr {
    memory.dma_addr()
}
fn pp_ref_count(memory: NetmemRef<'_>) -> usize {
    memory.pp_ref_count()
}
fn to_page(memory: NetmemRef<'_>) -> Option<NetmemRef<'_, netmem::Page>> {
    memory.try_into().ok()
}
fn to_net_iov(memory: NetmemRef<'_>) -> Option<NetmemRef<'_, netmem::NetIov>> {
    memory.try_into().ok()
}
fn page_to_netmem(page: NetmemRef<'_, netmem::Page>) -> NetmemRef<'_> {
    page.page().into()
}

#[inline(never)]
fn ask<'a, K: Kind, R>(memory: NetmemRef<'a, K>, helper: fn(NetmemRef<'a, K>) -> R, n: u64) {
    let helper = black_box(helper);
    for _ in 0..n {
        helper(memory);
    }
}

/// A helper, asked of a page.
macro_rules! helper {
    ($helper:ident) => {
        || {
            let mut pool = any();
            let memory = pool.alloc().expect(NO_MEMORY);
            Box::new(move |n| ask(memory.borrow(), $helper, n))
        }
    };
}

/// A loop over a pool.
macro_rules! over {
    ($pool:ident, $path:ident $(, $size:literal)?) => {
        || {
            let mut pool = $pool();
            Box::new(move |n| $path(&mut pool, $($size,)? n))
        }
    };
}

/// A loop over a pool and 64 handles.
macro_rules! over_64 {
    ($pool:ident, $path:ident) => {
        || {
            let mut pool = $pool();
            let mut out = Out::new();
            Box::new(move |n| $path(&mut pool, &mut out, n))
        }
    };
}

/// A loop over a pool and a batch.
macro_rules! over_batch {
    ($pool:ident, $path:ident) => {
        || {
            let (mut pool, mut batch) = ($pool(), Batch::new());
            Box::new(move |n| $path(&mut pool, &mut batch, n))
        }
    };
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("loop", "loop", || Box::new(empty)),
        Case::new("loop of bulks", "loop of bulks", || Box::new(empty_bulk)),
        Case::new("loop 64/64", "loop 64/64", || {
            let mut out = Out::new();
            Box::new(move |n| empty_64(&mut out, n))
        }),
        Case::new("direct 1/1 Page", "loop", over!(pages, one)),
        Case::new("direct 1/1 NetIov", "loop", over!(iovs, one)),
        Case::new("direct 1/1 PageOrIov, a page", "loop", over!(any, one)),
        Case::new("direct 1/1 PageOrIov, a net_iov", "loop", over!(any_iovs, one)),
        Case::new("direct 1/1 Page, called", "loop", over!(pages, one_called)),
        Case::new("direct 1/1 NetIov, called", "loop", over!(iovs, one_called)),
        Case::new("direct 1/1 PageOrIov, a page, called", "loop", over!(any, one_called)),
        Case::new("direct 64/64 Page", "loop 64/64", over_64!(pages, sixty_four)),
        Case::new("direct 64/64 NetIov", "loop 64/64", over_64!(iovs, sixty_four)),
        Case::new("direct 64/64 PageOrIov, a page", "loop 64/64", over_64!(any, sixty_four)),
        Case::new("direct 64/64 Page, called", "loop 64/64", over_64!(pages, sixty_four_called)),
        Case::new("direct 64/64 NetIov, called", "loop 64/64", over_64!(iovs, sixty_four_called)),
        Case::new("direct 64/64 PageOrIov, a page, called", "loop 64/64", over_64!(any, sixty_four_called)),
        Case::new("ring 1/1 Page", "loop", over!(pages, ring)),
        Case::new("ring 1/1 NetIov", "loop", over!(iovs, ring)),
        Case::new("ring 1/1 PageOrIov, a page", "loop", over!(any, ring)),
        Case::new("ring 1/1 Page, called", "loop", over!(pages, ring_called)),
        Case::new("ring 1/1 NetIov, called", "loop", over!(iovs, ring_called)),
        Case::new("ring 1/1 PageOrIov, a page, called", "loop", over!(any, ring_called)),
        Case::new("ring 64/64 Page", "loop 64/64", over_64!(pages, ring_64)),
        Case::new("ring 64/64 NetIov", "loop 64/64", over_64!(iovs, ring_64)),
        Case::new("ring 64/64 PageOrIov, a page", "loop 64/64", over_64!(any, ring_64)),
        Case::new("fragment 2048 Page, direct", "loop", over!(pages, frag_direct, 2048)),
        Case::new("fragment 512 Page, direct", "loop", over!(pages, frag_direct, 512)),
        Case::new("fragment 2048 PageOrIov, direct", "loop", over!(any, frag_direct, 2048)),
        Case::new("fragment 512 PageOrIov, direct", "loop", over!(any, frag_direct, 512)),
        Case::new("fragment 2048 Page, dropped", "loop", over!(pages, frag_drop, 2048)),
        Case::new("fragment 512 Page, dropped", "loop", over!(pages, frag_drop, 512)),
        Case::new("fragment 2048 PageOrIov, called", "loop", over!(any, frag_called, 2048)),
        Case::new("get and put Page", "loop", || {
            let memory = pages().alloc().expect(NO_MEMORY);
            Box::new(move |n| get_drop(&memory, n))
        }),
        Case::new("get and put PageOrIov", "loop", || {
            let memory = any().alloc().expect(NO_MEMORY);
            Box::new(move |n| get_drop(&memory, n))
        }),
        Case::new("bulk of 64 Page, direct", "loop of bulks", over_batch!(pages, bulk_direct)),
        Case::new("bulk of 64 NetIov, direct", "loop of bulks", over_batch!(iovs, bulk_direct)),
        Case::new("bulk of 64 PageOrIov, direct", "loop of bulks", over_batch!(any, bulk_direct)),
        Case::new("bulk of 64 Page, ring", "loop of bulks", over_batch!(pages, bulk_ring)),
        Case::new("bulk of 64 NetIov, ring", "loop of bulks", over_batch!(iovs, bulk_ring)),
        Case::new("bulk of 64 PageOrIov, ring", "loop of bulks", over_batch!(any, bulk_ring)),
        Case::new("loop of calls", "loop of calls", helper!(nothing)),
        Case::new("helper: is_net_iov", "loop of calls", helper!(is_net_iov)),
        Case::new("helper: pp", "loop of calls", helper!(pp)),
        Case::new("helper: dma_addr", "loop of calls", helper!(dma_addr)),
        Case::new("helper: pp_ref_count", "loop of calls", helper!(pp_ref_count)),
        Case::new("helper: to Page, checked", "loop of calls", helper!(to_page)),
        Case::new("helper: to NetIov, checked", "loop of calls", helper!(to_net_iov)),
        Case::new("helper: page to netmem", "loop of calls", || {
            let mut pool = pages();
            let memory = pool.alloc().expect(NO_MEMORY);
            Box::new(move |n| ask(memory.borrow(), page_to_netmem, n))
        }),
    ]
}
