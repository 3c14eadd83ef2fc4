//! Rule N2: the consumer side leaves its thread. The impl here is forbidden.

unsafe impl Send for crate::netdev::Poll<'_> {}
