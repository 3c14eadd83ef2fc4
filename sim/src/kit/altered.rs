//! A provider with something changed.

use netmem::page_pool::{MemoryKind, MemoryProvider, PagePoolParams, ProviderError, Refill};
use std::fmt;
use std::sync::Arc;

type Free<P> = <<P as MemoryProvider>::Kind as MemoryKind>::Free;
type Init<P> = Box<dyn Fn(&P, &PagePoolParams) -> Result<u32, ProviderError> + Send + Sync>;
type Alloc<P> = Box<dyn Fn(&P, &mut Refill<'_, <P as MemoryProvider>::Kind>) + Send + Sync>;
type Release<P> = Box<dyn Fn(&P, Free<P>) + Send + Sync>;
type Asked<P, T> = Box<dyn Fn(&P) -> T + Send + Sync>;

/// A provider that behaves as another one, except where a test says otherwise.
///
/// Each method replaces the method of the same name. The replacement gets the provider beneath, so it can call that one's
/// method and do something before or after it.
///
/// ```
/// use netmem::mm::Zone;
/// use netmem::page_pool::{PagePoolParams, ProviderError};
/// use netmem::provider::PageProvider;
/// use netmem_sim::conformance::{self, Violation};
/// use netmem_sim::kit::Altered;
///
/// let make = || {
///     let pages = PageProvider::new(Zone::new(512).unwrap());
///     Altered::of(pages).wants_sync(|_| false).into_arc()
/// };
/// let found = conformance::check(make, &PagePoolParams::default()).unwrap_err();
/// assert_eq!(found, Violation::WantsNoSync);
/// ```
pub struct Altered<P: MemoryProvider> {
    beneath: Arc<P>,
    init: Init<P>,
    alloc: Alloc<P>,
    release: Release<P>,
    destroy: Asked<P, ()>,
    uninstall: Asked<P, ()>,
    wants_sync: Asked<P, bool>,
}

impl<P: MemoryProvider + 'static> Altered<P> {
    /// Returns a provider that behaves as `beneath`.
    #[must_use]
    pub fn of(beneath: Arc<P>) -> Self {
        Altered {
            beneath,
            init: Box::new(P::init),
            alloc: Box::new(P::alloc),
            release: Box::new(P::release),
            destroy: Box::new(P::destroy),
            uninstall: Box::new(P::uninstall),
            wants_sync: Box::new(P::wants_sync),
        }
    }

    /// Replaces [`MemoryProvider::init`].
    #[must_use]
    pub fn init(
        mut self,
        init: impl Fn(&P, &PagePoolParams) -> Result<u32, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        self.init = Box::new(init);
        self
    }

    /// Replaces [`MemoryProvider::alloc`].
    #[must_use]
    pub fn alloc(mut self, alloc: impl Fn(&P, &mut Refill<'_, P::Kind>) + Send + Sync + 'static) -> Self {
        self.alloc = Box::new(alloc);
        self
    }

    /// Replaces [`MemoryProvider::release`].
    #[must_use]
    pub fn release(mut self, release: impl Fn(&P, Free<P>) + Send + Sync + 'static) -> Self {
        self.release = Box::new(release);
        self
    }

    /// Replaces [`MemoryProvider::destroy`].
    #[must_use]
    pub fn destroy(mut self, destroy: impl Fn(&P) + Send + Sync + 'static) -> Self {
        self.destroy = Box::new(destroy);
        self
    }

    /// Replaces [`MemoryProvider::uninstall`].
    #[must_use]
    pub fn uninstall(mut self, uninstall: impl Fn(&P) + Send + Sync + 'static) -> Self {
        self.uninstall = Box::new(uninstall);
        self
    }

    /// Replaces [`MemoryProvider::wants_sync`].
    #[must_use]
    pub fn wants_sync(mut self, wants_sync: impl Fn(&P) -> bool + Send + Sync + 'static) -> Self {
        self.wants_sync = Box::new(wants_sync);
        self
    }

    /// Returns the provider as a pool takes it.
    #[must_use]
    pub fn into_arc(self) -> Arc<Self> {
        Arc::new(self)
    }
}

impl<P: MemoryProvider> MemoryProvider for Altered<P> {
    type Kind = P::Kind;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        (self.init)(&self.beneath, params)
    }

    fn alloc(&self, out: &mut Refill<'_, P::Kind>) {
        (self.alloc)(&self.beneath, out);
    }

    fn release(&self, memory: Free<P>) {
        (self.release)(&self.beneath, memory);
    }

    fn destroy(&self) {
        (self.destroy)(&self.beneath);
    }

    fn uninstall(&self) {
        (self.uninstall)(&self.beneath);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("altered: ")?;
        self.beneath.describe(f)
    }

    fn wants_sync(&self) -> bool {
        (self.wants_sync)(&self.beneath)
    }

    fn is_page_allocator(&self) -> bool {
        self.beneath.is_page_allocator()
    }
}
