//! The page helpers as source: one cast and one call each.

use std::fs;
use std::path::Path;
use syn::{Expr, Item, ItemFn, Stmt};

/// Why a function is more than a cast and a call.
fn fault(function: &ItemFn) -> Option<String> {
    let [Stmt::Expr(body, None)] = &function.block.stmts[..] else { return Some("more than one expression".into()) };
    let Expr::Call(call) = body else { return Some("its body is not a call".into()) };
    let Expr::Path(callee) = &*call.func else { return Some("it calls something that has no name".into()) };
    let module = &callee.path.segments[0].ident;
    if callee.path.segments.len() != 2 || (module != "page_pool" && module != "netmem") {
        return Some("it calls no helper for netmem".into());
    }
    call.args.iter().find_map(|argument| (!is_cast(argument)).then(|| "an argument is more than a cast".into()))
}

/// A parameter, as it is or cast: `x`, `x.into()`, `NetmemRef::<Page>::from(x)`.
fn is_cast(argument: &Expr) -> bool {
    match argument {
        Expr::Path(path) => path.path.get_ident().is_some(),
        Expr::MethodCall(call) => call.args.is_empty() && call.method == "into" && is_cast(&call.receiver),
        Expr::Call(call) => match (&*call.func, call.args.first()) {
            (Expr::Path(path), Some(Expr::Path(_))) if call.args.len() == 1 => {
                let names: Vec<_> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                names == ["NetmemRef", "from"]
            }
            _ => false,
        },
        _ => false,
    }
}

#[test]
fn page_helpers_are_one_cast_and_one_call() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shim/page.rs");
    let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    let mut count = 0;
    for item in &file.items {
        match item {
            Item::Fn(function) => {
                let name = &function.sig.ident;
                assert_eq!(fault(function), None, "{name} has grown: keep it at one cast and one call");
                count += 1;
            }
            Item::Use(_) => {}
            _ => panic!("src/shim/page.rs has something besides helpers"),
        }
    }
    println!("page helpers: {count}, each one cast and one call");
    assert!(count >= 12);
}

/// The check itself: what it must refuse.
#[test]
fn a_helper_that_grows_is_noticed() {
    for grown in [
        "fn f(page: P) { log(); page_pool::put(page) }",
        "fn f(page: P) -> u32 { page_pool::size(page) + 1 }",
        "fn f(page: P) { page_pool::put(fix(page)) }",
        "fn f(page: P) { if page.ok() { page_pool::put(page) } }",
        "fn f(page: P) { page.put() }",
    ] {
        assert!(fault(&syn::parse_str(grown).unwrap()).is_some(), "{grown}");
    }
    assert_eq!(fault(&syn::parse_str("fn f(page: P) { page_pool::put(page.into()) }").unwrap()), None);
}
