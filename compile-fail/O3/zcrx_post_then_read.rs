//! forbids: O3
//! expect: E0382 "borrow of moved value: `frag`"
//! lifted by: nothing (a move)
//!
//! A piece is handed to the program and used afterwards. The program may give it back, and the pool reuse it, in between.

use netmem_consumers::zcrx::Zcrx;
use netmem::{Frag, NetIov};

fn receive(zcrx: &Zcrx, frag: Frag<NetIov>) -> u32 {
    let piece = zcrx.post(frag);
    frag.len() + piece.map_or(0, |piece| piece.len)
}

fn main() {}
