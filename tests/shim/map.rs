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

    /// The type that makes it unnecessary.
    fn not_needed(&self) -> Option<&str> {
        self.idiom.strip_prefix("not needed: ")
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

/// The public functions of the shim, with the file that they are in. A name that is an alias of one leads to the file and the
/// function. What the shim re-exports of `mm` is one of its functions.
fn functions() -> BTreeMap<String, String> {
    fn names(tree: &syn::UseTree, out: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => names(&path.tree, out),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, out)),
            syn::UseTree::Name(name) => out.push(name.ident.to_string()),
            _ => {}
        }
    }
    let mut functions = BTreeMap::new();
    for entry in fs::read_dir(root().join("src/shim")).expect("src/shim is there") {
        let path = entry.expect("src/shim can be read").path();
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).expect("the shim parses");
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        for item in file.items {
            match item {
                syn::Item::Fn(function) => {
                    let name = function.sig.ident.to_string();
                    for attr in function.attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
                        let syn::Meta::List(list) = &attr.meta else { continue };
                        let alias = list.tokens.to_string();
                        let alias = alias.split('"').nth(1).expect("an alias is in quotes").to_owned();
                        functions.insert(alias, format!("{stem}, as `{name}`"));
                    }
                    functions.insert(name, stem.clone());
                }
                syn::Item::Use(import) if matches!(import.vis, syn::Visibility::Public(_)) => {
                    let mut all = Vec::new();
                    names(&import.tree, &mut all);
                    functions.extend(all.into_iter().map(|name| (name, "mm".to_owned())));
                }
                _ => {}
            }
        }
    }
    functions
}

/// What follows each alias of a helper's name in src, up to the end of the item's first line.
fn aliased(name: &str) -> Vec<String> {
    fn read(dir: &Path, out: &mut String) {
        for entry in fs::read_dir(dir).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                read(&path, out);
            } else {
                out.push_str(&fs::read_to_string(&path).expect("src can be read"));
            }
        }
    }
    let mut text = String::new();
    read(&root().join("src"), &mut text);
    let alias = format!("#[doc(alias = \"{name}\")]");
    let item = |rest: &str| rest.lines().map(str::trim).find(|line| line.starts_with("pub ")).unwrap_or("").to_string();
    text.match_indices(&alias).map(|(at, _)| item(&text[at..])).collect()
}

#[test]
fn the_shim_has_the_helpers_that_drivers_call() {
    let (helpers, functions) = (helpers(), functions());
    let total: u32 = helpers.iter().map(|helper| helper.calls).sum();
    assert_eq!((helpers.len(), total), (80, 1509), "docs/helpers.tsv lacks helpers");
    let (mut count, mut calls, mut left_out) = (0, 0, Vec::new());
    let (mut needless, mut needless_calls) = (0, 0);
    for helper in &helpers {
        if helper.is_left_out() {
            assert!(!helper.note.is_empty(), "{} is left out without a reason", helper.name);
            assert!(!functions.contains_key(&helper.name), "{} is said to be left out, and is there", helper.name);
            left_out.push(format!("{} ({}): {}", helper.name, helper.calls, helper.note));
        } else if let Some(by) = helper.not_needed() {
            assert!(!helper.note.is_empty(), "{} is not needed, and nothing says why", helper.name);
            assert!(!functions.contains_key(&helper.name), "{} is said to be needless, and is there", helper.name);
            let items = aliased(&helper.name);
            let found = items.iter().any(|item| item.contains(&format!("{by};")));
            assert!(found, "the search for {} does not find {by}: {items:?}", helper.name);
            needless += 1;
            needless_calls += helper.calls;
        } else {
            assert!(functions.contains_key(&helper.name), "src/shim has no {}", helper.name);
            count += 1;
            calls += helper.calls;
        }
    }
    // Past the capture of the test harness: whoever runs the tests is to see it.
    let text = format!(
        "\nshim: helpers {count} of 80, call sites {calls} of 1509; not needed: {needless}, call sites {needless_calls}; left \
             out: {}\n",
        left_out.join("; ")
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
    assert_eq!(needless, 5);
    assert!(count >= 71 && calls >= 1405, "too much is left out: {count} helpers, {calls} call sites");
    let (count, calls) = (count + needless, calls + needless_calls);
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
            plain if plain.starts_with("drop") => plain.to_string(),
            needless if needless.starts_with("not needed: ") => needless.replace(": ", ": `") + "`",
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
