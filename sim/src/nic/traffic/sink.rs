//! Where frames go that the NIC sends: into memory, or back to it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Next, Sink, Traffic, TrafficError};

/// Keeps every frame in memory. A clone shows the same frames.
#[derive(Clone, Debug, Default)]
pub struct Collect {
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collect {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The frames so far, in order.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Collect {
    fn send(&mut self, frame: &[u8]) -> Result<(), TrafficError> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame.to_vec());
        Ok(())
    }

    fn describe(&self) -> String {
        "frames that are kept in memory".into()
    }
}

/// Makes a cable from a NIC to itself, or to another one, that holds `room` frames, at most 65536: what goes into the sink
/// comes out as traffic. More than that are lost. The traffic ends when the sink is gone.
#[must_use]
pub fn loopback(room: usize) -> (Loopback, impl Traffic) {
    let (sender, receiver) = sync_channel(room.min(1 << 16));
    (Loopback(sender), Looped(receiver))
}

/// The end of a [`loopback`] cable that frames go into.
#[derive(Clone, Debug)]
pub struct Loopback(SyncSender<Vec<u8>>);

impl Sink for Loopback {
    fn send(&mut self, frame: &[u8]) -> Result<(), TrafficError> {
        // Full, or unplugged: lost.
        let _ = self.0.try_send(frame.to_vec());
        Ok(())
    }

    fn describe(&self) -> String {
        "a cable that comes back".into()
    }
}

struct Looped(Receiver<Vec<u8>>);

impl Traffic for Looped {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        match self.0.recv_timeout(Duration::from_millis(20)) {
            Ok(next) => {
                *frame = next;
                Ok(Next::Frame)
            }
            Err(RecvTimeoutError::Timeout) => Ok(Next::Idle),
            Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
        }
    }

    fn describe(&self) -> String {
        "what was sent".into()
    }
}
