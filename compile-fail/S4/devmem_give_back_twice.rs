//! forbids: S4
//! expect: E0382 "use of moved value: `piece`"
//! lifted by: nothing (a move)
//!
//! A program returns a piece of device memory on two paths. The token may have been given again in between, and then it is
//! another piece that goes.

use netmem_consumers::devmem::DevmemPiece;

fn done(piece: DevmemPiece, bad: bool) {
    if bad {
        drop(piece);
    }
    piece.give_back();
}

fn main() {}
