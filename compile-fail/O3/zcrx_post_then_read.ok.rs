//! allowed: what was handed over is described by numbers.

use netmem_consumers::zcrx::Zcrx;
use netmem::{Frag, NetIov};

fn receive(zcrx: &Zcrx, frag: Frag<NetIov>) -> u32 {
    let piece = zcrx.post(frag);
    piece.map_or(0, |piece| piece.len)
}

fn main() {}
