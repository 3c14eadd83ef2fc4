//! allowed: an owned one may go anywhere.

use netmem::{Netmem, NetmemRef};
use std::sync::mpsc::Sender;

fn hand_over(memory: Netmem, borrowed: &Sender<NetmemRef<'static>>, owned: &Sender<Netmem>) -> bool {
    let to = (borrowed, owned);
    to.1.send(memory).is_ok()
}

fn main() {}
