//! [`Skb`] at the border with C.

use super::skb::Packet;
use crate::skb::Skb;
use core::ptr::NonNull;

impl Skb {
    /// Takes over a `struct sk_buff` that C had: one to transmit, say.
    ///
    /// # Safety
    ///
    /// - `skb` is a `struct sk_buff`, whose reference is the caller's, who gives it up.
    /// - Nobody else has a reference to it or to its data: it is neither cloned nor shared.
    /// - It has no list of frags (`frag_list`).
    /// - Nobody writes its bytes while the value lives, a program that mapped them included.
    pub unsafe fn from_raw(skb: NonNull<()>) -> Self {
        // SAFETY: promised by the caller.
        Skb(unsafe { Packet::from_raw(skb) })
    }

    /// Gives the `struct sk_buff` to C, which delivers it with `napi_gro_receive`, or frees it.
    pub fn into_raw(self) -> NonNull<()> {
        self.0.into_raw()
    }
}
