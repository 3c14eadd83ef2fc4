//! allowed: each piece once.

use netmem_consumers::zcrx::ZcrxPiece;

fn done(piece: ZcrxPiece, other: ZcrxPiece) -> ZcrxPiece {
    let give_back: fn(ZcrxPiece) = ZcrxPiece::give_back;
    give_back(piece);

    other
}

fn main() {}
