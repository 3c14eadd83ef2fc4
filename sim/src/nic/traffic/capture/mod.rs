//! Recorded traffic: what tcpdump or Wireshark wrote.

mod input;
mod link;
mod passed_over;
mod pcap;
mod pcapng;
mod place;

pub use input::CaptureFile;
pub use passed_over::PassedOver;

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{Next, Traffic, TrafficError};
use input::Input;
use link::{ETHERNET, Linked, NoFrame};
use pcap::Records;
use pcapng::{SECTION_HEADER, Section};
use place::Place;

/// The frames of a pcap or pcapng file, in the order of the file and as fast as they are asked for.
///
/// The file may be of any size and may be a pipe: it is read as a stream, once. Both byte orders, micro- and nanoseconds,
/// several sections and interfaces are understood.
///
/// Frames of Ethernet come as they were captured. Packets of raw IP, of a loopback interface and of `tcpdump -i any`
/// (Linux cooked) get an Ethernet header in front, whose addresses are zeros. All other packets are passed over and counted by
/// reason ([`passed_over`](Self::passed_over)), and a file that is damaged or cut off ends there
/// ([`ended_early`](Self::ended_early)); [`strict`](Self::strict) makes errors of both.
///
/// The file is not trusted: whatever is in it, at most 1 MiB of it is in memory.
///
/// ```
/// use netmem_sim::nic::traffic::{Capture, Next, Traffic};
///
/// let mut capture = Capture::open("../tests/data/udp.pcapng", 1514)?;
/// let (mut frame, mut count) = (Vec::new(), 0);
/// while capture.next_frame(&mut frame)? == Next::Frame {
///     count += 1;
/// }
/// assert_eq!((count, capture.passed_over().total()), (56, 0));
/// # Ok::<(), netmem_sim::nic::traffic::TrafficError>(())
/// ```
#[derive(Debug)]
pub struct Capture<R = CaptureFile> {
    input: Input<R>,
    place: Place,
    max_frame: usize,
    strict: bool,
    /// `None` until the start of the file has come.
    format: Option<Format>,
    /// Frames that were handed out.
    frames: u64,
    passed_over: PassedOver,
    ended_early: Option<TrafficError>,
    /// The first link type that was passed over, and the longest frame that was: for advice.
    foreign: Option<i32>,
    longest: usize,
    /// The length of the file in bytes, where it is known.
    len: Option<u64>,
    /// The file is at its end, or failed.
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(Records),
    PcapNg(Section),
}

/// What comes next in a file.
#[derive(Clone, Copy)]
enum Found {
    /// A packet, whose `size` bytes with all that is around it are in the buffer.
    Packet { size: usize },
    /// Something else, which is already behind.
    Other,
    /// Nothing.
    End,
}

/// A packet in the buffer, with what the file says about it.
#[derive(Clone, Copy)]
struct Packet<'a> {
    linktype: i32,
    data: &'a [u8],
    /// Bytes on the wire.
    original: u32,
}

/// Why a packet is not received.
enum Reason {
    Snapped { captured: u32, original: u32 },
    LinkType(i32),
    TooLong { len: usize },
    Empty,
    Damaged(TrafficError),
}

impl Capture {
    /// Opens a file or a pipe, for a NIC that takes frames of up to `max_frame` bytes.
    ///
    /// A FIFO is not waited for: what is wrong with it is told by [`next_frame`](Traffic::next_frame).
    ///
    /// # Errors
    ///
    /// * [`TrafficError::Open`], [`TrafficError::Read`]: the system refuses to open or read it.
    /// * [`TrafficError::EmptyFile`], [`TrafficError::NotACapture`]: there is nothing in it, or something else.
    /// * [`TrafficError::Truncated`], [`TrafficError::Damaged`]: its header is not whole, or wrong.
    pub fn open(path: impl AsRef<Path>, max_frame: usize) -> Result<Self, TrafficError> {
        let name = path.as_ref().display().to_string();
        match CaptureFile::open(path.as_ref()) {
            Ok(file) => Self::of(file, name, max_frame),
            Err(source) => Err(TrafficError::Open { file: name, source }),
        }
    }

    /// Reads standard input, for a NIC that takes frames of up to `max_frame` bytes.
    ///
    /// ```no_run
    /// use netmem_sim::nic::traffic::Capture;
    ///
    /// let capture = Capture::stdin(1514)?;
    /// # Ok::<(), netmem_sim::nic::traffic::TrafficError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn stdin(max_frame: usize) -> Result<Self, TrafficError> {
        let name = "standard input".to_owned();
        match CaptureFile::stdin() {
            Ok(file) => Self::of(file, name, max_frame),
            Err(source) => Err(TrafficError::Open { file: name, source }),
        }
    }

    fn of(file: CaptureFile, name: String, max_frame: usize) -> Result<Self, TrafficError> {
        let len = file.len();
        Ok(Capture { len, ..Capture::new(file, name, max_frame)? })
    }
}

impl<R: Read> Capture<R> {
    /// Reads a capture from anything, `name` in error messages.
    ///
    /// A reader that fails with [`ErrorKind::WouldBlock`] has nothing for now, and is asked again later.
    ///
    /// # Errors
    ///
    /// As [`Capture::open`], without [`TrafficError::Open`].
    pub fn new(reader: R, name: impl Into<String>, max_frame: usize) -> Result<Self, TrafficError> {
        let mut capture = Capture {
            input: Input::new(reader),
            place: Place { file: name.into(), packet: 1 },
            max_frame,
            strict: false,
            format: None,
            frames: 0,
            passed_over: PassedOver::default(),
            ended_early: None,
            foreign: None,
            longest: 0,
            len: None,
            ended: false,
        };
        match capture.begin() {
            Err(error) if !is_for_later(&error) => Err(error),
            _ => Ok(capture),
        }
    }

    /// Makes an error of each packet that would be passed over, except those of no bytes, and of each packet that would get
    /// an Ethernet header; and of an end before the end.
    ///
    /// ```
    /// use netmem_sim::nic::traffic::{Capture, Traffic};
    ///
    /// // A header that says raw IP, and one packet.
    /// let file = [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &[0; 12], &[101, 0, 0, 0], &[0; 8], &[1, 0, 0, 0, 1, 0, 0, 0, 0x45]].concat();
    /// let mut capture = Capture::new(&file[..], "made up", 1514)?.strict();
    /// let error = capture.next_frame(&mut Vec::new()).unwrap_err();
    /// assert!(error.to_string().contains("link type 101 (raw IP) is not Ethernet (1)"));
    /// # Ok::<(), netmem_sim::nic::traffic::TrafficError>(())
    /// ```
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Returns how many packets were passed over so far, by reason.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// Returns why the capture ended before its end, if it did: [`TrafficError::Truncated`] or [`TrafficError::Damaged`],
    /// which [`passed_over`](Self::passed_over) has counted.
    #[must_use]
    pub fn ended_early(&self) -> Option<&TrafficError> {
        self.ended_early.as_ref()
    }

    /// Reads the start of the file, unless that has been done.
    fn begin(&mut self) -> Result<(), TrafficError> {
        if self.format.is_some() {
            return Ok(());
        }
        let (input, place) = (&mut self.input, &self.place);
        if !place.fill(input, 4)? {
            let file = place.file.clone();
            return Err(match input.data() {
                [] => TrafficError::EmptyFile { file },
                start => TrafficError::NotACapture { file, start: start.to_vec() },
            });
        }
        self.format = Some(if input.u32(0, false) == SECTION_HEADER {
            // The section header is read as the first block.
            let mut section = Section::default();
            section.block(input, place)?;
            Format::PcapNg(section)
        } else {
            Format::Pcap(Records::read(input, place)?)
        });
        Ok(())
    }

    /// The next packet that makes a frame.
    fn next_packet(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        self.begin()?;
        loop {
            let found = match &mut self.format {
                Some(Format::Pcap(records)) => records.record(&mut self.input, &self.place)?,
                Some(Format::PcapNg(section)) => section.block(&mut self.input, &self.place)?,
                None => Found::End,
            };
            let size = match found {
                Found::End => return self.end(),
                Found::Other => continue,
                Found::Packet { size } => size,
            };
            let received = match self.look(size) {
                Ok(linked) => {
                    linked.write(frame);
                    true
                }
                Err(reason) => {
                    self.pass_over(reason)?;
                    false
                }
            };
            self.input.consume(size);
            self.place.packet += 1;
            if received {
                self.frames += 1;
                return Ok(Next::Frame);
            }
        }
    }

    /// Looks at the packet in the buffer: the frame that it makes, or why it makes none.
    fn look(&self, size: usize) -> Result<Linked<'_>, Reason> {
        let Packet { linktype, data, original } = match &self.format {
            Some(Format::Pcap(records)) => records.packet(&self.input, size),
            Some(Format::PcapNg(section)) => section.packet(&self.input, &self.place, size).map_err(Reason::Damaged)?,
            None => return Err(Reason::Empty),
        };
        // CAST: a packet is at most 1 MiB long.
        let captured = data.len() as u32;
        if !link::is_received(linktype) || self.strict && linktype != ETHERNET {
            return Err(Reason::LinkType(linktype));
        }
        if captured < original {
            return Err(Reason::Snapped { captured, original });
        }
        if captured == 0 {
            return Err(Reason::Empty);
        }
        let linked = link::ethernet(linktype, data).map_err(|no_frame| match no_frame {
            NoFrame::NoEtherType => Reason::LinkType(linktype),
            NoFrame::Short => {
                let what = format!("{captured} bytes are too few for a packet of link type {linktype}");
                Reason::Damaged(self.place.damaged(&self.input, what))
            }
        })?;
        match linked.len() {
            len if len > self.max_frame => Err(Reason::TooLong { len }),
            _ => Ok(linked),
        }
    }

    /// Counts a packet that is passed over, or refuses the file for it.
    fn pass_over(&mut self, reason: Reason) -> Result<(), TrafficError> {
        if self.strict && !matches!(reason, Reason::Empty) {
            return Err(self.refusal(reason));
        }
        match reason {
            Reason::Snapped { .. } => self.passed_over.snapped += 1,
            Reason::LinkType(linktype) => {
                self.foreign.get_or_insert(linktype);
                self.passed_over.link_type += 1;
            }
            Reason::TooLong { len } => {
                self.longest = self.longest.max(len);
                self.passed_over.too_long += 1;
            }
            Reason::Empty => self.passed_over.empty += 1,
            Reason::Damaged(_) => self.passed_over.damaged += 1,
        }
        Ok(())
    }

    /// The error that a reason is.
    fn refusal(&self, reason: Reason) -> TrafficError {
        let (file, packet, offset) = (self.place.file.clone(), self.place.packet, self.input.offset);
        match reason {
            Reason::Snapped { captured, original } => {
                TrafficError::Snapped { file, packet, offset, captured, original }
            }
            Reason::LinkType(linktype) => {
                TrafficError::LinkType { file, packet, linktype, name: link::name(linktype), advice: advice(linktype) }
            }
            Reason::TooLong { len } => {
                TrafficError::FrameTooLong { file, packet, offset, len, max_frame: self.max_frame }
            }
            Reason::Empty => TrafficError::EmptyCapture { file },
            Reason::Damaged(error) => error,
        }
    }

    /// The end of the file: fine if a frame came before it.
    fn end(&mut self) -> Result<Next, TrafficError> {
        self.ended = true;
        let file = || self.place.file.clone();
        match self.passed_over {
            _ if self.frames != 0 => Ok(Next::End),
            PassedOver { snapped: 0, link_type: 0, too_long: 0, empty: 0, damaged: 0, cut_off: 0 } => {
                Err(TrafficError::EmptyCapture { file: file() })
            }
            passed_over => Err(TrafficError::AllPassedOver { file: file(), passed_over, advice: self.advice() }),
        }
    }

    /// What to do about a capture of which nothing is received.
    fn advice(&self) -> String {
        let mut advice = Vec::new();
        if self.passed_over.snapped != 0 {
            advice.push("capture whole packets with tcpdump -s 0".to_owned());
        }
        if let Some(linktype) = self.foreign {
            advice.push(format!("link type {linktype} ({}): {}", link::name(linktype), advice_for(linktype)));
        }
        if self.longest != 0 {
            let (longest, max_frame) = (self.longest, self.max_frame);
            advice.push(format!("frames of up to {longest} bytes are there, and {max_frame} are taken: {LONGER}"));
        }
        if let Some(error) = &self.ended_early {
            advice.push(error.to_string());
        }
        if advice.is_empty() {
            advice.push("capture while there is traffic".to_owned());
        }
        advice.join("; ")
    }
}

/// What to do about frames that are too long.
pub(super) const LONGER: &str = "allow longer frames (--max-frame of the examples), or capture with segmentation \
                                 offload switched off (ethtool -K eth0 gro off lro off tso off)";

/// What to do about a link type that is refused.
fn advice(linktype: i32) -> &'static str {
    match link::is_received(linktype) {
        true => "read the capture without being strict, and it gets an Ethernet header in front",
        false => advice_for(linktype),
    }
}

/// What to do about a link type without frames of Ethernet.
fn advice_for(linktype: i32) -> &'static str {
    match link::is_received(linktype) {
        true => "these packets are neither IPv4 nor IPv6",
        false => "capture on an interface of Ethernet, or of IP",
    }
}

/// Returns whether an error only says that there is nothing to read for now.
fn is_for_later(error: &TrafficError) -> bool {
    matches!(error, TrafficError::Read { source, .. } if source.kind() == ErrorKind::WouldBlock)
}

impl<R: Read + Send> Traffic for Capture<R> {
    /// Besides what [`Capture::open`] tells, the file may have no packets at all ([`TrafficError::EmptyCapture`]), or none that
    /// is received ([`TrafficError::AllPassedOver`]). When it is [strict](Capture::strict), packets may be cut off
    /// ([`TrafficError::Snapped`]), too long ([`TrafficError::FrameTooLong`]), or no frames of Ethernet
    /// ([`TrafficError::LinkType`]), and the file may be cut off or damaged. Once an error came, there is only [`Next::End`].
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        if self.ended {
            return Ok(Next::End);
        }
        match self.next_packet(frame) {
            Err(error) if is_for_later(&error) => Ok(Next::Idle),
            // Behind a header that is good, the packets before the trouble are.
            Err(error) if !self.strict && self.format.is_some() && !self.ended => {
                match &error {
                    TrafficError::Truncated { .. } => self.passed_over.cut_off += 1,
                    TrafficError::Damaged { .. } => self.passed_over.damaged += 1,
                    _ => {
                        self.ended = true;
                        return Err(error);
                    }
                }
                self.ended_early = Some(error);
                self.end()
            }
            next => {
                self.ended = !matches!(next, Ok(Next::Frame));
                next
            }
        }
    }

    fn describe(&self) -> String {
        let file = &self.place.file;
        match self.format {
            Some(Format::Pcap(_)) => format!("capture {file} (pcap)"),
            Some(Format::PcapNg(_)) => format!("capture {file} (pcapng)"),
            None => format!("capture {file}"),
        }
    }

    /// Bytes of the file. A pipe does not say how many come.
    fn progress(&self) -> Option<(u64, u64)> {
        Some((self.input.offset, self.len?))
    }
}

#[cfg(test)]
mod tests;
