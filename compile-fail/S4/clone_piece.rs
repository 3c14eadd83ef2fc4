//! forbids: S4
//! expect: E0599 "no method named `clone` found for struct `ZcrxPiece`"
//! lifted by: counterfactual
//!
//! A piece for each of two readers. Each would give it back, and the kernel was told of one.

use netmem_consumers::zcrx::{ZcrxPiece, ZcrxUser};

fn both(piece: ZcrxPiece, _user: &mut ZcrxUser) -> [ZcrxPiece; 2] {
    let second = piece.clone();
    [second, piece]
}

fn main() {}
