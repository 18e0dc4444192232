//! What a tuning session finds goes to other machines with this device, if there is a place to share.

use st_core::backend::device_caps::DeviceCaps;
use st_core::hints::{self, Record};
use st_core::tune::{Event, TableFile};

/// Publishes what a shape showed while the next one is measured, so that next to nothing is left in the end.
pub(super) struct Sharing<'a> {
    caps: &'a DeviceCaps,
    table: &'a TableFile,
    /// Whether a place is named.
    named: bool,
    /// The records that were published last, of all shapes.
    published: Vec<Record>,
    /// Whether anything was measured.
    any: bool,
}

impl<'a> Sharing<'a> {
    pub(super) fn new(caps: &'a DeviceCaps, table: &'a TableFile, named: bool) -> Self {
        Self {
            caps,
            table,
            named: named && hints::IN_THIS_BUILD,
            published: Vec::new(),
            any: false,
        }
    }

    pub(super) fn event(&mut self, event: &Event<'_>) {
        // What is timed again may be so several times: that is published once, with the next shape or in the end.
        if let Event::Done { .. } = event {
            self.any = true;
            self.publish();
        }
    }

    /// Publishes what is new or has changed. What found no room in the queue is tried again with the next shape.
    fn publish(&mut self) {
        if !self.named {
            return;
        }
        // A table that cannot be read ends the session, which says so.
        let Ok((table, _)) = self.table.load() else { return };
        if hints::publish_since(self.caps, table.records(), &self.published) {
            self.published = table.records().to_vec();
        }
    }

    /// Publishes what has changed since, and waits for all of it, 50 ms at most; none if there was nothing to share, or
    /// nowhere.
    pub(super) fn end(mut self) -> Option<Result<(), hints::Error>> {
        if !self.any {
            return None;
        }
        self.publish();
        (!self.published.is_empty()).then(|| hints::flush(hints::WAIT))
    }
}
