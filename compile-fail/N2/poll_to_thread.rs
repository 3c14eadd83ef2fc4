//! forbids: N2
//! expect: E0277 "cannot be sent between threads safely"
//! lifted by: counterfactual
//!
//! The consumer side goes to another thread in the middle of a poll.

fn send<T: Send>(_: T) {}

fn hand_over(consumer: netmem::netdev::Poll<'_>) {
    send(consumer);
}

fn main() {}
