//! The first driver to read: a plain ring of host memory, received packet by packet.
//!
//! It is docs/porting/plain-ring.c.txt, function by function, with the helpers of the shim. What C keeps beside the ring, a
//! page and an offset for each descriptor, is in `RxRing`: a buffer that is posted is in there and nowhere else (rule O3),
//! and a length that does not fit it is an error, not a number to compare.
//!
//! `cargo run --example plain` receives ten thousand frames with it, and looks whether anything is left.
#![forbid(unsafe_code)]

use netmem::Page;
use netmem::dma::DmaDevice;
use netmem::mm::Zone;
use netmem::netdev::{Hardware, RxRing};
use netmem::page_pool::{PagePool, PagePoolParams, PoolError};
use netmem::provider::PageProvider;
use netmem::shim::*;
use netmem::skb::{Skb, check_frame};
use netmem_sim::dma::{Bounce, DmaBus};
use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
use netmem_sim::nic::{Nic, NicParams, NicQueue};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

// The driver.

/// A ring and the pool that its buffers come from.
pub(crate) struct Ring {
    ring: RxRing<NicQueue, Page>,
    pool: PagePool<Page>,
}

/// Makes the pool and the ring, and posts as many buffers as there is room for.
pub(crate) fn open(device: Arc<dyn DmaDevice>, zone: &Zone, queue: NicQueue) -> Result<Ring, PoolError> {
    let params = PagePoolParams::for_device(device, 4096);
    let pool = page_pool_create::<Page>(params, PageProvider::new(zone.clone()))?;
    let mut r = Ring { ring: RxRing::new(queue).expect("there is memory"), pool };
    refill(&mut r);
    Ok(r)
}

/// Posts buffers until the ring is full or the pool has no more.
fn refill(r: &mut Ring) {
    while r.ring.room() != 0 {
        let Some(buffer) = page_pool_alloc_frag(&mut r.pool, 2048) else { break };
        // The address is the ring's business: it is that of the buffer that it takes.
        r.ring.post(buffer, None).expect("there is room, and the pool is the device's");
    }
    r.ring.kick();
}

/// Receives at most `budget` frames, and returns how many completions it handled.
pub(crate) fn poll(r: &mut Ring, budget: u32, gro_receive: &mut dyn FnMut(Skb)) -> u32 {
    let mut work = 0;
    while work < budget {
        let Some(completion) = r.ring.complete() else { break };
        work += 1;
        // A bad length, or a failure: the buffer has gone back to the pool.
        let Ok(completed) = completion else { continue };
        if check_frame(completed.payload.len() as usize).is_err() {
            // C: page_pool_put_full_page(pool, page, true). The borrow of the pool is the flag.
            r.pool.recycle_received(completed.payload);
            continue;
        }
        let frag = page_pool_dma_sync_for_cpu(&r.pool, completed.payload).expect("it is of this pool");
        let mut skb = Skb::new();
        if let Err(full) = skb_add_rx_frag(&mut skb, frag, 2048) {
            drop(full);
            continue;
        }
        gro_receive(skb);
    }
    refill(r);
    work
}

/// Stops the device, and gives everything back.
pub(crate) fn close(r: Ring) {
    // Stops the device, and gives back what it had. Before that there is nothing to put.
    for (buffer, _) in r.ring.stop() {
        // C: page_pool_put_full_page(pool, page, false). The buffer knows its pool.
        drop(buffer);
    }
    page_pool_destroy(r.pool);
}

// A program that uses it.

fn main() -> Result<(), Box<dyn Error>> {
    let params = GeneratorParams { seed: 1, packets: 10_000, size: PayloadSize::Fixed(1000), ports: vec![5001] };
    let (zone, bus, traffic) = (Zone::new(1024)?, Arc::new(Bounce::new()), Generator::new(params, 1514)?);
    let mut nic = Nic::start(NicParams::default(), bus.clone(), Box::new(traffic))?;
    let queue = nic.rx_queue(0).ok_or("the NIC has no queue")?;
    let mut ring = open(bus.clone().driver_side(), &zone, queue)?;
    let (mut packets, mut bytes) = (0, 0);
    loop {
        let over = nic.has_ended();
        // The stack: it counts a packet and drops it, so its memory goes back to the pool.
        let work = poll(&mut ring, 64, &mut |skb| (packets, bytes) = (packets + 1, bytes + skb.len()));
        if work == 0 && !nic.has_completions() {
            if over {
                break;
            }
            nic.wait(Duration::from_millis(10));
        }
    }
    close(ring);
    println!("{packets} packets, {bytes} bytes, {} DMA faults", bus.stats().faults);
    let left = (zone.frames() - zone.free_frames(), bus.stats().mapped());
    if (packets, left) == (10_000, (0, 0)) {
        Ok(())
    } else {
        Err(format!("of 10000 packets {packets} arrived; pages and mappings that are left: {left:?}").into())
    }
}
