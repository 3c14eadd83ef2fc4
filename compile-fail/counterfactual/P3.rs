//! Rule P3: a driver that was never converted passes for one that was. Every impl here is forbidden.

use crate::driver::ReadableOnly;
use crate::netdev::UnreadableRx;

impl<H> UnreadableRx for ReadableOnly<H> {}
