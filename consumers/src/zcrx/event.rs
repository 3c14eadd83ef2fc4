//! [`ZcrxEvent`]: what a program is told of beside its data, once, until it asks to be told again.

bitflags::bitflags! {
    /// Which events a program wants to be told of: `zcrx_event_desc.type_mask`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ZcrxEvents: u32 {
        /// A pool wanted memory and there was none: give some back.
        #[doc(alias = "ZCRX_EVENT_ALLOC_FAIL")]
        const ALLOC_FAIL = 1 << 0;
        /// Data was copied, because it was not in the program's memory: is the flow steered to the right queue?
        #[doc(alias = "ZCRX_EVENT_COPY")]
        const COPY = 1 << 1;
    }
}

use crate::errno::EINVAL;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZcrxEvent {
    /// A pool wanted memory and there was none.
    AllocFail = 0,
    /// Data was copied.
    Copy = 1,
}

impl ZcrxEvent {
    pub(super) fn mask(self) -> ZcrxEvents {
        match self {
            ZcrxEvent::AllocFail => ZcrxEvents::ALLOC_FAIL,
            ZcrxEvent::Copy => ZcrxEvents::COPY,
        }
    }
}

/// An event was armed that has not been fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} is still armed, or was not asked for at registration: arm it after it was fired")]
pub struct ArmError {
    /// The event that was to be armed.
    pub event: ZcrxEvent,
}

impl ArmError {
    /// Returns EINVAL, as `zcrx_arm_notif` does.
    pub fn errno(&self) -> i32 {
        EINVAL
    }
}

/// Who is to be told of what, and what he has not heard yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    allowed: ZcrxEvents,
    fired: ZcrxEvents,
    pending: ZcrxEvents,
}

impl Events {
    pub(super) fn new(allowed: ZcrxEvents) -> Self {
        Events { allowed, ..Self::default() }
    }

    /// Notes an event, if it was asked for and is armed.
    pub(super) fn fire(&mut self, event: ZcrxEvent) {
        if self.allowed.contains(event.mask()) && !self.fired.contains(event.mask()) {
            self.fired.insert(event.mask());
            self.pending.insert(event.mask());
        }
    }

    /// The next event that nobody has heard of.
    pub(super) fn take(&mut self) -> Option<ZcrxEvent> {
        let event =
            [ZcrxEvent::AllocFail, ZcrxEvent::Copy].into_iter().find(|event| self.pending.contains(event.mask()))?;
        self.pending.remove(event.mask());
        Some(event)
    }

    pub(super) fn arm(&mut self, event: ZcrxEvent) -> Result<(), ArmError> {
        if !self.fired.contains(event.mask()) {
            return Err(ArmError { event });
        }
        self.fired.remove(event.mask());
        Ok(())
    }

    /// Nobody listens any more.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }
}
