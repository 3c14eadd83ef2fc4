//! Where the frames come from that the NIC receives.

#[cfg(feature = "tap")]
mod arp;
mod capture;
mod error;
mod generator;
mod sink;
#[cfg(feature = "tap")]
mod tap;

pub use capture::{Capture, CaptureFile, PassedOver};
pub use error::TrafficError;
pub use generator::{Expect, Generator, GeneratorParams, MIN_PAYLOAD, Mismatch, PayloadSize, payload_len};
pub use sink::{Collect, Loopback, loopback};
#[cfg(feature = "tap")]
pub use tap::{Tap, TapParams, TapSink};

/// Whether this was built with the feature `tap`, and so has `Tap`: frames of the kernel's own stack.
pub const HAS_TAP: bool = cfg!(feature = "tap");

/// A source of Ethernet frames: the other end of the NIC's cable.
pub trait Traffic: Send {
    /// Makes `frame` the next frame, from the destination address on and without frame checksum. What was in `frame`
    /// is gone, also when there is no frame; its allocation is used again.
    ///
    /// # Errors
    ///
    /// A [`TrafficError`] that says which source, where in it and what to do. A source that failed is at its end.
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError>;

    /// The source and its parameters in one line, for people.
    fn describe(&self) -> String;

    /// How far it is, and how far it goes, in a unit of its own. `None` when nobody knows where it ends.
    fn progress(&self) -> Option<(u64, u64)> {
        None
    }
}

/// What [`Traffic::next_frame`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A frame.
    Frame,
    /// None for now; ask again. A source that could have one later has waited for it, briefly: about 20 ms.
    Idle,
    /// None any more.
    End,
}

/// Where the frames go that the NIC sends: the other direction of its cable.
pub trait Sink: Send {
    /// Takes a frame, from the destination address on and without frame checksum. One that it has no room for is lost,
    /// as on a cable.
    ///
    /// # Errors
    ///
    /// A [`TrafficError`], when the sink is gone for good: the NIC's sending half ends then.
    fn send(&mut self, frame: &[u8]) -> Result<(), TrafficError>;

    /// The sink in one line, for people.
    fn describe(&self) -> String;
}
