//! [`PassedOver`]: the packets of a file that did not become frames, by reason.

use std::fmt;

/// The packets of a capture that were not received, counted by reason.
///
/// ```
/// use netmem_sim::nic::traffic::PassedOver;
///
/// let mut passed_over = PassedOver::default();
/// assert_eq!((passed_over.total(), passed_over.to_string()), (0, "none".into()));
/// (passed_over.snapped, passed_over.empty) = (3, 1);
/// assert_eq!(passed_over.total(), 4);
/// assert_eq!(passed_over.to_string(), "3 cut by snap length, 1 of no bytes");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassedOver {
    /// Packets of which fewer bytes were captured than were on the wire.
    pub snapped: u64,
    /// Packets of another link than Ethernet that have no EtherType to be received under.
    pub link_type: u64,
    /// Packets that make a longer frame than the NIC takes.
    pub too_long: u64,
    /// Packets without a byte.
    pub empty: u64,
    /// Packets that contradict themselves, or bytes that are no packet, behind which nothing is found any more.
    pub damaged: u64,
    /// A packet within which the file ends: 0 or 1.
    pub cut_off: u64,
}

impl PassedOver {
    /// Returns each count with its name, in the order in which they are shown.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("cut by snap length", self.snapped),
            ("of another link type", self.link_type),
            ("longer than the longest frame", self.too_long),
            ("of no bytes", self.empty),
            ("damaged", self.damaged),
            ("cut off by the end of the file", self.cut_off),
        ]
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, count) in self.named().iter().filter(|(_, count)| *count != 0) {
            write!(f, "{separator}{count} {name}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}
