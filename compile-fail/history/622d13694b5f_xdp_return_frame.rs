//! forbids: N1
//! expect: E0521 "borrowed data escapes outside of closure"
//! lifted by: nothing (a lifetime)
//! history: 622d13694b5f, row 24
//!
//! "xdp: fix xdp_return_frame() kernel BUG throw for page_pool memory model"
//!
//! Whether direct recycling is allowed is noted once, and read later in process context, where it means nothing. Here
//! being allowed is having the `Poll`, and it ends with the poll.

use netmem::Frag;
use netmem::netdev::Napi;

fn xdp_return_frame<T>(noted: Option<T>, frame: Frag) -> bool {
    drop(frame);
    noted.is_some()
}

fn tun(napi: &mut Napi, frame: Frag) -> bool {
    let mut noted = None;
    napi.poll(64, |poll| noted = poll.memory(0));
    xdp_return_frame(noted, frame)
}

fn main() {}
