//! allowed: a piece is one already.

use netmem_consumers::zcrx::{ZcrxCqe, ZcrxPiece};

fn piece(from: ZcrxPiece) -> ZcrxPiece {
    from.into()
}

fn main() {
    let _: Option<ZcrxCqe> = None;
}
