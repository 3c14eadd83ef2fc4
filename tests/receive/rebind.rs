//! Memory that is bound while packets come in: it meets packets, or that is said.

use crate::made::{Packet, Pcap, frame, frames, write};
use crate::{json, run, run_input};

#[test]
fn each_binding_meets_packets_of_a_capture() {
    let many = Pcap::default().file(&frames(400));
    let few = Pcap::default().file(&frames(14));
    for (name, bytes, rebinds) in [("many", &many, &["1", "3", "40"][..]), ("few", &few, &["1", "3"])] {
        let file = write(&format!("rebind-{name}.pcap"), bytes);
        for rebind in rebinds {
            for provider in ["dmabuf", "zcrx", "page", "huge"] {
                if provider == "zcrx" && *rebind != "1" {
                    continue;
                }
                let args = ["--rebind", rebind, "--provider", provider, "--dma", "bounce", "--json", "--pcap"];
                // A pipe does not say how much comes.
                let file = run(&[&args[..], &[file.as_str()]].concat());
                let pipe = run_input(&[&args[..], &["-"]].concat(), bytes);
                for output in [file, pipe] {
                    assert!(output.status.success(), "{output:?}");
                    let report = json(&output);
                    assert_eq!(report["rebinds"].to_string(), *rebind, "{report}");
                    assert_eq!(report["rebinds"], report["rebinds_wanted"]);
                    let unreadable = report["queues"][1]["device_bytes"].as_u64().unwrap();
                    assert_eq!(unreadable != 0, ["dmabuf", "zcrx"].contains(&provider), "{provider}: {report}");
                }
            }
        }
    }
}

#[test]
fn a_binding_that_meets_nothing_is_not_counted() {
    // Nothing for queue 1; or a packet without payload, of which no byte reaches what is bound.
    let nothing: Vec<Packet> = (0..50).map(|i| frame(5001, i).into()).collect();
    let empty: Vec<Packet> = (0..50).map(|_| frame(5002, 0).into()).collect();
    for (name, packets) in [("nothing", nothing), ("empty", empty)] {
        let file = write(&format!("rebind-{name}.pcap"), &Pcap::default().file(&packets));
        let output = run(&["--rebind", "3", "--pcap", &file, "--json"]);
        let report = json(&output);
        assert!(output.status.success(), "{report}");
        assert_eq!((&report["rebinds"], &report["rebinds_wanted"]), (&0.into(), &3.into()));
        assert_eq!(report["queues"][1]["device_bytes"], 0);
        let summary = report["summary"].as_str().unwrap();
        assert!(summary.ends_with("; only 0 of 3 bindings met a packet, as too few came for queue 1"), "{summary}");
    }
    // More bindings than packets.
    let file = write("rebind-more.pcap", &Pcap::default().file(&frames(20)));
    let report = json(&run(&["--rebind", "1000", "--pcap", &file, "--json"]));
    let met = report["rebinds"].as_u64().unwrap();
    assert!((1..=10).contains(&met), "{report}");
    assert!(report["summary"].as_str().unwrap().contains(&format!("only {met} of 1000 bindings met")), "{report}");
}

#[test]
fn bindings_are_spread_over_generated_packets() {
    for (provider, rebind, dma) in
        [("dmabuf", "20", "iommu"), ("huge", "5", "bounce"), ("page", "5", "coherent"), ("zcrx", "1", "bounce")]
    {
        let args = ["--packets", "4000", "--provider", provider, "--rebind", rebind, "--dma", dma, "--json"];
        let output = run(&args);
        assert!(output.status.success(), "{output:?}");
        let report = json(&output);
        assert_eq!((report["rebinds"].to_string().as_str(), &report["verdict"]), (rebind, &"ok".into()));
        let queue = &report["queues"][1];
        let (all, unreadable) = (queue["bytes"].as_u64().unwrap(), queue["device_bytes"].as_u64().unwrap());
        assert_eq!(unreadable != 0, ["dmabuf", "zcrx"].contains(&provider), "{provider}: {unreadable}");
        // About as long bound as not.
        assert!(unreadable == 0 || (all / 5..all * 4 / 5).contains(&unreadable), "{unreadable} of {all}");
    }
}
