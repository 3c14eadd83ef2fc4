//! forbids: C4
//! expect: E0277 "`Anything` is not a kind of network memory"
//! lifted by: nothing (the type is not the crate's)
//!
//! A kind of one's own, for which no rule would hold.

use netmem::Kind;

struct Anything;

fn use_kind<K: Kind>() {}

fn call(_: Anything) {
    use_kind::<Anything>();
}

fn main() {}
