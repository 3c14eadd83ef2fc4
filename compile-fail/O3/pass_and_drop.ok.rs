//! allowed: one verdict

use netmem::netdev::{Verdict, XdpBuff};

fn program(buff: XdpBuff) -> [Option<Verdict>; 2] {
    let passed = Verdict::Pass(buff);
    [Some(passed), None]
}

fn main() {}
