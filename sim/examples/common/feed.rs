//! [`Feed`]: the one reader of the source. It hands each frame to the NIC, tells the checkers what to expect, and holds the
//! traffic while memory is bound to a queue, so that what is bound meets packets.

use super::args::{Args, Source};
use super::limits::AHEAD;
use netmem::skb::check_frame;
use netmem_sim::nic::frame::{Parsed, checksum_ok, parse};
use netmem_sim::nic::traffic::{Capture, Generator, GeneratorParams, Next, PassedOver, Traffic, TrafficError};
use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the source waits at a time while memory is bound. The NIC looks after its queues in between.
const HOLD: Duration = Duration::from_micros(100);

/// Where frames come from.
enum Inner {
    Capture(Box<Capture>),
    Tap(Box<dyn Traffic>),
    Generator(Box<Generator>),
}

impl Inner {
    fn traffic(&mut self) -> &mut dyn Traffic {
        match self {
            Inner::Capture(capture) => &mut **capture,
            Inner::Tap(tap) => &mut **tap,
            Inner::Generator(generator) => &mut **generator,
        }
    }
}

/// Opens a TAP device, and says where to send.
#[cfg(feature = "tap")]
fn open_tap(name: Option<String>, [host, gpu]: [u16; 2]) -> Result<Box<dyn Traffic>, Box<dyn Error>> {
    use netmem_sim::nic::traffic::{Tap, TapParams};
    use std::io::Write;
    let address = [198, 18, 77, 1].into();
    let tap = Tap::open(TapParams { name, address, prefix: 24, mtu: 1500 })?;
    let hint = format!("send UDP to 198.18.77.2, port {host} for queue 0 and {gpu} for queue 1");
    let _ = writeln!(std::io::stderr(), "{} is up: {hint}", tap.name());
    Ok(Box::new(tap))
}

/// Says how to build what can.
#[cfg(not(feature = "tap"))]
fn open_tap(_: Option<String>, _: [u16; 2]) -> Result<Box<dyn Traffic>, Box<dyn Error>> {
    let how = "cargo run --release --features netmem-sim/tap --example receive -- --tap";
    Err(format!("--tap is not built in, as it brings a dependency with another license: run `{how}`").into())
}

/// What a driver can do with the memory of queue 1, and which frames it drops for it by its rules. (Every driver drops those
/// that are too short to be frames.)
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// The CPU reads all of it.
    Readable,
    /// The CPU cannot read payload. A frame that has some is dropped when its checksum is not verified (rule S3).
    Unreadable {
        /// Bytes of a header buffer. Headers that are longer are not split off.
        header_size: usize,
        /// A driver that needs the headers drops a frame with longer ones.
        needs_headers: bool,
    },
}

impl Rule {
    fn drops(self, frame: &[u8], parsed: &Parsed) -> bool {
        let Rule::Unreadable { header_size, needs_headers } = self else { return false };
        let split = parsed.header_len <= header_size;
        let unreadable = !split || frame.len() > parsed.header_len;
        !split && needs_headers || unreadable && checksum_ok(frame) != Some(true)
    }
}

/// The source, as the NIC sees it.
pub(crate) struct Feed {
    inner: Inner,
    line: Arc<Line>,
    ports: [u16; 2],
    rule: Rule,
    /// To the checkers; empty when they know what to expect.
    expected: Vec<SyncSender<Vec<u8>>>,
    given: u64,
    /// Frames for a queue that may come still, and how many there were to be.
    limit: Option<(u64, u64)>,
    pace: Pace,
}

/// When memory is bound to queue 1, and unbound.
struct Pace {
    /// Changes to make: twice the number of bindings.
    wanted: u64,
    made: u64,
    /// Frames for queue 1 with payload, since the last change.
    since: u64,
}

impl Pace {
    fn is_bound(&self) -> bool {
        self.made % 2 == 1
    }

    /// Whether the next change is due: changes are spread over a source whose length is known, and else come as packets do.
    /// Memory that is bound stays so until it has met a packet.
    fn is_due(&self, progress: Option<(u64, u64)>) -> bool {
        if self.made == self.wanted || self.is_bound() && self.since == 0 {
            return false;
        }
        match progress {
            Some((done, total)) => {
                u128::from(done) * u128::from(self.wanted + 1) >= u128::from(total) * u128::from(self.made + 1)
            }
            None => self.since != 0,
        }
    }
}

/// What the source shares with those who receive.
#[derive(Debug, Default)]
pub(crate) struct Line {
    stop: AtomicBool,
    given: AtomicU64,
    /// Frames of each queue that the driver drops by its rules.
    by_rule: [AtomicU64; 2],
    /// Bindings that met a packet.
    met: AtomicU64,
    changes: Mutex<Changes>,
    changed: Condvar,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Changes {
    asked: u64,
    made: u64,
}

/// What the source tells when it has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) description: String,
    pub(crate) passed_over: PassedOver,
    /// Why a capture ended before its end.
    pub(crate) ended_early: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Has the source end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Returns how many frames the NIC was given.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Relaxed)
    }

    /// Returns how many of them a driver drops by its rules on a queue.
    pub(crate) fn by_rule(&self, queue: usize) -> u64 {
        self.by_rule[queue].load(Relaxed)
    }

    /// Returns how many bindings met a packet.
    pub(crate) fn met(&self) -> u64 {
        self.met.load(Relaxed)
    }

    /// Returns whether a change is due, and the source waits for it.
    pub(crate) fn is_change_asked(&self) -> bool {
        let changes = lock(&self.changes);
        changes.asked != changes.made
    }

    /// The change was made: the source goes on.
    pub(crate) fn change_made(&self) {
        lock(&self.changes).made += 1;
        self.changed.notify_all();
    }

    /// What the source told. Once it has ended.
    pub(crate) fn told(&self) -> Told {
        lock(&self.told).clone()
    }
}

/// What one checker is to expect, frame by frame. `None` when it knows by itself.
pub(crate) type Expected = Option<Receiver<Vec<u8>>>;

impl Feed {
    /// Opens the source. The two receivers are for the checkers.
    pub(crate) fn open(args: &Args, rule: Rule) -> Result<(Self, [Expected; 2]), Box<dyn Error>> {
        let (ports, max_frame) = (args.ports, args.max_frame);
        let inner = match &args.source {
            Source::Generator { seed, size } => {
                let (seed, packets, size) = (*seed, args.packets.unwrap_or(u64::MAX), *size);
                let params = GeneratorParams { seed, packets, size, ports: ports.to_vec() };
                Inner::Generator(Box::new(Generator::new(params, max_frame)?))
            }
            Source::Capture { file, strict } => {
                let capture = match file.to_str() {
                    Some("-") => Capture::stdin(max_frame)?,
                    _ => Capture::open(file, max_frame)?,
                };
                Inner::Capture(Box::new(if *strict { capture.strict() } else { capture }))
            }
            Source::Tap(name) => Inner::Tap(open_tap(name.clone(), ports)?),
        };
        let (expected, receivers) = match inner {
            Inner::Generator(_) => (Vec::new(), [None, None]),
            _ => {
                let (queues, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| sync_channel(AHEAD)).unzip();
                let mut receivers = receivers.into_iter();
                (queues, [receivers.next(), receivers.next()])
            }
        };
        let limit = match inner {
            Inner::Tap(_) => args.packets.map(|packets| (packets, packets)),
            _ => None,
        };
        let pace = Pace { wanted: 2 * args.rebind, made: 0, since: 0 };
        let line = Arc::new(Line::default());
        Ok((Feed { inner, line, ports, rule, expected, given: 0, limit, pace }, receivers))
    }

    pub(crate) fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    /// Whether frames for neither port are for queue 0. The kernel sends more to a TAP than what was asked for: router
    /// solicitations, say.
    pub(crate) fn default_queue(&self) -> Option<usize> {
        (!matches!(self.inner, Inner::Tap(_))).then_some(0)
    }

    fn progress(&mut self) -> Option<(u64, u64)> {
        match self.limit {
            Some((left, all)) => Some((all - left, all)),
            None => self.inner.traffic().progress(),
        }
    }

    /// Waits for a change that is due. False while it has not been made.
    fn is_paced(&mut self) -> bool {
        let progress = self.progress();
        if !self.pace.is_due(progress) {
            return true;
        }
        let next = self.pace.made + 1;
        let mut changes = lock(&self.line.changes);
        changes.asked = next;
        if changes.made != next {
            let waited = self.line.changed.wait_timeout(changes, HOLD);
            changes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let made = changes.made == next;
        if made {
            self.pace = Pace { made: next, since: 0, ..self.pace };
        }
        made
    }

    /// Notes a frame that the NIC is about to get, and tells the checker of its queue. False when that one is gone.
    fn note(&mut self, frame: &[u8]) -> bool {
        self.given += 1;
        self.line.given.store(self.given, Relaxed);
        if self.expected.is_empty() && self.pace.wanted == 0 {
            return true;
        }
        let parsed = parse(frame);
        let rule = self.ports.iter().position(|&port| parsed.dst_port == Some(port));
        let Some(queue) = rule.or(self.default_queue()) else { return true };
        if queue == 1 && frame.len() > parsed.header_len {
            if self.pace.is_bound() && self.pace.since == 0 {
                self.line.met.fetch_add(1, Relaxed);
            }
            self.pace.since += 1;
        }
        if let Some((left, _)) = &mut self.limit {
            *left -= 1;
        }
        // Where memory is bound and unbound, queue 1 has pages in between.
        let bound = self.pace.wanted == 0 || self.pace.is_bound();
        let by_rule = queue == 1 && bound && self.rule.drops(frame, &parsed);
        if check_frame(frame.len()).is_err() || by_rule {
            self.line.by_rule[queue].fetch_add(1, Relaxed);
            return true;
        }
        match self.expected.get(queue) {
            Some(expected) => expected.send(frame.to_vec()).is_ok(),
            None => true,
        }
    }
}

impl Traffic for Feed {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        if self.line.stop.load(Relaxed) || self.limit.is_some_and(|(left, _)| left == 0) {
            return Ok(Next::End);
        }
        if self.pace.wanted != 0 && !self.is_paced() {
            return Ok(Next::Idle);
        }
        match self.inner.traffic().next_frame(frame)? {
            Next::Frame if self.note(frame) => Ok(Next::Frame),
            Next::Frame => Ok(Next::End),
            other => Ok(other),
        }
    }

    fn describe(&self) -> String {
        match &self.inner {
            Inner::Capture(capture) => capture.describe(),
            Inner::Tap(tap) => tap.describe(),
            Inner::Generator(generator) => generator.describe(),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut told = Told { description: self.describe(), ..Told::default() };
        if let Inner::Capture(capture) = &self.inner {
            told.passed_over = capture.passed_over();
            told.ended_early = capture.ended_early().map(TrafficError::to_string);
        }
        *lock(&self.line.told) = told;
    }
}
