//! allowed: the kinds are three.

use netmem::Kind;

struct Anything;

fn use_kind<K: Kind>() {}

fn call(_: Anything) {
    use_kind::<netmem::NetIov>();
}

fn main() {}
