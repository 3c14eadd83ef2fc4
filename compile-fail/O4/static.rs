//! forbids: O4
//! expect: E0597 "`memory` does not live long enough"
//! lifted by: nothing (a lifetime)
//!
//! A borrowed handle goes to another thread, which may run for longer.

use netmem::{Netmem, NetmemRef};
use std::sync::mpsc::Sender;

fn hand_over(memory: Netmem, borrowed: &Sender<NetmemRef<'static>>, owned: &Sender<Netmem>) -> bool {
    let to = (borrowed, owned);
    to.0.send(memory.borrow()).is_ok()
}

fn main() {}
