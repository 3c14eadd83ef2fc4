//! allowed: a piece is one already.

use netmem_consumers::devmem::{DevmemPiece, DmabufCmsg};

fn piece(from: DevmemPiece) -> DevmemPiece {
    from.into()
}

fn main() {
    let _: Option<DmabufCmsg> = None;
}
