//! Traffic that a test decides.

use crate::nic::frame::{MAX_UDP_PAYLOAD, UDP_HEADERS, UdpFlow, build_udp};
use crate::nic::traffic::{Generator, GeneratorParams, Next, PayloadSize, Traffic, TrafficError};
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The flow of the frames that [`udp`] makes: from the network that RFC 2544 sets aside for benchmarks, to port 5001.
pub const FLOW: UdpFlow = UdpFlow {
    src_mac: [2; 6],
    dst_mac: [4; 6],
    src: Ipv4Addr::new(198, 18, 0, 1),
    dst: Ipv4Addr::new(198, 18, 0, 2),
    src_port: 9,
    dst_port: 5001,
};

/// Returns the frame of a UDP packet of [`FLOW`] with this payload. Both checksums are right.
///
/// # Panics
///
/// If no UDP packet can carry the payload.
#[must_use]
#[track_caller]
pub fn udp(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    build_udp(&mut frame, &FLOW, payload.len(), |to| to.copy_from_slice(payload)).expect("a payload for UDP");
    frame
}

/// Returns traffic of so many UDP packets to the port of [`FLOW`], whose payload the seed decides. [`Expect`] knows it.
///
/// [`Expect`]: crate::nic::traffic::Expect
///
/// # Panics
///
/// If no UDP packet can have that size.
#[must_use]
#[track_caller]
pub fn generated(seed: u64, packets: u64, size: PayloadSize) -> Box<Generator> {
    let params = GeneratorParams { seed, packets, size, ports: vec![FLOW.dst_port] };
    Box::new(Generator::new(params, UDP_HEADERS + MAX_UDP_PAYLOAD).expect("packets of that size"))
}

/// Returns all frames of a traffic.
///
/// # Panics
///
/// If the traffic fails.
#[must_use]
#[track_caller]
pub fn frames_of(traffic: &mut dyn Traffic) -> Vec<Vec<u8>> {
    let (mut frames, mut frame) = (Vec::new(), Vec::new());
    while traffic.next_frame(&mut frame).expect("traffic that works") == Next::Frame {
        frames.push(frame.clone());
    }
    frames
}

/// Traffic of the frames that a test gives, in that order. It ends behind the last one.
///
/// ```
/// use netmem_sim::kit::{Frames, frames_of, udp};
///
/// let frames = [udp(b"one"), udp(b"two")];
/// assert_eq!(frames_of(&mut *Frames::new(frames.clone())), frames);
/// ```
pub struct Frames(Box<dyn Iterator<Item = Vec<u8>> + Send>);

impl Frames {
    /// Makes traffic of these frames, each of which is made when its turn comes.
    #[must_use]
    pub fn new(frames: impl IntoIterator<Item = Vec<u8>, IntoIter: Send + 'static>) -> Box<Self> {
        Box::new(Frames(Box::new(frames.into_iter())))
    }
}

impl Traffic for Frames {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        match self.0.next() {
            Some(next) => *frame = next,
            None => {
                frame.clear();
                return Ok(Next::End);
            }
        }
        Ok(Next::Frame)
    }

    fn describe(&self) -> String {
        "frames of a test".into()
    }
}

/// Traffic that begins when the test says so.
pub struct Gate(Option<Receiver<()>>, Box<dyn Traffic>);

impl Gate {
    /// Returns the traffic, and the sender that opens the gate: by a message, or by its drop.
    #[must_use]
    pub fn new(traffic: Box<dyn Traffic>) -> (Sender<()>, Box<Self>) {
        let (open, gate) = channel();
        (open, Box::new(Gate(Some(gate), traffic)))
    }
}

impl Traffic for Gate {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        if let Some(gate) = &self.0 {
            match gate.recv_timeout(Duration::from_millis(20)) {
                Err(RecvTimeoutError::Timeout) => {
                    frame.clear();
                    return Ok(Next::Idle);
                }
                Ok(()) | Err(RecvTimeoutError::Disconnected) => self.0 = None,
            }
        }
        self.1.next_frame(frame)
    }

    fn describe(&self) -> String {
        self.1.describe()
    }
}

/// Traffic that never comes and never ends, for a NIC that only sends.
#[derive(Clone, Copy, Debug)]
pub struct Silence;

impl Traffic for Silence {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        std::thread::yield_now();
        Ok(Next::Idle)
    }

    fn describe(&self) -> String {
        "nothing".into()
    }
}
