//! allowed: read it while it is held; dropping it gives it back.

use netmem_consumers::zcrx::ZcrxPiece;

fn first_byte(piece: ZcrxPiece) -> u8 {
    let mut byte = [0];

    let _ = piece.read(0, &mut byte);
    byte[0]
}

fn main() {}
