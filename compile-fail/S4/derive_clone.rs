//! forbids: S4
//! expect: E0277 "the trait bound `DevmemPiece: Clone` is not satisfied"
//! lifted by: counterfactual
//!
//! A message that can be copied, with a piece of device memory in it: each copy would return the token.

use netmem_consumers::devmem::DevmemPiece;

#[derive(Clone)]
struct Message {
    #[allow(dead_code)]
    payload: DevmemPiece,
}

fn main() {
    let _: Option<Message> = None;
}
