//! allowed: a binding is for the direction that it was made for.

use netmem::page_pool::DmabufTxBinding;
use netmem::provider::DmabufProvider;
use std::sync::Arc;

type Bindings = (Arc<DmabufProvider>, DmabufTxBinding);

fn send_from(rx: Arc<DmabufProvider>) -> Arc<DmabufProvider> {
    rx.into()
}

fn main() {
    let _: Option<Bindings> = None;
}
