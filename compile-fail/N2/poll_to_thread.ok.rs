//! allowed: handles travel freely, and come back through the ring.

fn send<T: Send>(_: T) {}

fn hand_over(consumer: netmem::Netmem) {
    send(consumer);
}

fn main() {}
