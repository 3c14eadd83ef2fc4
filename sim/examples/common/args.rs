//! The command line of `receive` and of the ports. Each option is honoured, or refused with what it belongs to.

use super::limits;
use lexopt::Parser;
use lexopt::prelude::*;
use netmem::skb::MAX_SKB_FRAGS;
use netmem_sim::nic::frame::MIN_FRAME;
use netmem_sim::nic::traffic::PayloadSize;
use std::ffi::OsString;
use std::path::PathBuf;

/// The longest frame in bytes, if nothing is said.
const MAX_FRAME: usize = 9216;
/// Bytes of a buffer that a driver posts, unless frames need larger ones.
pub(crate) const BUFFER: usize = 2048;
/// The packets of some hours.
const MAX_PACKETS: u64 = 10_000_000_000;
/// Each of them restarts a queue twice.
const MAX_REBINDS: u64 = 100_000;
/// 4 GiB of device memory are a million net_iovs, which take some seconds.
const MAX_DEVICE_MEMORY: usize = 4 << 20;
/// The sizes of a net_iov.
const MIN_NIOV: usize = 4096;
const MAX_NIOV: usize = 2 << 20;

/// Whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Receive,
    Port,
}

impl Program {
    /// The longest frame that fits the frags of a packet. `receive` posts whole pages if it must; a port has buffers of its own
    /// size.
    fn longest_frame(self) -> usize {
        match self {
            Program::Receive => 65536,
            Program::Port => MAX_SKB_FRAGS * BUFFER,
        }
    }
}

/// Where frames come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Generator {
        seed: u64,
        size: PayloadSize,
    },
    Capture {
        /// `-` is standard input.
        file: PathBuf,
        strict: bool,
    },
    Tap(Option<String>),
}

/// Which DMA device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dma {
    Coherent,
    Bounce,
    BounceWithoutSync,
    Iommu,
}

/// Where queue 1 gets its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Page,
    Huge,
    Dmabuf,
    Zcrx,
}

/// A stage of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Page,
    Netmem,
    Devmem,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) source: Source,
    /// How many to receive; `None` for all of a capture.
    pub(crate) packets: Option<u64>,
    pub(crate) ports: [u16; 2],
    pub(crate) max_frame: usize,
    pub(crate) dma: Dma,
    pub(crate) provider: Provider,
    pub(crate) stage: Stage,
    pub(crate) rebind: u64,
    /// In bytes.
    pub(crate) device_memory: usize,
    pub(crate) niov_size: usize,
    pub(crate) hostile: Option<u64>,
    pub(crate) json: bool,
}

/// What stands on the command line, each option as it was given last.
#[derive(Debug, Default)]
struct Given {
    packets: Option<u64>,
    seed: Option<u64>,
    size: Option<PayloadSize>,
    pcap: Option<PathBuf>,
    strict: bool,
    tap: Option<Option<String>>,
    ports: Option<[u16; 2]>,
    max_frame: Option<u64>,
    dma: Option<Dma>,
    provider: Option<Provider>,
    stage: Option<Stage>,
    rebind: Option<u64>,
    device_memory: Option<u64>,
    niov_size: Option<u64>,
    hostile: Option<u64>,
    json: bool,
}

/// Reads the arguments of a command line. `None` when it asks for the help text.
pub(crate) fn parse(program: Program, arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, String> {
    let mut given = Given::default();
    let mut parser = Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    let (receive, port) = (program == Program::Receive, program == Program::Port);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("packets") => given.packets = Some(number(&mut parser, "--packets", 1, MAX_PACKETS)?),
            Long("seed") => given.seed = Some(number(&mut parser, "--seed", 0, u64::MAX)?),
            Long("size") => given.size = Some(parse_size(&value(&mut parser, "--size")?)?),
            Long("pcap") => given.pcap = Some(raw(&mut parser, "--pcap")?.into()),
            Long("strict") => given.strict = true,
            Long("tap") if receive => given.tap = Some(optional(&mut parser)?),
            Long("ports") => given.ports = Some(parse_ports(&value(&mut parser, "--ports")?)?),
            Long("max-frame") => {
                let longest = program.longest_frame() as u64;
                given.max_frame = Some(number(&mut parser, "--max-frame", MIN_FRAME as u64, longest)?);
            }
            Long("dma") => given.dma = Some(parse_dma(&value(&mut parser, "--dma")?)?),
            Long("provider") if receive => given.provider = Some(parse_provider(&value(&mut parser, "--provider")?)?),
            Long("stage") if port => given.stage = Some(parse_stage(&value(&mut parser, "--stage")?)?),
            Long("rebind") if receive => given.rebind = Some(number(&mut parser, "--rebind", 1, MAX_REBINDS)?),
            Long("device-memory") => {
                given.device_memory = Some(number(&mut parser, "--device-memory", 4, MAX_DEVICE_MEMORY as u64)?);
            }
            Long("niov-size") => given.niov_size = Some(number(&mut parser, "--niov-size", 1, u64::MAX)?),
            Long("hostile") => given.hostile = Some(number(&mut parser, "--hostile", 1, u64::MAX)?),
            Long("json") => given.json = true,
            Short('h') | Long("help") => return Ok(None),
            Long(name @ ("tap" | "provider" | "rebind")) => {
                return Err(format!("--{name} is for `receive`: here --stage decides what queue 1 has"));
            }
            Long("stage") => {
                return Err(
                    "--stage belongs to `port_hns3` and `port_gve`: here --provider decides what queue 1 has".into()
                );
            }
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    given.check(program).map(Some)
}

impl Given {
    /// Looks at the options together.
    fn check(self, program: Program) -> Result<Args, String> {
        if self.pcap.is_some() && self.tap.is_some() {
            return Err("--pcap and --tap are two sources: choose one".into());
        }
        let (capture, tap) = (self.pcap.is_some(), self.tap.is_some());
        let generator = !capture && !tap;
        let provider = self.provider.unwrap_or(Provider::Dmabuf);
        let stage = self.stage.unwrap_or(Stage::Page);
        let (net_iovs, owners) = match program {
            Program::Receive => (matches!(provider, Provider::Dmabuf | Provider::Zcrx), "--provider dmabuf and zcrx"),
            Program::Port => (stage == Stage::Devmem, "--stage devmem"),
        };
        for (is_given, option, is_honoured, owner) in [
            (self.packets.is_some(), "--packets", !capture, "the generator and --tap, as a capture has what it has"),
            (self.seed.is_some(), "--seed", generator, "the generator"),
            (self.size.is_some(), "--size", generator, "the generator"),
            (self.hostile.is_some(), "--hostile", generator, "the generator, as it costs frames that others need"),
            (self.strict, "--strict", capture, "--pcap"),
            (self.max_frame.is_some(), "--max-frame", !tap, "the generator and --pcap, as a TAP device has an MTU"),
            (self.device_memory.is_some(), "--device-memory", net_iovs, owners),
            (self.niov_size.is_some(), "--niov-size", net_iovs, owners),
        ] {
            if is_given && !is_honoured {
                return Err(format!("{option} belongs to {owner}: leave it out here, where it would do nothing"));
            }
        }
        let packets = match (capture, tap) {
            (true, _) => None,
            (_, true) => Some(self.packets.unwrap_or(100)),
            _ => Some(self.packets.unwrap_or(1_000_000)),
        };
        let rebind = self.rebind.unwrap_or(0);
        if provider == Provider::Zcrx && rebind > 1 {
            return Err(format!(
                "--rebind {rebind} with --provider zcrx: a program's memory is bound once, and closed when it is taken \
                 off; use --rebind 1, or another provider"
            ));
        }
        if let (Some(packets), true) = (packets, rebind != 0) {
            let need = 2 * rebind + 1;
            if packets < need {
                return Err(format!(
                    "--rebind {rebind} needs {need} packets, to be spread over them, and {packets} come"
                ));
            }
        }
        if let (Some(hostile), Some(packets)) = (self.hostile, packets) {
            if hostile > packets {
                return Err(format!("--hostile {hostile} does nothing with {packets} packets: use at most {packets}"));
            }
        }
        // CAST: checked to be at most 4 GiB, in KiB.
        let device_memory = self.device_memory.map_or(64 << 20, |kib| kib as usize * 1024);
        let niov_size = self.niov_size.unwrap_or(4096);
        let niov_size = usize::try_from(niov_size)
            .ok()
            .filter(|size| size.is_power_of_two() && (MIN_NIOV..=MAX_NIOV).contains(size))
            .ok_or_else(|| {
                format!("--niov-size {niov_size} is not possible: use a power of two from {MIN_NIOV} to {MAX_NIOV}")
            })?;
        // CAST: checked to be at most the longest frame.
        let max_frame = self.max_frame.map_or(MAX_FRAME, |len| len as usize);
        limits::check(if net_iovs { device_memory } else { 0 }, max_frame)?;
        let source = match (self.pcap, self.tap) {
            (Some(file), _) => Source::Capture { file, strict: self.strict },
            (None, Some(name)) => Source::Tap(name),
            (None, None) => Source::Generator {
                seed: self.seed.unwrap_or(1),
                size: self.size.unwrap_or(PayloadSize::Range { min: 64, max: 1472 }),
            },
        };
        Ok(Args {
            source,
            packets,
            ports: self.ports.unwrap_or([5001, 5002]),
            max_frame,
            dma: self.dma.unwrap_or(Dma::Coherent),
            provider,
            stage,
            rebind,
            device_memory,
            niov_size,
            hostile: self.hostile,
            json: self.json,
        })
    }
}

/// The value of an option, which need not be text.
fn raw(parser: &mut Parser, option: &str) -> Result<OsString, String> {
    parser.value().map_err(|_| format!("{option} needs a value; see --help"))
}

fn value(parser: &mut Parser, option: &str) -> Result<String, String> {
    raw(parser, option)?.into_string().map_err(|value| format!("{option} {value:?} is not UTF-8 text"))
}

/// A value that may be left out: what follows, unless it is an option.
fn optional(parser: &mut Parser) -> Result<Option<String>, String> {
    let value = match parser.optional_value() {
        Some(value) => Some(value),
        None => {
            let mut rest = parser.try_raw_args();
            match rest.as_mut().and_then(|rest| Some((rest.peek()?.to_owned(), rest))) {
                Some((next, rest)) if !next.to_string_lossy().starts_with('-') => rest.next(),
                _ => None,
            }
        }
    };
    value.map(|value| value.into_string().map_err(|value| format!("--tap {value:?} is not UTF-8 text"))).transpose()
}

fn number(parser: &mut Parser, option: &str, min: u64, max: u64) -> Result<u64, String> {
    let text = value(parser, option)?;
    let number = match text.parse::<u64>() {
        Ok(number) => number,
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => {
            return Err(format!("{option} {text} is too much: use at most {max}"));
        }
        Err(_) => return Err(format!("{option} {text:?} is not a whole number")),
    };
    match number {
        _ if number < min => Err(format!("{option} {number} is too small: use at least {min}")),
        _ if number > max => Err(format!("{option} {number} is too much: use at most {max}")),
        _ => Ok(number),
    }
}

fn parse_size(text: &str) -> Result<PayloadSize, String> {
    let bad = || format!("--size {text:?} is neither a number of bytes nor a range as 64..1472");
    match text.split_once("..") {
        Some((min, max)) => {
            let (min, max) = (min.parse().map_err(|_| bad())?, max.parse().map_err(|_| bad())?);
            Ok(PayloadSize::Range { min, max })
        }
        None => Ok(PayloadSize::Fixed(text.parse().map_err(|_| bad())?)),
    }
}

fn parse_ports(text: &str) -> Result<[u16; 2], String> {
    let bad = || format!("--ports {text:?} is not two different ports as 5001,5002");
    let (first, second) = text.split_once(',').ok_or_else(bad)?;
    let ports = [first.parse().map_err(|_| bad())?, second.parse().map_err(|_| bad())?];
    if ports[0] == ports[1] || ports.contains(&0) { Err(bad()) } else { Ok(ports) }
}

fn parse_dma(text: &str) -> Result<Dma, String> {
    Ok(match text {
        "coherent" => Dma::Coherent,
        "bounce" => Dma::Bounce,
        "bounce-without-sync" => Dma::BounceWithoutSync,
        "iommu" => Dma::Iommu,
        _ => return Err(format!("--dma {text:?} is unknown: use coherent, bounce, iommu or bounce-without-sync")),
    })
}

fn parse_provider(text: &str) -> Result<Provider, String> {
    Ok(match text {
        "page" => Provider::Page,
        "huge" => Provider::Huge,
        "dmabuf" => Provider::Dmabuf,
        "zcrx" => Provider::Zcrx,
        _ => return Err(format!("--provider {text:?} is unknown: use page, huge, dmabuf or zcrx")),
    })
}

fn parse_stage(text: &str) -> Result<Stage, String> {
    Ok(match text {
        "page" => Stage::Page,
        "netmem" => Stage::Netmem,
        "devmem" => Stage::Devmem,
        _ => return Err(format!("--stage {text:?} is unknown: use page, netmem or devmem")),
    })
}
