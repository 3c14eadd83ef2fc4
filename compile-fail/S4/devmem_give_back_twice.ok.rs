//! allowed: on one of the paths.

use netmem_consumers::devmem::DevmemPiece;

fn done(piece: DevmemPiece, bad: bool) {
    if bad {
        return;
    }
    piece.give_back();
}

fn main() {}
