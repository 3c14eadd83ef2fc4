//! forbids: O3
//! expect: E0382 "use of moved value: `buff`"
//! lifted by: nothing (a move)
//!
//! A packet goes to the stack and is sent as well. Both would return its memory.

use netmem::netdev::{Verdict, XdpBuff};

fn program(buff: XdpBuff) -> [Option<Verdict>; 2] {
    let passed = Verdict::Pass(buff);
    [Some(passed), Some(Verdict::Tx(buff))]
}

fn main() {}
