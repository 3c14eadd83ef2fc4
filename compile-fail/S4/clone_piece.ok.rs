//! allowed: a second piece is a second completion.

use netmem_consumers::zcrx::{ZcrxPiece, ZcrxUser};

fn both(piece: ZcrxPiece, _user: &mut ZcrxUser) -> [ZcrxPiece; 2] {
    let second = _user.receive().unwrap().unwrap();
    [second, piece]
}

fn main() {}
