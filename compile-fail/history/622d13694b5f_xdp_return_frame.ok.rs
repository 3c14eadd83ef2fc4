//! allowed: a number may be kept, as it allows nothing.

use netmem::Frag;
use netmem::netdev::Napi;

fn xdp_return_frame<T>(noted: Option<T>, frame: Frag) -> bool {
    drop(frame);
    noted.is_some()
}

fn tun(napi: &mut Napi, frame: Frag) -> bool {
    let mut noted = None;
    napi.poll(64, |poll| noted = Some(poll.budget()));
    xdp_return_frame(noted, frame)
}

fn main() {}
