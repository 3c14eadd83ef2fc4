//! forbids: S4
//! expect: E0382 "use of moved value: `piece`"
//! lifted by: nothing (a move)
//!
//! A program gives a piece back twice. The kernel counts pieces of a net_iov, so the second time it is another piece, which the
//! program still reads while the next packet is written over it.

use netmem_consumers::zcrx::ZcrxPiece;

fn done(piece: ZcrxPiece, other: ZcrxPiece) -> ZcrxPiece {
    let give_back: fn(ZcrxPiece) = ZcrxPiece::give_back;
    give_back(piece);
    give_back(piece);
    other
}

fn main() {}
