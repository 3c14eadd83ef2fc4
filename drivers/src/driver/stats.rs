//! [`RxStats`]: what a receive queue has counted.

/// What a queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxStats {
    /// Packets that have arrived: delivered, or in the backlog of a restart, to be delivered by the next poll.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Descriptors posted; with header buffers each stands for two.
    pub posted: u64,
    /// Times a ring could not be filled: a pool had no memory, or the ring refused a buffer.
    pub alloc_failed: u64,
    /// Completions with an index that no descriptor has.
    pub bad_index: u64,
    /// Completions for a descriptor that was not out.
    pub not_posted: u64,
    /// Frames dropped because a length did not fit the buffer, or headers came after the first one.
    pub bad_length: u64,
    /// Frames dropped because they end within their Ethernet header.
    pub too_short: u64,
    /// Frames dropped because the device failed to receive them.
    pub failed: u64,
    /// Frames dropped because they had more buffers than an skb has frags.
    pub too_many_frags: u64,
    /// Frames dropped because there was no memory for their packet.
    pub no_packet: u64,
    /// Frames dropped because the CPU cannot read all of them, and the device has not verified their checksum (rule S3).
    pub unsummed: u64,
    /// Packets that an XDP program dropped.
    pub xdp_drop: u64,
    /// Packets that an XDP program sent, or sent elsewhere.
    pub xdp_sent: u64,
    /// Packets that an XDP program wanted to send, and that were not taken.
    pub xdp_unsent: u64,
    /// Frames dropped because they have several buffers, and an XDP program sees one.
    pub xdp_multi_buffer: u64,
}

impl RxStats {
    /// Frames dropped and completions refused, by cause.
    pub fn drops(&self) -> [(&'static str, u64); 9] {
        [
            ("bad index", self.bad_index),
            ("not posted", self.not_posted),
            ("bad length", self.bad_length),
            ("too short", self.too_short),
            ("failed", self.failed),
            ("too many frags", self.too_many_frags),
            ("no packet", self.no_packet),
            ("checksum not verified", self.unsummed),
            ("too long for XDP", self.xdp_multi_buffer),
        ]
    }
}
