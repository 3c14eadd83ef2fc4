//! allowed: the verdict has the packet, and can be asked for it

use netmem::netdev::{Verdict, XdpBuff};

fn program(buff: XdpBuff) -> (Verdict, u8) {
    let verdict = Verdict::Drop(buff);
    let first = if let Verdict::Drop(buff) = &verdict { buff.bytes()[0] } else { 0 };
    (verdict, first)
}

fn main() {}
