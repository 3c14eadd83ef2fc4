//! forbids: O3
//! expect: E0382 "use of moved value: `frame`"
//! lifted by: nothing (a move)
//! history: 60524f1d2bdf, row 6
//!
//! "net: ti: icssg-prueth: Fix packet handling for XDP_TX"
//!
//! A frame is given to the transmit side, which returns its page when it is done, sent or not. The driver recycles the
//! page as well.

use netmem::netdev::{Verdict, XdpBuff};
use netmem::{Page, PagePool};

fn emac_run_xdp(verdict: Verdict, send: impl FnOnce(XdpBuff) -> Result<(), XdpBuff>, pool: &mut PagePool<Page>) {
    let Verdict::Tx(frame) = verdict else { return };
    let _ = send(frame);
    pool.recycle_frag(frame.into_frag());
}

fn main() {}
