//! [`Book`]: the frames that have not ended, found by number, by phase and by where their pictures are.

use std::collections::{BTreeMap, BTreeSet};

use super::announce::Announced;
use super::{Instant, Number};

/// What the camera keeps of a frame.
pub trait Kept {
    /// The picture need not be held in memory any longer.
    fn release(&mut self);
}

/// How far a frame is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Waits for its upload.
    Captured,
    /// Is being uploaded.
    Uploading,
    /// Is in the store and waits for its announcement.
    Stored,
    /// Is being announced, for the first time or again.
    Announcing(Announced),
    /// Waits for its result.
    Announced(Announced),
}

/// A stage without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Captured,
    Uploading,
    Stored,
    Announcing,
    Announced,
}

/// Every phase there is.
pub(super) const ALL: [Phase; 5] =
    [Phase::Captured, Phase::Uploading, Phase::Stored, Phase::Announcing, Phase::Announced];
/// Those of frames that have not been announced.
pub(super) const WAITING: [Phase; 3] = [Phase::Captured, Phase::Uploading, Phase::Stored];
/// Those of announcements without a result.
pub(super) const UNSETTLED: [Phase; 2] = [Phase::Announcing, Phase::Announced];
/// Those in which nothing is under way that would be cut off.
pub(super) const AT_REST: [Phase; 3] = [Phase::Captured, Phase::Stored, Phase::Announced];

impl Stage {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Captured => Phase::Captured,
            Self::Uploading => Phase::Uploading,
            Self::Stored => Phase::Stored,
            Self::Announcing(_) => Phase::Announcing,
            Self::Announced(_) => Phase::Announced,
        }
    }
}

/// Where the picture is, the store apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// In memory alone.
    Memory,
    /// In the spool's folder.
    Disk,
    /// Nowhere: the store has it.
    Gone,
}

#[derive(Debug, Clone)]
pub(super) struct Entry<F> {
    pub(super) frame: F,
    pub(super) bytes: u64,
    pub(super) captured: Instant,
    pub(super) expires: Instant,
    /// How often an earlier boot announced it while a node was online.
    pub(super) earlier_attempts: u32,
    pub(super) stage: Stage,
    pub(super) held: Held,
}

/// The frames that have not ended; `F` is what the camera keeps of each.
#[derive(Debug, Clone)]
pub(super) struct Book<F> {
    /// In the order of capture, which is that of their numbers.
    entries: BTreeMap<Number, Entry<F>>,
    phases: [BTreeSet<Number>; ALL.len()],
    in_memory: BTreeSet<Number>,
    memory_bytes: u64,
    disk_bytes: u64,
}

impl<F> Default for Book<F> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            phases: Default::default(),
            in_memory: BTreeSet::new(),
            memory_bytes: 0,
            disk_bytes: 0,
        }
    }
}

impl<F> Book<F> {
    pub(super) fn insert(&mut self, number: Number, entry: Entry<F>) {
        self.phases[entry.stage.phase() as usize].insert(number);
        self.add_held(number, entry.held, entry.bytes);
        self.entries.insert(number, entry);
    }

    pub(super) fn remove(&mut self, number: Number) -> Option<Entry<F>> {
        let entry = self.entries.remove(&number)?;
        self.phases[entry.stage.phase() as usize].remove(&number);
        self.remove_held(number, entry.held, entry.bytes);
        Some(entry)
    }

    pub(super) fn get(&self, number: Number) -> Option<&Entry<F>> {
        self.entries.get(&number)
    }

    pub(super) fn frame_mut(&mut self, number: Number) -> Option<&mut F> {
        self.entries.get_mut(&number).map(|entry| &mut entry.frame)
    }

    /// The announcement of a frame that waits for its result.
    pub(super) fn announced_mut(&mut self, number: Number) -> Option<&mut Announced> {
        match &mut self.entries.get_mut(&number)?.stage {
            Stage::Announced(announced) => Some(announced),
            _ => None,
        }
    }

    pub(super) fn set_stage(&mut self, number: Number, stage: Stage) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        self.phases[entry.stage.phase() as usize].remove(&number);
        self.phases[stage.phase() as usize].insert(number);
        entry.stage = stage;
    }

    /// Notes where the picture is; one that is not in memory is released there.
    pub(super) fn set_held(&mut self, number: Number, held: Held)
    where
        F: Kept,
    {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let (before, bytes) = (std::mem::replace(&mut entry.held, held), entry.bytes);
        if held != Held::Memory {
            entry.frame.release();
        }
        self.remove_held(number, before, bytes);
        self.add_held(number, held, bytes);
    }

    fn add_held(&mut self, number: Number, held: Held, bytes: u64) {
        match held {
            Held::Memory => {
                self.in_memory.insert(number);
                self.memory_bytes += bytes;
            }
            Held::Disk => self.disk_bytes += bytes,
            Held::Gone => {}
        }
    }

    fn remove_held(&mut self, number: Number, held: Held, bytes: u64) {
        match held {
            Held::Memory => {
                self.in_memory.remove(&number);
                self.memory_bytes -= bytes;
            }
            Held::Disk => self.disk_bytes -= bytes,
            Held::Gone => {}
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &F> {
        self.entries.values().map(|entry| &entry.frame)
    }

    /// All numbers, oldest first.
    pub(super) fn numbers(&self) -> impl DoubleEndedIterator<Item = Number> {
        self.entries.keys().copied()
    }

    /// The numbers of the frames in this phase, oldest first.
    pub(super) fn of(&self, phase: Phase) -> &BTreeSet<Number> {
        &self.phases[phase as usize]
    }

    pub(super) fn count(&self, phases: &[Phase]) -> usize {
        phases.iter().map(|&phase| self.of(phase).len()).sum()
    }

    /// The oldest frame in one of these phases.
    pub(super) fn oldest(&self, phases: &[Phase]) -> Option<Number> {
        phases.iter().filter_map(|&phase| self.of(phase).first().copied()).min()
    }

    pub(super) fn newest(&self) -> Option<Number> {
        self.numbers().next_back()
    }

    /// The frames whose pictures are in memory alone, oldest first.
    pub(super) fn in_memory(&self) -> &BTreeSet<Number> {
        &self.in_memory
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }
}
