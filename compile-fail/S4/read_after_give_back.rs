//! forbids: S4
//! expect: E0382 "borrow of moved value: `piece`"
//! lifted by: nothing (a move)
//!
//! A program reads a piece that it has given back. By then the device may write the next packet there.

use netmem_consumers::zcrx::ZcrxPiece;

fn first_byte(piece: ZcrxPiece) -> u8 {
    let mut byte = [0];
    drop(piece);
    let _ = piece.read(0, &mut byte);
    byte[0]
}

fn main() {}
