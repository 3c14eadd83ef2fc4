//! docs/helpers.tsv against the functions of src/shim, and docs/porting.md against both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// A helper of C's.
struct Helper {
    name: String,
    calls: u32,
    idiom: String,
    note: String,
}

impl Helper {
    fn is_left_out(&self) -> bool {
        self.idiom == "-"
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn helpers() -> Vec<Helper> {
    let text = fs::read_to_string(root().join("docs/helpers.tsv")).expect("docs/helpers.tsv is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, calls, _files, idiom, note] = fields[..] else { panic!("five columns are wanted: {line}") };
        let calls = calls.parse().unwrap_or_else(|_| panic!("not a number of calls: {line}"));
        assert!(!idiom.is_empty(), "{name} has no idiom, and is not left out");
        Helper { name: name.into(), calls, idiom: idiom.into(), note: note.into() }
    };
    lines.map(parse).collect()
}

/// The public functions of the shim, with the file that they are in.
fn functions() -> BTreeMap<String, String> {
    let mut functions = BTreeMap::new();
    for entry in fs::read_dir(root().join("src/shim")).expect("src/shim is there") {
        let path = entry.expect("src/shim can be read").path();
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).expect("the shim parses");
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        for item in file.items {
            if let syn::Item::Fn(function) = item {
                functions.insert(function.sig.ident.to_string(), stem.clone());
            }
        }
    }
    functions
}

#[test]
fn the_shim_has_the_helpers_that_drivers_call() {
    let (helpers, functions) = (helpers(), functions());
    let total: u32 = helpers.iter().map(|helper| helper.calls).sum();
    assert_eq!((helpers.len(), total), (80, 1509), "docs/helpers.tsv lacks helpers");
    let (mut count, mut calls, mut left_out) = (0, 0, Vec::new());
    for helper in &helpers {
        if helper.is_left_out() {
            assert!(!helper.note.is_empty(), "{} is left out without a reason", helper.name);
            assert!(!functions.contains_key(&helper.name), "{} is said to be left out, and is there", helper.name);
            left_out.push(format!("{} ({}): {}", helper.name, helper.calls, helper.note));
        } else {
            assert!(functions.contains_key(&helper.name), "src/shim has no {}", helper.name);
            count += 1;
            calls += helper.calls;
        }
    }
    // Past the capture of the test harness: whoever runs the tests is to see it.
    let text =
        format!("\nshim: helpers {count} of 80, call sites {calls} of 1509; left out: {}\n", left_out.join("; "));
    let _ = std::io::stderr().write_all(text.as_bytes());
    assert!(count >= 76 && calls >= 1480, "too much is left out: {count} helpers, {calls} call sites");
}

/// The map of docs/porting.md, between its two marks.
#[test]
fn the_map_of_porting_md_is_current() {
    const BEGIN: &str = "<!-- the map: made from docs/helpers.tsv by tests/shim -->\n";
    const END: &str = "<!-- end of the map -->\n";
    let (helpers, functions) = (helpers(), functions());
    let mut table = String::from(
        "| C, and the function in `shim` | call sites | idiom | what changed |\n| --- | ---: | --- | --- |\n",
    );
    for Helper { name, calls, idiom, note } in &helpers {
        let idiom = match idiom.as_str() {
            "-" => "left out".into(),
            plain if plain.starts_with("drop") || plain.starts_with("nothing") => plain.to_string(),
            path => format!("`{path}`"),
        };
        let file = functions.get(name).map_or(String::new(), |file| format!(" ({file})"));
        writeln!(table, "| `{name}`{file} | {calls} | {idiom} | {note} |").unwrap();
    }
    let path = root().join("docs/porting.md");
    let text = fs::read_to_string(&path).expect("docs/porting.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("docs/porting.md has the first mark");
    let (old, after) = rest.split_once(END).expect("docs/porting.md has the second mark");
    if std::env::var_os("NETMEM_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert!(old == table, "docs/porting.md is not what docs/helpers.tsv says: run this test with NETMEM_BLESS=1");
    }
}
