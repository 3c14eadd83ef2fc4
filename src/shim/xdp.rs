//! The helpers of include/net/xdp.h that have to do with pools, and those that bind a pool to a NAPI. Those that tell a frame's
//! queue which pool its frames are of have no function: a frame knows its pool ([`XdpBuff`]).

use crate::netdev::{Napi, RxMemory, Verdict, XdpBuff};

/// Returns a frame to its pool, from any context.
#[inline]
pub fn xdp_return_frame(frame: XdpBuff) {
    drop(frame);
}

/// The verdict that sends a packet to `target`. It takes the packet, so the driver has it no more (rule O3).
#[inline]
pub fn xdp_do_redirect(xdp: XdpBuff, target: u32) -> Verdict {
    Verdict::Redirect(xdp, target)
}

/// Puts a queue's pools under a NAPI, whose polls recycle into them directly from then on: the pools go in by value. Gives
/// the queue's number.
///
/// # Errors
///
/// The memory, when the NAPI has no room for one more queue.
pub fn page_pool_enable_direct_recycling(pools: RxMemory, napi: &mut Napi) -> Result<usize, RxMemory> {
    napi.attach(pools)
}

/// Takes a queue's pools away from a NAPI, which recycles into them no more: they come out by value. `None` when the queue
/// has none.
pub fn page_pool_disable_direct_recycling(napi: &mut Napi, queue: usize) -> Option<RxMemory> {
    napi.detach(queue)
}
