//! allowed: the piece is shared, and returned by the last owner of the message.

use netmem_consumers::devmem::DevmemPiece;

#[derive(Clone)]
struct Message {
    #[allow(dead_code)]
    payload: std::sync::Arc<DevmemPiece>,
}

fn main() {
    let _: Option<Message> = None;
}
