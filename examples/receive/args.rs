//! The command line.

use lexopt::prelude::*;
use netmem::nic::traffic::PayloadSize;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where frames come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Generator { seed: u64, size: PayloadSize },
    Capture(PathBuf),
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

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) source: Source,
    pub(crate) packets: u64,
    pub(crate) ports: [u16; 2],
    pub(crate) dma: Dma,
    pub(crate) provider: Provider,
    pub(crate) rebind: u64,
    pub(crate) device_memory: usize,
    pub(crate) niov_size: usize,
    pub(crate) hostile: Option<u64>,
    pub(crate) json: bool,
}

/// Reads the arguments of a command line. `None` when it asked for the help text.
pub(crate) fn parse(help: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, String> {
    let (mut packets, mut seed, mut size) = (None, 1, PayloadSize::Range { min: 64, max: 1472 });
    let (mut pcap, mut tap, mut ports) = (None, None, [5001, 5002]);
    let (mut dma, mut device_memory, mut niov_size, mut hostile, mut json) = (Dma::Coherent, 65536, 4096, None, false);
    let (mut provider, mut rebind) = (Provider::Dmabuf, 0);
    let mut parser = lexopt::Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("packets") => packets = Some(number(&mut parser, "--packets", 1)?),
            Long("seed") => seed = number(&mut parser, "--seed", 0)?,
            Long("size") => size = parse_size(&value(&mut parser, "--size")?)?,
            Long("pcap") => pcap = Some(PathBuf::from(value(&mut parser, "--pcap")?)),
            Long("tap") => tap = Some(optional(&mut parser)),
            Long("ports") => ports = parse_ports(&value(&mut parser, "--ports")?)?,
            Long("dma") => dma = parse_dma(&value(&mut parser, "--dma")?)?,
            Long("provider") => provider = parse_provider(&value(&mut parser, "--provider")?)?,
            Long("rebind") => rebind = number(&mut parser, "--rebind", 1)?,
            Long("device-memory") => {
                device_memory = usize::try_from(number(&mut parser, "--device-memory", 4)?).unwrap_or(usize::MAX);
            }
            Long("niov-size") => {
                niov_size = usize::try_from(number(&mut parser, "--niov-size", 1)?).unwrap_or(usize::MAX);
            }
            Long("hostile") => hostile = Some(number(&mut parser, "--hostile", 1)?),
            Long("json") => json = true,
            Short('h') | Long("help") => {
                print!("{help}");
                return Ok(None);
            }
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    let default_packets = if tap.is_some() { 100 } else { 1_000_000 };
    let source = match (pcap, tap) {
        (Some(_), Some(_)) => return Err("--pcap and --tap are two sources: choose one".into()),
        (Some(_), None) if hostile.is_some() => {
            return Err(
                "--hostile drops frames, and a capture is compared frame by frame: use it with the generator".into()
            );
        }
        (Some(file), None) => Source::Capture(file),
        (None, Some(name)) => Source::Tap(name),
        (None, None) => Source::Generator { seed, size },
    };
    if provider == Provider::Zcrx && rebind > 1 {
        return Err(format!(
            "--rebind {rebind} with --provider zcrx: a program's memory is bound once, and closed when it is taken off; \
             use --rebind 1, or another provider"
        ));
    }
    let packets = packets.unwrap_or(default_packets);
    let device_memory = device_memory
        .checked_mul(1024)
        .filter(|bytes| *bytes <= 1 << 40)
        .ok_or_else(|| format!("--device-memory {device_memory}: too much, use at most 1073741824 KiB"))?;
    Ok(Some(Args { source, packets, ports, dma, provider, rebind, device_memory, niov_size, hostile, json }))
}

fn value(parser: &mut lexopt::Parser, option: &str) -> Result<String, String> {
    let value = parser.value().map_err(|_| format!("{option} needs a value; see --help"))?;
    value.into_string().map_err(|value| format!("{option} {value:?} is not UTF-8 text"))
}

/// A value that may be left out: what follows, unless it is an option.
fn optional(parser: &mut lexopt::Parser) -> Option<String> {
    parser.optional_value().and_then(|value| value.into_string().ok()).or_else(|| {
        let mut raw = parser.try_raw_args()?;
        let next = raw.peek()?.to_str()?.to_owned();
        if next.starts_with('-') {
            return None;
        }
        raw.next();
        Some(next)
    })
}

fn number(parser: &mut lexopt::Parser, option: &str, min: u64) -> Result<u64, String> {
    let text = value(parser, option)?;
    let number = text.parse::<u64>().map_err(|_| format!("{option} {text:?} is not a whole number"))?;
    if number < min { Err(format!("{option} {number} is too small: use at least {min}")) } else { Ok(number) }
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
