//! forbids: N1
//! expect: E0521 "borrowed data escapes outside of closure"
//! lifted by: nothing (a lifetime)
//!
//! The consumer side is kept beyond the poll that lent it.

use netmem::netdev::Napi;

fn keep(napi: &mut Napi) {
    let mut kept = None;
    napi.poll(64, |poll| kept = poll.memory(0));
    drop(kept);
}

fn main() {}
