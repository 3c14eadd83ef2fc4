//! forbids: S2
//! expect: E0277 "the trait bound `DmabufTxBinding: From<Arc<DmabufProvider>>` is not satisfied"
//! lifted by: counterfactual
//!
//! Memory that is bound to receive into is sent from: it is mapped for the device to write, and belongs to a pool.

use netmem::page_pool::DmabufTxBinding;
use netmem::provider::DmabufProvider;
use std::sync::Arc;

type Bindings = (Arc<DmabufProvider>, DmabufTxBinding);

fn send_from(rx: Arc<DmabufProvider>) -> DmabufTxBinding {
    rx.into()
}

fn main() {
    let _: Option<Bindings> = None;
}
