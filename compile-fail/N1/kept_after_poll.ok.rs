//! allowed: what came out of it may be kept.

use netmem::netdev::Napi;

fn keep(napi: &mut Napi) {
    let mut kept = None;
    napi.poll(64, |poll| kept = poll.memory(0).and_then(|memory| memory.payload_mut().alloc()));
    drop(kept);
}

fn main() {}
