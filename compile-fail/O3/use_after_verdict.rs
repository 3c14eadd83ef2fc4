//! forbids: O3
//! expect: E0382 "borrow of moved value: `buff`"
//! lifted by: nothing (a move)
//!
//! A packet is read after the verdict took it. Its memory may be another packet's by then.

use netmem::netdev::{Verdict, XdpBuff};

fn program(buff: XdpBuff) -> (Verdict, u8) {
    let verdict = Verdict::Drop(buff);
    let first = buff.bytes()[0];
    (verdict, first)
}

fn main() {}
