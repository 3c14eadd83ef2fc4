//! The functions that C calls: `nic.h` has their other half.

use crate::hardware::{Nic, Setup};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use netmem::Page;
use netmem::netdev::{QueueMgmt, RxMemory, RxQueueConfig};
use netmem::page_pool::{AnyProvider, MemoryProvider, PagePool, PagePoolParams};
use netmem::provider::KernelPages;
use netmem_drivers::{Driver, QueueConfig, QueueMemory, QueuePlan};

unsafe extern "C" {
    /// Delivers a packet: `eth_type_trans` where its linear part has the header, and `napi_gro_receive`. It takes the `struct sk_buff` over.
    fn netmem_nic_deliver(napi: NonNull<c_void>, skb: NonNull<()>);
}

/// The receive side of an open device.
pub(crate) struct Opened {
    driver: Driver<Nic>,
    napi: NonNull<c_void>,
}

/// What makes memory while the driver polls.
pub(crate) struct Maker {
    hardware: Nic,
    plan: QueuePlan,
}

type Memory = QueueMemory<Nic>;

/// What a queue has counted: `struct netmem_nic_stats`.
#[repr(C)]
pub(crate) struct Counts {
    packets: u64,
    bytes: u64,
    posted: u64,
    alloc_failed: u64,
    dropped: u64,
    unsummed: u64,
    no_memory: u64,
    /// The counters of both pools, added up, in the kernel's order.
    pools: [u64; 11],
}

/// Starts receiving. Null when there is no memory.
///
/// # Safety
///
/// What [`Nic::new`] asks for; until `netmem_nic_close`.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_open(setup: &Setup) -> *mut Opened {
    // SAFETY: promised by the caller.
    let Some(nic) = (unsafe { Nic::new(setup) }) else { return null_mut() };
    open(nic, setup).map_or(null_mut(), |opened| Box::into_raw(Box::new(opened)))
}

fn open(nic: Nic, setup: &Setup) -> Option<Opened> {
    let params = PagePoolParams { pool_size: 256, ..PagePoolParams::for_device(nic.device().clone(), 4096) };
    let pages: Arc<dyn MemoryProvider<Kind = Page>> = Arc::new(KernelPages);
    let headers = PagePool::<Page>::new(params.clone(), pages.clone()).ok()?;
    let memory = RxMemory::new(PagePool::new(params, AnyProvider::Page(pages)).ok()?, Some(headers));
    let config = QueueConfig { memory, buffer_size: setup.payload, header_size: setup.header + setup.room };
    let mut configs = Vec::new();
    configs.try_reserve_exact(1).ok()?;
    configs.push(config);
    Some(Opened { driver: Driver::new(nic, configs).ok()?, napi: setup.napi() })
}

/// Stops receiving, and drops the pools.
///
/// # Safety
///
/// `opened` came from `netmem_nic_open` and is not used any more. NAPI is disabled, and one may sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_close(opened: NonNull<Opened>) {
    // SAFETY: the box was leaked by `netmem_nic_open`, and nobody uses it any more, says the caller.
    let opened = unsafe { Box::from_raw(opened.as_ptr()) };
    drop(opened.driver.stop());
}

/// Receives up to `budget` packets. `starved` says whether the device has no buffer, so that no interrupt will come.
///
/// # Safety
///
/// The receive side is open, and this is its NAPI's poll.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_poll(opened: &mut Opened, budget: u32, starved: &mut bool) -> u32 {
    let napi = opened.napi;
    let polled = opened.driver.poll(budget, |skb| {
        // SAFETY: the NAPI is the one that polls, and the skb is the callee's from here on.
        unsafe { netmem_nic_deliver(napi, skb.into_raw()) };
        None
    });
    *starved = polled.starved;
    polled.work
}

/// Returns what makes memory for the queue beside polls, or null.
///
/// # Safety
///
/// The receive side is open, and nobody else uses it. `netmem_nic_maker_free` is called before `netmem_nic_close`.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_maker(opened: &mut Opened) -> *mut Maker {
    let hardware = opened.driver.hardware().clone();
    let maker = opened.driver.plan(0).map(|plan| Maker { hardware, plan: plan.clone() });
    maker.map_or(null_mut(), |maker| Box::into_raw(Box::new(maker)))
}

/// Drops it.
///
/// # Safety
///
/// `maker` came from `netmem_nic_maker` and is not used any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_maker_free(maker: NonNull<Maker>) {
    // SAFETY: the box was leaked by `netmem_nic_maker`, and nobody uses it any more, says the caller.
    drop(unsafe { Box::from_raw(maker.as_ptr()) });
}

/// Makes memory for a queue. Null when that is not possible.
///
/// # Safety
///
/// `maker` is not freed, and nobody else makes memory meanwhile. The receive side may be polled. One may sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_mem_alloc(
    maker: &mut Maker,
    queue: u32,
    bound: bool,
    rx_page_size: u32,
) -> *mut Memory {
    let Some(config) = RxQueueConfig::of_kernel(bound, rx_page_size) else { return null_mut() };
    let memory = maker.plan.make(&mut maker.hardware, queue as usize, &config, 0);
    memory.map_or(null_mut(), |memory| Box::into_raw(Box::new(memory)))
}

/// Drops memory of a queue.
///
/// # Safety
///
/// `memory` came from one of these functions and is not used any more. One may sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_mem_free(memory: NonNull<Memory>) {
    // SAFETY: the box was leaked by one of these functions, and nobody uses it any more, says the caller.
    drop(unsafe { Box::from_raw(memory.as_ptr()) });
}

/// Stops a queue. Returns what it ran on, or null.
///
/// # Safety
///
/// The receive side is open, and nobody else uses it. NAPI is disabled, and one may sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_stop(opened: &mut Opened, queue: u32) -> *mut Memory {
    opened.driver.queue_stop(queue as usize).map_or(null_mut(), |memory| Box::into_raw(Box::new(memory)))
}

/// Starts a queue. Returns null, or the memory when it was not started.
///
/// # Safety
///
/// As for [`netmem_nic_stop`]; `memory` came from one of these functions and is not used any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_start(opened: &mut Opened, queue: u32, memory: NonNull<Memory>) -> *mut Memory {
    // SAFETY: the box was leaked by one of these functions, and nobody uses it any more, says the caller.
    let memory = unsafe { Box::from_raw(memory.as_ptr()) };
    match opened.driver.queue_start(queue as usize, *memory) {
        Ok(()) => null_mut(),
        Err(refused) => Box::into_raw(Box::new(refused.back)),
    }
}

/// Writes down what the queue has counted.
///
/// # Safety
///
/// The receive side is open, and nobody else uses it.
#[unsafe(no_mangle)]
unsafe extern "C" fn netmem_nic_stats(opened: &Opened, counts: &mut Counts) {
    let (Some(stats), Some(memory)) = (opened.driver.stats(0), opened.driver.napi().memory(0)) else { return };
    let mut pools = memory.payload().stats().named().map(|(_, count)| count);
    for (sum, (_, count)) in
        pools.iter_mut().zip(memory.headers().map(|headers| headers.stats().named()).into_iter().flatten())
    {
        *sum += count;
    }
    *counts = Counts {
        packets: stats.packets,
        bytes: stats.bytes,
        posted: stats.posted,
        alloc_failed: stats.alloc_failed,
        dropped: stats.drops().iter().map(|(_, count)| count).sum(),
        unsummed: stats.unsummed,
        no_memory: stats.no_packet,
        pools,
    };
}
