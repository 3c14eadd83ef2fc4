//! The compile-fail proof suite: `compile-fail/README.md` says how to read it.
//!
//! [`headers_and_goldens`] and [`docs_bugs_md_is_current`] read files, [`refused`] compiles every case with trybuild and compares what
//! rustc says, [`allowed`] compiles every twin, and [`counterfactual`] shows that a missing impl is the only
//! obstacle: with the impl added to a copy of the crate, the very same case compiles.

mod header;
mod history;
mod package;
mod suite;

use history::{History, PAGE, Verdict};
use std::collections::BTreeMap;
use std::io::Write;
use suite::{HISTORY, RULES, RUST, Suite, repository};

fn suite() -> Suite {
    let (suite, complaints) = Suite::read();
    assert!(complaints.is_empty(), "{}", list(&complaints));
    suite
}

fn list(complaints: &[String]) -> String {
    format!("{} complaint(s), paths from compile-fail/:\n- {}", complaints.len(), complaints.join("\n- "))
}

/// Every file says what it is, every golden shows what its case announces, and no rule is forgotten.
#[test]
fn headers_and_goldens() {
    let (suite, mut complaints) = Suite::read();
    complaints.extend(suite.check());
    let (history, more) = History::read();
    complaints.extend(more);
    complaints.extend(history.check(&suite));
    assert!(complaints.is_empty(), "{}", list(&complaints));
    report(&suite, &history);
}

/// `docs/bugs.md` says what the record says. With `NETMEM_BLESS=1` in the environment it is written again.
#[test]
fn docs_bugs_md_is_current() {
    let (history, complaints) = History::read();
    assert!(complaints.is_empty(), "{}", list(&complaints));
    let (page, path) = (history.page(), repository().join(PAGE));
    if std::env::var_os("NETMEM_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "{PAGE} is not what compile-fail/{HISTORY}/rows.tsv says: run `NETMEM_BLESS=1 cargo test -p netmem-compile-fail -- bugs` and read the \
         difference"
    );
}

/// One line a rule. Straight to stderr: libtest shows nothing that a passing test prints.
fn report(suite: &Suite, history: &History) {
    let mut text =
        String::from("\ncompile-fail: cases by rule (lifted by a counterfactual impl + lifted by nothing)\n");
    for rule in RULES {
        let cases: Vec<_> = suite.of(rule.name).collect();
        let liftable = cases.iter().filter(|case| case.header.is_liftable()).count();
        let note = match rule.pending {
            Some(why) if cases.is_empty() => format!("  {why}"),
            _ => String::new(),
        };
        text +=
            &format!("  {:<3} {:>3} = {:>2} + {:>2}{note}\n", rule.name, cases.len(), liftable, cases.len() - liftable);
    }
    text += &format!(
        "  {RUST:<4}{:>2} = {:>2} + {:>2}  the language, in {HISTORY}/ only\n",
        suite.of(RUST).count(),
        0,
        suite.of(RUST).count()
    );
    text += &format!("  all {:>3}\n", suite.cases.len());
    let cases = suite.cases.iter().filter(|case| case.header.history.is_some()).count();
    text += &format!("{HISTORY}: {} rows by verdict, {cases} of the cases above\n", history.rows.len());
    for verdict in Verdict::ALL {
        text += &format!("  {:<8} {:>2}\n", verdict.name(), history.of(verdict).count());
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// rustc refuses every case, in the words of its golden.
///
/// One twin is among them and passes: with it trybuild builds all of them instead of checking types only, so that a case
/// may also be refused where code is generated (a constant that fails in a generic function). The other twins are in
/// [`allowed`]. `-- refused trybuild=C1` compiles those with `C1` in their path.
#[test]
fn refused() {
    let cases = suite().cases;
    // trybuild passes when its filter leaves nothing.
    let filters = std::env::args().filter_map(|arg| Some(arg.strip_prefix("trybuild=")?.to_owned()));
    for filter in filters {
        let named = |case: &suite::Case| case.path.to_string_lossy().contains(&filter);
        assert!(cases.iter().any(named), "trybuild={filter}: no case has that in its path");
    }
    let tests = trybuild::TestCases::new();
    tests.pass("C1/into.ok.rs");
    for case in &cases {
        tests.compile_fail(&case.path);
    }
}

/// Every twin compiles against the crate as it is.
#[test]
fn allowed() {
    let suite = suite();
    let package = package::Package::new("allowed");
    let twins: BTreeMap<String, _> = suite.cases.iter().map(|case| (case.id(), case.twin())).collect();
    let outcome = package.check(repository(), &twins);
    let refused = twins.iter().filter(|(id, _)| !outcome.binary(id));
    let complaints: Vec<_> = refused
        .map(|(_, twin)| {
            format!("{}: refused: a rule forbids more than it should, or the twin is out of date", twin.display())
        })
        .collect();
    assert!(complaints.is_empty(), "{}\n{}", list(&complaints), outcome.stderr);
}

/// With the forbidden impls of its rule added to a copy of the crate, every case that an impl can lift compiles.
#[test]
fn counterfactual() {
    let suite = suite();
    let mut complaints = Vec::new();
    let mut said = String::new();
    for rule in RULES {
        let cases: BTreeMap<String, _> = suite
            .of(rule.name)
            .filter(|case| case.header.is_liftable())
            .map(|case| (case.id(), case.path.clone()))
            .collect();
        if cases.is_empty() {
            continue;
        }
        let impls = suite.counterfactual(rule.name);
        let [crate_, consumers] = impls.each_ref().map(|impls| std::fs::read_to_string(impls).ok());
        let names: Vec<_> = impls.iter().filter(|impls| impls.exists()).map(|it| it.display().to_string()).collect();
        let names = names.join(" and ");
        if names.is_empty() {
            complaints.push(format!(
                "{}: missing: write the impls that rule {} forbids, or mark its cases `lifted by: nothing (why)`",
                impls[0].display(),
                rule.name
            ));
            continue;
        }
        let package = package::Package::new(&format!("counterfactual/{}", rule.name));
        let outcome = package.check(&package.copy_crate(crate_.as_deref(), consumers.as_deref()), &cases);
        let before = complaints.len();
        if outcome.libraries(consumers.is_some()) {
            complaints.extend(cases.iter().filter(|(id, _)| !outcome.binary(id)).map(|(_, path)| {
                format!(
                    "{}: still refused with the impls of {names}: add the impl it asks for there, or find out what else is \
                     in its way",
                    path.display()
                )
            }));
        } else {
            complaints.push(format!(
                "{names}: the crate does not compile with these impls in it: the crate has changed, or two impls overlap"
            ));
        }
        if complaints.len() > before {
            said += &outcome.stderr;
        }
    }
    assert!(complaints.is_empty(), "{}\n{said}", list(&complaints));
}
