//! The documents: every link of theirs leads to a file and a heading that are there, and every test they name exists. The
//! comments of the sources: every file that one names is there.

use crate::json::root;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The documents, from the root.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["RFC.md", "README.md", "CONTRIBUTING.md"].iter().map(PathBuf::from).collect();
    for folder in ["docs", "compile-fail"] {
        markdown(Path::new(folder), &mut found);
    }
    found.retain(|path| root().join(path).exists());
    found.sort();
    found
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder of documents can be read") {
        let path = folder.join(entry.expect("its entries can be read").file_name());
        if root().join(&path).is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH)
}

/// What a document refers to.
#[derive(Default)]
struct References {
    links: Vec<String>,
    /// A name in backticks and the file of the link that follows it: "`name` in [`tests/pool.rs`](tests/pool.rs)".
    tests: Vec<(String, String)>,
    /// Where a link may lead inside the document, by GitHub's rule.
    anchors: BTreeSet<String>,
}

fn references(text: &str) -> References {
    let mut found = References::default();
    let mut slugs = BTreeMap::<String, u32>::new();
    let mut heading: Option<String> = None;
    // The names since the last other word, and whether "in" came after them.
    let (mut names, mut is_in) = (Vec::new(), false);
    let mut inside_link = false;
    for event in parser(text) {
        match &event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let count = slugs.entry(slug.clone()).or_default();
                found.anchors.insert(if *count == 0 { slug.clone() } else { format!("{slug}-{count}") });
                *count += 1;
            }
            Event::Text(text) | Event::Code(text) if heading.is_some() => {
                heading.iter_mut().for_each(|heading| heading.push_str(text));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for mark in ["id=\"", "name=\""] {
                    let ids = html.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
                    found.anchors.extend(ids.map(str::to_owned));
                }
            }
            _ => {}
        }
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                inside_link = true;
                if is_in && dest_url.trim_start_matches("../").starts_with("tests/") {
                    found.tests.extend(names.iter().map(|name: &String| (name.clone(), dest_url.to_string())));
                }
                found.links.push(dest_url.into_string());
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                inside_link = false;
                (names, is_in) = (Vec::new(), false);
            }
            Event::Code(code) if !inside_link => {
                if is_in {
                    (names, is_in) = (Vec::new(), false);
                }
                let is_name = code.contains('_')
                    && code.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
                if is_name { names.push(code.into_string()) } else { names.clear() }
            }
            Event::Text(text) if !inside_link => match text.trim() {
                "," | "and" | ", and" => {}
                "in" => is_in = true,
                _ => names.clear(),
            },
            Event::SoftBreak => {}
            _ if !inside_link => (names, is_in) = (Vec::new(), false),
            _ => {}
        }
    }
    found
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// `link` as seen from `document`, without its anchor.
fn target(document: &Path, link: &str) -> PathBuf {
    let path = link.split('#').next().unwrap_or_default();
    if path.is_empty() {
        root().join(document)
    } else {
        root().join(document).parent().expect("it is in a folder").join(path)
    }
}

/// What is wrong with the links of a document.
fn broken(document: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in references(text).links {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let path = target(document, &link);
        let Some((_, anchor)) = link.split_once('#') else {
            if !path.exists() {
                wrong.push(format!("{}: {link} is not there", document.display()));
            }
            continue;
        };
        let anchors = fs::read_to_string(&path).map(|text| references(&text).anchors).unwrap_or_default();
        // A line of a source file, as GitHub marks it.
        let lines = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        let line = anchor.strip_prefix('L').and_then(|it| it.split('-').next()?.parse::<usize>().ok());
        let is_line = line.is_some_and(|line| (1..=lines).contains(&line));
        if !anchors.contains(anchor) && !is_line {
            wrong.push(format!("{}: {link} has no such heading", document.display()));
        }
    }
    wrong
}

/// Whether `path`, or a file in it or in the folder beside it, has a function `name`.
fn has_function(path: &Path, name: &str) -> bool {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder of tests can be read");
        return entries.filter_map(Result::ok).any(|entry| has_function(&entry.path(), name));
    }
    fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {name}(")))
}

fn missing(document: &Path, text: &str) -> Vec<String> {
    let tests = references(text).tests.into_iter();
    let missing = tests.filter(|(name, file)| !has_function(&target(document, file), name));
    missing.map(|(name, file)| format!("{}: no test {name} in {file}", document.display())).collect()
}

/// The folders of the repository. A comment that names a file starts with one of them.
fn folders() -> BTreeSet<String> {
    let entries = fs::read_dir(root()).expect("the repository can be read").filter_map(Result::ok);
    let folders =
        entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok());
    folders.filter(|name| !name.starts_with('.') && name != "target").collect()
}

/// The Rust files below `folder`, as paths from the root.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder of sources can be read") {
        let path = folder.join(entry.expect("its entries can be read").file_name());
        if root().join(&path).is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files that the comments of a source name: words that start with one of `folders`, and are no file of Linux.
fn named<'a>(source: &'a str, folders: &BTreeSet<String>) -> Vec<&'a str> {
    let comments = source.lines().map(str::trim_start).filter(|line| line.starts_with("//"));
    let words = comments.flat_map(|line| line.split(|it: char| !it.is_alphanumeric() && !"/._-*#".contains(it)));
    let paths = words.map(|word| word.split('#').next().unwrap_or_default().trim_end_matches(['.', '/']));
    let paths = paths.map(|path| path.trim_start_matches("../"));
    let ours = paths.filter(|path| path.split_once('/').is_some_and(|(folder, _)| folders.contains(folder)));
    ours.filter(|path| !path.contains('*') && !path.ends_with(".c") && !path.ends_with(".h")).collect()
}

/// What a source names that is neither in the repository nor in the package that the source is of.
fn gone(path: &Path, source: &str, folders: &BTreeSet<String>) -> Vec<String> {
    let package = path.components().next().map(|first| root().join(first)).filter(|it| it.join("Cargo.toml").exists());
    let places = [Some(root().to_owned()), package];
    let is_there = |name: &str| places.iter().flatten().any(|place| place.join(name).exists());
    let gone = named(source, folders).into_iter().filter(|name| !is_there(name));
    gone.map(|name| format!("{}: {name} is not there", path.display())).collect()
}

#[test]
fn every_file_that_a_comment_names_is_there() {
    let folders = folders();
    let mut files = Vec::new();
    folders.iter().for_each(|folder| sources(Path::new(folder), &mut files));
    let all: usize = files.iter().map(|path| named(&read(path), &folders).len()).sum();
    println!("{all} files are named in the comments of {} sources", files.len());
    assert!(all > 50, "few files are seen: {all}");
    let wrong: Vec<_> = files.iter().flat_map(|path| gone(path, &read(path), &folders)).collect();
    assert!(wrong.is_empty(), "files that are not there: {wrong:#?}");
}

#[test]
fn a_file_that_is_gone_is_found() {
    let source = "//! See docs/none.md#here, and [`tests/api`](../../tests/api/links.rs).\n    // net/core/skbuff.c, \
                  kernel/bpf/cpumap.c; tests/*.rs and tests/none.rs.\nlet not = \"tests/never.rs\";\n";
    let gone = gone(Path::new("src/lib.rs"), source, &folders());
    assert_eq!(gone, ["src/lib.rs: docs/none.md is not there", "src/lib.rs: tests/none.rs is not there"]);
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let documents = documents();
    assert!(documents.iter().any(|path| path == Path::new("RFC.md")) && documents.len() > 5, "{documents:?}");
    let links: usize = documents.iter().map(|path| references(&read(path)).links.len()).sum();
    println!("{links} links in {} documents", documents.len());
    assert!(links > 100, "few links are seen: {links}");
    let wrong: Vec<_> = documents.iter().flat_map(|path| broken(path, &read(path))).collect();
    assert!(wrong.is_empty(), "broken links: {wrong:#?}");
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let named: usize = documents().iter().map(|path| references(&read(path)).tests.len()).sum();
    println!("{named} tests are named");
    assert!(named > 30, "few tests are seen: {named}");
    let wrong: Vec<_> = documents().iter().flat_map(|path| missing(path, &read(path))).collect();
    assert!(wrong.is_empty(), "tests that are not there: {wrong:#?}");
}

/// What would be found in a document that is wrong.
#[test]
fn broken_links_and_missing_tests_are_found() {
    let text = "\
# A heading, with `code`\n\n## Twice\n\n## Twice\n\n\
[a](README.md) [b](docs/none.md) [c](#a-heading-with-code) [d](#none) [e](#twice-1) [f](#twice-2) [g](https://example.org)\n\n\
`every_link_of_the_documents_leads_somewhere`, `no_such_test` in [`tests/api`](tests/api); `not_named` of\n\
[`tests/api`](tests/api)\n\n| `no_such_test_either`\u{20}in [`x`](tests/api/links.rs) |\n| --- |\n\n[h](src/lib.rs#L1) [i](src/lib.rs#L99999)\n";
    let document = Path::new("made-up.md");
    fs::metadata(root().join(document)).expect_err("there is no such document");
    let wrong = broken(document, text);
    // Anchors of a document that is not there are missing, so they are looked for in its text here.
    let anchors = references(text).anchors;
    assert!(anchors.contains("a-heading-with-code") && anchors.contains("twice-1") && !anchors.contains("twice-2"));
    assert!(
        wrong.iter().any(|it| it.contains("docs/none.md")) && wrong.iter().any(|it| it.contains("#none")),
        "{wrong:?}"
    );
    assert!(wrong.iter().any(|it| it.contains("#L99999")) && !wrong.iter().any(|it| it.contains("#L1 ")), "{wrong:?}");
    assert!(!wrong.iter().any(|it| it.contains("README.md") || it.contains("example.org")), "{wrong:?}");
    let missing = missing(document, text);
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing.iter().all(|it| it.contains("no_such_test")), "{missing:?}");
}
