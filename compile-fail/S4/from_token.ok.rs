//! allowed: a piece is one already.

use netmem::devmem::{DevmemPiece, DmabufCmsg};

fn piece(from: DevmemPiece) -> DevmemPiece {
    from.into()
}

fn main() {
    let _: Option<DmabufCmsg> = None;
}
