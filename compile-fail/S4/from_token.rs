//! forbids: S4
//! expect: E0277 "the trait bound `DevmemPiece: From<DmabufCmsg>` is not satisfied"
//! lifted by: counterfactual
//!
//! A piece is made of a control message, which is bytes: it can be read twice, or written by hand.

use netmem_consumers::devmem::{DevmemPiece, DmabufCmsg};

fn piece(from: DmabufCmsg) -> DevmemPiece {
    from.into()
}

fn main() {
    let _: Option<DmabufCmsg> = None;
}
