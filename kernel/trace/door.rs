//! The doors through which C enters. Both builds have them, under names of their own.

use crate::trace::{Bench, NUMBERS, Plan, Trace};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, MapError, PeerMemory};
use netmem::mm::page_to_pfn;
use netmem::page_pool::{PagePool, PagePoolParams};
use netmem::{DmaAddr, Page};

/// A device that finds each page where it is, and never does any DMA. The kernel's pool knows it by its `struct device`, and
/// maps by itself.
struct Device(DeviceId);

// SAFETY: nothing is written or read through an address, because the device does no DMA. The identity is that of the kernel's
// device, or one that was drawn for it.
unsafe impl DmaDevice for Device {
    fn id(&self) -> DeviceId {
        self.0
    }

    unsafe fn map(&self, page: &Page, _: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: the address is that of the page, for this device.
        Some(unsafe { DmaAddr::from_raw(page_to_pfn(page) << 12) })
    }

    unsafe fn unmap(&self, _: DmaAddr) {}

    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        Err(MapError::NoRoom { len })
    }

    unsafe fn unmap_peer(&self, _: DmaAddr) {}

    fn needs_sync(&self) -> bool {
        false
    }

    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {}

    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {}

    unsafe fn sync_bytes_for_device(&self, _: DmaAddr, _: usize, _: &[u8]) {}
}

/// Makes a pool of pages, with the parameters of C's.
///
/// # Safety
///
/// `device` is a `struct device` that outlives the pool.
unsafe fn pool(plan: &Plan, device: NonNull<c_void>) -> Option<PagePool<Page>> {
    #[cfg(netmem_backend = "linux")]
    // SAFETY: the device outlives the pool, says the caller.
    let (id, provider) = (unsafe { DeviceId::from_raw(device) }, Arc::new(netmem::provider::KernelPages));
    #[cfg(not(netmem_backend = "linux"))]
    let (id, provider) = {
        let _ = device;
        // All that is held, the cache and the ring; and what the last refill brings.
        let frames = if plan.order == 0 { 2048 + plan.pool_size as usize } else { 4096 };
        (DeviceId::new(), netmem::provider::PageProvider::new(netmem::mm::Zone::new(frames).ok()?))
    };
    let params = PagePoolParams {
        pool_size: plan.pool_size,
        order: plan.order,
        ..PagePoolParams::for_device(Arc::new(Device(id)), 4096 << plan.order)
    };
    PagePool::<Page>::new(params, provider).ok()
}

/// Begins a trace. Null when there is no memory.
///
/// # Safety
///
/// - `plan` has values that its type allows.
/// - `device` is a `struct device` that outlives the trace.
/// - One may sleep.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_open"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_open"))]
unsafe extern "C" fn open(plan: &Plan, device: NonNull<c_void>) -> *mut Trace {
    // SAFETY: promised by the caller.
    let pool = unsafe { pool(plan, device) };
    pool.map_or(null_mut(), |pool| Box::into_raw(Box::new(Trace::new(pool, *plan))))
}

/// Does the next phase, and writes down its numbers.
///
/// # Safety
///
/// The trace is open, and nobody else uses it.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_phase"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_phase"))]
unsafe extern "C" fn phase(trace: &mut Trace, numbers: &mut [u64; NUMBERS]) {
    *numbers = trace.phase();
}

/// Puts what is held, and writes down the last numbers.
///
/// # Safety
///
/// The trace is open, and nobody else uses it.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_end"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_end"))]
unsafe extern "C" fn end(trace: &mut Trace, numbers: &mut [u64; NUMBERS]) {
    *numbers = trace.end();
}

/// Drops a trace and its pool.
///
/// # Safety
///
/// The trace is open, and is not used any more. One may sleep.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_close"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_close"))]
unsafe extern "C" fn close(trace: NonNull<Trace>) {
    // SAFETY: the box was leaked by `open`, and nobody uses it any more, says the caller.
    drop(unsafe { Box::from_raw(trace.as_ptr()) });
}

/// Makes a pool whose operations are counted. Null when there is no memory.
///
/// # Safety
///
/// As for [`open`].
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_bench_open"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_bench_open"))]
unsafe extern "C" fn bench_open(plan: &Plan, device: NonNull<c_void>) -> *mut Bench {
    // SAFETY: promised by the caller.
    let bench = unsafe { pool(plan, device) }.and_then(Bench::new);
    bench.map_or(null_mut(), |bench| Box::into_raw(Box::new(bench)))
}

/// Does an operation `n` times.
///
/// # Safety
///
/// The pool is open, and nobody else uses it.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_bench"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_bench"))]
unsafe extern "C" fn bench(bench: &mut Bench, row: u32, n: u64) {
    bench.run(row, n);
}

/// Drops a pool whose operations were counted.
///
/// # Safety
///
/// The pool is open, and is not used any more. One may sleep.
#[cfg_attr(netmem_backend = "linux", unsafe(export_name = "linux_bench_close"))]
#[cfg_attr(not(netmem_backend = "linux"), unsafe(export_name = "model_bench_close"))]
unsafe extern "C" fn bench_close(bench: NonNull<Bench>) {
    // SAFETY: the box was leaked by `bench_open`, and nobody uses it any more, says the caller.
    drop(unsafe { Box::from_raw(bench.as_ptr()) });
}
