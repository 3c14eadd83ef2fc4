//! docs/api.txt, api-consumers.txt, api-drivers.txt and api-sim.txt are the public APIs: what changes there is seen by whoever reads the change.

use crate::json::{Api, apis, root};
use rustdoc_types::{Attribute, Id};
use std::collections::HashSet;
use std::{env, fs};

/// Traits that the compiler or a derive adds and nobody here relies on. `Send` and `Sync` are rules (N2), so they stay.
const NOISE: [&str; 9] = [
    "core::clone::TrivialClone for ",
    "core::cmp::Eq for ",
    "core::marker::Freeze for ",
    "core::marker::StructuralPartialEq for ",
    "core::marker::Unpin for ",
    "core::marker::UnsafeUnpin for ",
    "core::panic::unwind_safe::RefUnwindSafe for ",
    "core::panic::unwind_safe::UnwindSafe for ",
    "zerocopy::HasTag for ",
];

/// Functions and types that follow from the `impl` line above them.
const FOLLOWS: [&str; 13] = [
    "::clone(&self) -> ",
    "::default() -> ",
    "::eq(&self, ",
    "::fmt(&self, ",
    "::hash<",
    "::LAYOUT: zerocopy::",
    "::MaybeUninit = __Zerocopy",
    "::ProjectToTag = zerocopy::",
    "::Tag = ()",
    "::is_safe<___ZcAlignment>",
    "::only_derive_is_allowed_to_implement_this_trait()",
    "::pointer_to_metadata(",
    "::raw_from_ptr_len(",
];

/// What rustdoc leaves out of the pages. The tests of signatures see it; it is no part of what is promised.
fn is_hidden(api: &Api, id: Id) -> bool {
    let attrs = api.krate.index.get(&id).map_or(&[][..], |item| &item.attrs);
    attrs.contains(&Attribute::Other("#[doc(hidden)]".into()))
}

/// One line an item. What has several paths has a line each; its members, whose lines are the same, appear once.
fn text(api: &Api) -> String {
    let mut seen = HashSet::new();
    let mut text =
        String::from("# The public API, one line an item: made by NETMEM_BLESS=1 cargo test --test api snapshot\n");
    for line in api.listing.items().filter(|item| !is_hidden(api, item.id())).map(ToString::to_string) {
        let noise =
            NOISE.iter().any(|noise| line.contains(noise)) || FOLLOWS.iter().any(|follows| line.contains(follows));
        if !noise && seen.insert(line.clone()) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// The lines that only one of the two has.
fn difference(old: &str, new: &str) -> String {
    let (before, after): (HashSet<_>, HashSet<_>) = (old.lines().collect(), new.lines().collect());
    let gone = old.lines().filter(|line| !after.contains(line)).map(|line| format!("- {line}\n"));
    let come = new.lines().filter(|line| !before.contains(line)).map(|line| format!("+ {line}\n"));
    gone.chain(come).collect()
}

#[test]
fn the_public_api_is_the_one_written_down() {
    let Some(apis) = apis() else { return };
    let mut wrong = String::new();
    for api in apis {
        let path = root().join(api.golden);
        let new = text(api);
        assert!(new.lines().count() > 100 && new.contains("impl core::marker::Send for netmem"), "too little: {new}");
        if env::var_os("NETMEM_BLESS").is_some() {
            fs::write(&path, &new).expect("docs can be written");
        }
        let old = fs::read_to_string(&path).unwrap_or_default();
        if old != new {
            wrong += &format!("{}:\n{}", api.golden, difference(&old, &new));
        }
    }
    assert!(
        wrong.is_empty(),
        "the public API is not the one written down. If it is meant, run this test with NETMEM_BLESS=1 and read the change: {wrong}"
    );
}
