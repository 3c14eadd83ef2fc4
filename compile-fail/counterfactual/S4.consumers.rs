//! Rule S4: a piece that a program holds is there twice, or is made of a number. Every impl here is forbidden.

use crate::zcrx::{ZcrxCqe, ZcrxPiece};
use crate::devmem::{DevmemPiece, DmabufCmsg};

impl Clone for ZcrxPiece {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl Clone for DevmemPiece {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl From<ZcrxCqe> for ZcrxPiece {
    fn from(_: ZcrxCqe) -> Self {
        unimplemented!()
    }
}

impl From<DmabufCmsg> for DevmemPiece {
    fn from(_: DmabufCmsg) -> Self {
        unimplemented!()
    }
}
