//! Rule D4: headers lie where nobody can read them. The impl here is forbidden.

use crate::{Frag, NetIov, Page};

impl From<Frag<NetIov>> for Frag<Page> {
    fn from(_: Frag<NetIov>) -> Self {
        unimplemented!()
    }
}
