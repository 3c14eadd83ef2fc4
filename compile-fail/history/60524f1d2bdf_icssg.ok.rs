//! allowed: a frame that was not taken comes back, and only that is recycled.

use netmem::netdev::{Verdict, XdpBuff};
use netmem::{Page, PagePool};

fn emac_run_xdp(verdict: Verdict, send: impl FnOnce(XdpBuff) -> Result<(), XdpBuff>, pool: &mut PagePool<Page>) {
    let Verdict::Tx(frame) = verdict else { return };
    let Err(frame) = send(frame) else { return };
    pool.recycle_frag(frame.into_frag());
}

fn main() {}
