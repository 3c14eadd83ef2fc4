//! forbids: S4
//! expect: E0277 "the trait bound `ZcrxPiece: From<ZcrxCqe>` is not satisfied"
//! lifted by: counterfactual
//!
//! A piece is made of a completion that was copied. Any copy names the same piece, so it would be there twice.

use netmem_consumers::zcrx::{ZcrxCqe, ZcrxPiece};

fn piece(from: ZcrxCqe) -> ZcrxPiece {
    from.into()
}

fn main() {
    let _: Option<ZcrxCqe> = None;
}
