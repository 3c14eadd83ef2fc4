//! What a signature says of memory: which kinds go in, and which come out.
//!
//! Kinds may be open: `Frag<K>` is a frag of each kind that `K: Kind` allows. So a signature is looked at once for each
//! choice of its kinds, as the compiler would.

use rustdoc_types::{
    AssocItemConstraintKind, Crate, GenericArg, GenericArgs, GenericBound, GenericParamDefKind, Generics, Id, Impl,
    ItemEnum, ItemSummary, Path, Term, Type, WherePredicate,
};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of memory; `PageOrIov` may be a net_iov and counts as one that goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Memory {
    Page,
    NetIov,
    PageOrIov,
}

use Memory::{NetIov, Page, PageOrIov};

/// The types of netmem that are memory of one kind, whatever their arguments. The others say it by an argument.
const NAMES: [(&str, Memory); 12] = [
    ("Page", Page),
    ("PageRef", Page),
    ("FreePage", Page),
    ("MmFrag", Page),
    ("NetIov", NetIov),
    ("FreeIov", NetIov),
    ("NetIovArea", NetIov),
    ("BoundFrag", NetIov),
    ("PageOrIov", PageOrIov),
    // The view of both (C3), and a packet's frag of any origin.
    ("NetmemDesc", PageOrIov),
    ("SkbFrag", PageOrIov),
    ("FragRef", PageOrIov),
];

/// What types mention.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    pub(crate) kinds: BTreeSet<Memory>,
    /// Kinds that a closure among them takes: they go the other way.
    pub(crate) turned: BTreeSet<Memory>,
    /// Bytes, and whether they stand in an `Option` or a `Result`.
    pub(crate) bytes: bool,
    pub(crate) checked_bytes: bool,
    /// Bytes that a closure among them takes.
    pub(crate) turned_bytes: bool,
}

/// A function under one choice of its kinds.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) id: Id,
    /// The choice, as `K = NetIov`.
    pub(crate) choice: String,
    pub(crate) inputs: BTreeSet<Memory>,
    pub(crate) outputs: BTreeSet<Memory>,
    pub(crate) bytes: bool,
    pub(crate) checked_bytes: bool,
}

impl Signature {
    pub(crate) fn takes_net_iov(&self) -> bool {
        self.inputs.contains(&NetIov) || self.inputs.contains(&PageOrIov)
    }
}

/// Crates that are looked at together: what one of them names of another is found there.
pub(crate) struct World<'k> {
    krates: Vec<&'k Crate>,
    /// What they define, by name.
    definitions: BTreeMap<&'k str, Vec<(&'k ItemSummary, &'k Crate, Id)>>,
}

impl<'k> World<'k> {
    pub(crate) fn new(krates: impl IntoIterator<Item = &'k Crate>) -> Self {
        let krates: Vec<_> = krates.into_iter().collect();
        let mut definitions = BTreeMap::<_, Vec<_>>::new();
        for krate in &krates {
            for (id, summary) in krate.paths.iter().filter(|(_, summary)| summary.crate_id == 0) {
                let name = summary.path.last().map_or("", String::as_str);
                definitions.entry(name).or_default().push((summary, *krate, *id));
            }
        }
        World { krates, definitions }
    }

    /// The crate that defines what `at` calls `id`, and its own number for it. `id` itself when no crate here does.
    ///
    /// A crate knows its own items by the path that it shows, and those of others by the path of the definition, which
    /// has the private modules in between.
    fn resolve(&self, at: &'k Crate, id: Id) -> (&'k Crate, Id) {
        let Some(summary) = at.paths.get(&id).filter(|summary| summary.crate_id != 0) else { return (at, id) };
        let name = summary.path.last().map_or("", String::as_str);
        let is_shown = |shown: &ItemSummary| {
            let mut defined = summary.path.iter();
            shown.kind == summary.kind && shown.path.iter().all(|part| defined.any(|own| own == part))
        };
        let found = self.definitions.get(name).into_iter().flatten().filter(|(shown, ..)| is_shown(shown));
        found.max_by_key(|(shown, ..)| shown.path.len()).map_or((at, id), |(_, krate, id)| (*krate, *id))
    }
}

/// Every public function, method and trait method of `krate`, which is of `world`, under every choice of kinds.
pub(crate) fn signatures(world: &World<'_>, krate: &Crate) -> Vec<Signature> {
    let krate = world.krates.iter().find(|own| std::ptr::eq(**own, krate)).expect("the crate is one of the world");
    let (mut found, mut members) = (Vec::new(), BTreeSet::<Id>::new());
    let own: BTreeMap<_, _> = krate.index.iter().filter(|(_, item)| item.crate_id == 0).collect();
    for item in own.values() {
        let (generics, items, this) = match &item.inner {
            ItemEnum::Impl(block) => (&block.generics, &block.items, Some(&block.for_)),
            ItemEnum::Trait(definition) => (&definition.generics, &definition.items, None),
            _ => continue,
        };
        members.extend(items);
        // What the compiler or another crate implements for all types follows from what is implemented here.
        if matches!(&item.inner, ItemEnum::Impl(block) if block.is_synthetic || block.blanket_impl.is_some()) {
            continue;
        }
        let assoc = assoc_types(krate, items);
        for id in items {
            found.extend(of_function(world, krate, *id, &[generics], this, &assoc));
        }
    }
    for id in own.keys().filter(|id| !members.contains(*id)) {
        found.extend(of_function(world, krate, **id, &[], None, &BTreeMap::new()));
    }
    found
}

fn assoc_types<'k>(krate: &'k Crate, items: &[Id]) -> BTreeMap<&'k str, &'k Type> {
    let items = items.iter().filter_map(|id| krate.index.get(id));
    let types = items.filter_map(|item| match &item.inner {
        ItemEnum::AssocType { type_: Some(ty), .. } => Some((item.name.as_deref()?, ty)),
        _ => None,
    });
    types.collect()
}

fn of_function<'k>(
    world: &World<'k>,
    krate: &'k Crate,
    id: Id,
    outer: &[&'k Generics],
    this: Option<&'k Type>,
    assoc: &BTreeMap<&'k str, &'k Type>,
) -> Vec<Signature> {
    let Some(ItemEnum::Function(function)) = krate.index.get(&id).map(|item| &item.inner) else { return Vec::new() };
    let mut walk = Walk {
        world,
        home: krate,
        krate,
        this,
        assoc,
        bounds: BTreeMap::new(),
        choice: BTreeMap::new(),
        open: BTreeMap::new(),
    };
    for generics in outer.iter().copied().chain([&function.generics]) {
        walk.declare(generics);
    }
    let look = |walk: &mut Walk<'k, '_>| {
        let (mut taken, mut given) = (Mentions::default(), Mentions::default());
        for (_, ty) in &function.sig.inputs {
            walk.mentions(ty, false, &mut taken, 0);
        }
        if let Some(ty) = &function.sig.output {
            walk.mentions(ty, false, &mut given, 0);
        }
        let inputs = taken.kinds.union(&given.turned).copied().collect();
        let outputs = given.kinds.union(&taken.turned).copied().collect();
        let choice: Vec<_> = walk.choice.iter().map(|(name, kind)| format!("{name} = {kind:?}")).collect();
        let (bytes, checked_bytes) = (given.bytes || taken.turned_bytes, given.checked_bytes);
        Signature { id, choice: choice.join(", "), inputs, outputs, bytes, checked_bytes }
    };
    // The first look finds the open kinds, the others choose.
    let first = look(&mut walk);
    let open: Vec<_> = std::mem::take(&mut walk.open).into_iter().collect();
    if open.is_empty() {
        return vec![first];
    }
    let choices = open.iter().fold(vec![BTreeMap::new()], |choices, (name, domain)| {
        let more = |choice: BTreeMap<String, Memory>| {
            domain.iter().map(move |kind| choice.clone().into_iter().chain([(name.clone(), *kind)]).collect())
        };
        choices.into_iter().flat_map(more).collect()
    });
    let choices = choices.into_iter().map(|choice| {
        walk.choice = choice;
        look(&mut walk)
    });
    choices.collect()
}

/// One function's names while its types are walked.
struct Walk<'k, 'a> {
    world: &'a World<'k>,
    /// The crate of the function.
    home: &'k Crate,
    /// The crate of the type that is looked at.
    krate: &'k Crate,
    this: Option<&'k Type>,
    assoc: &'a BTreeMap<&'k str, &'k Type>,
    bounds: BTreeMap<&'k str, Vec<&'k GenericBound>>,
    choice: BTreeMap<String, Memory>,
    open: BTreeMap<String, BTreeSet<Memory>>,
}

impl<'k> Walk<'k, '_> {
    /// Looks at types of another crate.
    fn within<R>(&mut self, krate: &'k Crate, look: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.krate, krate);
        let result = look(self);
        self.krate = before;
        result
    }

    fn declare(&mut self, generics: &'k Generics) {
        for param in &generics.params {
            if let GenericParamDefKind::Type { bounds, .. } = &param.kind {
                self.bounds.entry(&param.name).or_default().extend(bounds);
            }
        }
        for predicate in &generics.where_predicates {
            if let WherePredicate::BoundPredicate { type_: Type::Generic(name), bounds, .. } = predicate {
                self.bounds.entry(name).or_default().extend(bounds);
            }
        }
    }

    /// The kinds that all these bounds leave, or nothing if none of them is about kinds.
    fn domain<'b>(&self, bounds: impl IntoIterator<Item = &'b GenericBound>) -> Option<BTreeSet<Memory>> {
        let sets = bounds.into_iter().filter_map(|bound| match bound {
            GenericBound::TraitBound { trait_, .. } => self.implementors(trait_.id),
            _ => None,
        });
        sets.reduce(|left, right| left.intersection(&right).copied().collect())
    }

    /// The kinds that implement a trait of kinds: `Kind`, or one that demands it.
    fn implementors(&self, id: Id) -> Option<BTreeSet<Memory>> {
        let (krate, id) = self.world.resolve(self.krate, id);
        let ItemEnum::Trait(definition) = &krate.index.get(&id)?.inner else { return None };
        let is_kind = |id: &Id| krate.paths.get(id).is_some_and(|it| it.path.last().is_some_and(|name| name == "Kind"));
        let demands = definition.bounds.iter().any(|bound| match bound {
            GenericBound::TraitBound { trait_, .. } => is_kind(&trait_.id),
            _ => false,
        });
        if !is_kind(&id) && !demands {
            return None;
        }
        // The kinds are sealed, so no other crate has more of them.
        let kinds = impls(krate).filter(|block| block.trait_.as_ref().is_some_and(|of| of.id == id));
        Some(kinds.filter_map(|block| self.marker(krate, &block.for_)).collect())
    }

    /// `Page`, `NetIov` or `PageOrIov`, as kinds.
    fn marker(&self, krate: &'k Crate, ty: &Type) -> Option<Memory> {
        let Type::ResolvedPath(path) = ty else { return None };
        match self.own_name(krate, path)? {
            "Page" => Some(Page),
            "NetIov" => Some(NetIov),
            "PageOrIov" => Some(PageOrIov),
            _ => None,
        }
    }

    fn own_name(&self, krate: &'k Crate, path: &Path) -> Option<&'k str> {
        let (krate, id) = self.world.resolve(krate, path.id);
        let summary = krate.paths.get(&id).filter(|summary| summary.crate_id == 0)?;
        summary.path.last().map(String::as_str)
    }

    fn mentions(&mut self, ty: &'k Type, checked: bool, out: &mut Mentions, depth: u32) {
        // Types that name themselves in their bounds end here.
        if depth > 12 {
            return;
        }
        let deeper = depth + 1;
        match ty {
            Type::ResolvedPath(path) => self.path(path, checked, out, deeper),
            Type::Generic(name) => self.generic(name, checked, out, deeper),
            Type::QualifiedPath { name, self_type, trait_, .. } => {
                self.projection(name, self_type, trait_.as_ref(), checked, out, deeper);
            }
            Type::Slice(inner) if **inner == Type::Primitive("u8".into()) => {
                out.bytes |= !checked;
                out.checked_bytes |= checked;
            }
            Type::Slice(inner) | Type::Array { type_: inner, .. } | Type::Pat { type_: inner, .. } => {
                self.mentions(inner, checked, out, deeper);
            }
            Type::RawPointer { type_, .. } | Type::BorrowedRef { type_, .. } => {
                self.mentions(type_, checked, out, deeper)
            }
            Type::Tuple(types) => types.iter().for_each(|ty| self.mentions(ty, checked, out, deeper)),
            Type::DynTrait(object) => object.traits.iter().for_each(|of| self.args(&of.trait_, checked, out, deeper)),
            Type::ImplTrait(bounds) => self.bounds(bounds, checked, out, deeper),
            Type::FunctionPointer(pointer) => {
                let inputs: Vec<_> = pointer.sig.inputs.iter().map(|(_, ty)| ty).collect();
                self.closure(&inputs, pointer.sig.output.as_ref(), out, deeper);
            }
            Type::Primitive(_) | Type::Infer => {}
        }
    }

    fn path(&mut self, path: &'k Path, checked: bool, out: &mut Mentions, depth: u32) {
        let own = self.own_name(self.krate, path);
        out.kinds.extend(own.and_then(|own| NAMES.iter().find(|(name, _)| *name == own)).map(|(_, kind)| *kind));
        let last = path.path.rsplit("::").next();
        if last == Some("Vec") && own.is_none() && format!("{:?}", path.args).contains("\"u8\"") {
            out.bytes |= !checked;
            out.checked_bytes |= checked;
        }
        self.args(path, checked || matches!(last, Some("Option" | "Result")) && own.is_none(), out, depth);
        // Arguments that are left out are the defaults: `Netmem` is `Netmem<PageOrIov>`.
        let given = match path.args.as_deref() {
            Some(GenericArgs::AngleBracketed { args, .. }) => {
                args.iter().filter(|arg| matches!(arg, GenericArg::Type(_))).count()
            }
            _ => 0,
        };
        let (krate, id) = self.world.resolve(self.krate, path.id);
        let Some(item) = krate.index.get(&id) else { return };
        let generics = match &item.inner {
            ItemEnum::Struct(it) => &it.generics,
            ItemEnum::Enum(it) => &it.generics,
            ItemEnum::TypeAlias(it) => {
                self.within(krate, |walk| walk.mentions(&it.type_, checked, out, depth));
                &it.generics
            }
            _ => return,
        };
        let types = generics.params.iter().filter_map(|param| match &param.kind {
            GenericParamDefKind::Type { default, .. } => Some(default),
            _ => None,
        });
        for default in types.skip(given).flatten() {
            self.within(krate, |walk| walk.mentions(default, checked, out, depth));
        }
    }

    fn args(&mut self, path: &'k Path, checked: bool, out: &mut Mentions, depth: u32) {
        match path.args.as_deref() {
            Some(GenericArgs::AngleBracketed { args, constraints }) => {
                for arg in args {
                    if let GenericArg::Type(ty) = arg {
                        self.mentions(ty, checked, out, depth);
                    }
                }
                for constraint in constraints {
                    match &constraint.binding {
                        AssocItemConstraintKind::Equality(Term::Type(ty)) => self.mentions(ty, checked, out, depth),
                        AssocItemConstraintKind::Equality(Term::Constant(_)) => {}
                        AssocItemConstraintKind::Constraint(bounds) => self.bounds(bounds, checked, out, depth),
                    }
                }
            }
            Some(GenericArgs::Parenthesized { inputs, output }) => {
                self.closure(&inputs.iter().collect::<Vec<_>>(), output.as_ref(), out, depth);
            }
            Some(GenericArgs::ReturnTypeNotation) | None => {}
        }
    }

    /// A function among the arguments is given what it takes.
    fn closure(&mut self, inputs: &[&'k Type], output: Option<&'k Type>, out: &mut Mentions, depth: u32) {
        let (mut taken, mut given) = (Mentions::default(), Mentions::default());
        inputs.iter().for_each(|ty| self.mentions(ty, false, &mut taken, depth));
        output.iter().for_each(|ty| self.mentions(ty, false, &mut given, depth));
        out.turned_bytes |= taken.bytes;
        out.turned.extend(taken.kinds.union(&given.turned));
        out.kinds.extend(given.kinds.union(&taken.turned));
    }

    fn bounds(&mut self, bounds: &'k [GenericBound], checked: bool, out: &mut Mentions, depth: u32) {
        for bound in bounds {
            if let GenericBound::TraitBound { trait_, .. } = bound {
                self.args(trait_, checked, out, depth);
            }
        }
    }

    fn generic(&mut self, name: &'k str, checked: bool, out: &mut Mentions, depth: u32) {
        if let ("Self", Some(this)) = (name, self.this) {
            return self.within(self.home, |walk| walk.mentions(this, checked, out, depth));
        }
        let bounds = self.bounds.get(name).cloned().unwrap_or_default();
        self.within(self.home, |walk| {
            if let Some(domain) = walk.domain(bounds.iter().copied()) {
                return walk.open(name.into(), domain, out);
            }
            for bound in bounds {
                if let GenericBound::TraitBound { trait_, .. } = bound {
                    walk.args(trait_, checked, out, depth);
                }
            }
        });
    }

    fn open(&mut self, name: String, domain: BTreeSet<Memory>, out: &mut Mentions) {
        match self.choice.get(&name) {
            Some(kind) => {
                out.kinds.insert(*kind);
            }
            None => {
                self.open.insert(name, domain);
            }
        }
    }

    /// `<This as Trait>::Name`.
    fn projection(
        &mut self,
        name: &'k str,
        this: &'k Type,
        of: Option<&'k Path>,
        checked: bool,
        out: &mut Mentions,
        depth: u32,
    ) {
        let here = self.krate;
        let mut known = None;
        if *this == Type::Generic("Self".into()) {
            known = self.assoc.get(name).map(|ty| (self.home, *ty));
        }
        if known.is_none() {
            // A kind that is open must be chosen first; then it is the type of the chosen kind's impl.
            let kind = match this {
                Type::Generic(this) => {
                    self.generic(this, checked, &mut Mentions::default(), depth);
                    self.choice.get(this).copied()
                }
                _ => self.marker(here, this),
            };
            let world = self.world;
            let same = |one: (&Crate, Id), other: (&Crate, Id)| std::ptr::eq(one.0, other.0) && one.1 == other.1;
            let of = of.map(|of| world.resolve(here, of.id));
            let is_of = |krate, block: &Impl| match (&block.trait_, of) {
                (Some(own), Some(of)) => same(world.resolve(krate, own.id), of),
                (own, of) => own.is_none() && of.is_none(),
            };
            let all = world.krates.iter().flat_map(|krate| impls(krate).map(move |block| (*krate, block)));
            let mut all = all.filter(|(krate, block)| is_of(krate, block));
            let block = match (this, kind) {
                (_, Some(kind)) => all.find(|(krate, block)| self.marker(krate, &block.for_) == Some(kind)),
                (Type::ResolvedPath(path), None) => {
                    let this = world.resolve(here, path.id);
                    all.find(|(krate, block)| {
                        matches!(&block.for_, Type::ResolvedPath(other) if same(world.resolve(krate, other.id), this))
                    })
                }
                _ => None,
            };
            known = block.and_then(|(krate, block)| assoc_types(krate, &block.items).get(name).map(|ty| (krate, *ty)));
        }
        if let Some((krate, ty)) = known {
            return self.within(krate, |walk| walk.mentions(ty, checked, out, depth));
        }
        // `P::Kind`: open as far as the trait's bounds on it leave it open.
        let of = of.map(|of| self.world.resolve(here, of.id));
        let Some((krate, Some(ItemEnum::Trait(definition)))) =
            of.map(|(krate, id)| (krate, krate.index.get(&id).map(|item| &item.inner)))
        else {
            return;
        };
        let items = definition.items.iter().filter_map(|id| krate.index.get(id));
        let mut named = items.filter(|item| item.name.as_deref() == Some(name));
        if let Some(ItemEnum::AssocType { bounds, .. }) = named.next().map(|item| &item.inner) {
            self.within(krate, |walk| {
                if let Some(domain) = walk.domain(bounds) {
                    return walk.open(format!("{this:?}::{name}"), domain, out);
                }
                walk.bounds(bounds, checked, out, depth);
            });
        }
    }
}

/// The impls that somebody wrote.
fn impls(krate: &Crate) -> impl Iterator<Item = &Impl> {
    krate.index.values().filter_map(|item| match &item.inner {
        ItemEnum::Impl(block) if !block.is_synthetic && block.blanket_impl.is_none() => Some(block),
        _ => None,
    })
}
