//! A driver receives on two queues: one into host memory, one, with header split, into device memory that the CPU
//! cannot read. Every byte is checked by who may read it: the host, and the "GPU" that owns the device memory.
#![forbid(unsafe_code)]

mod args;
mod check;
mod digest;
mod report;
mod rig;

use std::process::ExitCode;

/// What is wrong with what was asked for. Status 2.
pub(crate) const BAD_INPUT: u8 = 2;
/// A byte differed, or something leaked. Status 1.
pub(crate) const WRONG: u8 = 1;

const HELP: &str = "\
Receive packets on two queues: queue 0 into host memory, queue 1 into memory of
a provider, device memory that the CPU cannot read unless told otherwise, with
headers split off to host memory.

usage: receive [OPTIONS]

traffic (the first is the default)
  --packets N        how many packets to receive [1000000; with --tap 100]
  --seed N           what the generator makes [1]
  --size N|MIN..MAX  bytes of UDP payload, 16 to 9170 [64..1472]
  --pcap FILE        receive the frames of a capture (pcap or pcapng, Ethernet)
  --tap [NAME]       receive what this machine sends to a TAP device
  --ports P0,P1      UDP or TCP destination ports of the queues [5001,5002];
                     frames of a capture for neither go to queue 0

memory
  --dma KIND         coherent, bounce or iommu [coherent];
                     bounce-without-sync must report wrong bytes
  --provider KIND    page, huge, dmabuf or zcrx: what queue 1 has [dmabuf]
  --rebind N         N times, bind it to queue 1 and unbind it, as packets come
                     in; queue 1 has pages before, in between and after
  --device-memory K  KiB of device memory, or of the program's [65536]
  --niov-size N      bytes of a net_iov, 4096 or a larger power of two [4096]
  --hostile N        every N frames the device reports a completion that does
                     not fit what was posted

output
  --json             one JSON object instead of tables
  -h, --help         this text

status: 0 every byte arrived and nothing leaked, 1 not so, 2 bad input
";

fn main() -> ExitCode {
    let args = match args::parse(HELP, std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("receive: {error}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match rig::run(&args) {
        Ok(report) => {
            report.print(args.json);
            match report.verdict() {
                Ok(()) => ExitCode::SUCCESS,
                Err(wrong) => {
                    eprintln!("receive: {wrong}");
                    ExitCode::from(WRONG)
                }
            }
        }
        Err(error) => {
            eprintln!("receive: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
