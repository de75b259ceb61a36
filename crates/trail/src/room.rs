//! How much room there is where the trail lies, and from when on that is too little to be silent about.
//!
//! What cannot be recorded is not done, so a full disk ends all work. Whoever owns it is to hear of it long before.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::files::{self, Lock};
use crate::head::Folder;

const MIB: u64 = 1 << 20;
/// There is more room again once there is so much more than the threshold: one part in so many. Around a threshold a disk
/// would else be told of without end, which takes room too.
const MORE: u64 = 8;

/// How much room that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Enough.
    #[default]
    Enough,
    /// Little: somebody should see to it.
    Little,
    /// Very little: soon nothing can be recorded any more.
    VeryLittle,
}

impl Level {
    /// Its name: `very_little`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Little => "little",
            Self::VeryLittle => "very_little",
        }
    }
}

/// With less than this it is that little: so many bytes or files, or that part of all that the file system has, where this is
/// less. Whoever gives the trail a small file system of its own is not warned for good.
struct Threshold {
    level: Level,
    bytes: u64,
    files: u64,
    part: u64,
}

/// The worst first. An event takes about a kibibyte in the journal, another in the log, and a third where it is published.
const THRESHOLDS: [Threshold; 2] = [
    Threshold { level: Level::VeryLittle, bytes: 256 * MIB, files: 2_000, part: 16 },
    Threshold { level: Level::Little, bytes: 2_048 * MIB, files: 20_000, part: 4 },
];

/// The room of a file system, for whoever is not its administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are left.
    pub bytes_left: u64,
    /// All bytes that it has.
    pub bytes: u64,
    /// Files that can be made still.
    pub files_left: u64,
    /// All files that it can have; 0 where it does not limit them.
    pub files: u64,
}

impl Room {
    /// That of the file system on which a folder lies. Asks the kernel and no disk.
    ///
    /// # Errors
    /// When the folder is not there, or the kernel does not tell.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let told = rustix::fs::statvfs(folder)?;
        Ok(Self {
            bytes_left: told.f_bavail.saturating_mul(told.f_frsize),
            bytes: told.f_blocks.saturating_mul(told.f_frsize),
            files_left: told.f_favail,
            files: told.f_files,
        })
    }

    /// How much that is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level_with(0)
    }

    /// The same for somebody who has called it that before: it must have become clearly more to be called more.
    #[must_use]
    pub fn level_after(&self, before: Level) -> Level {
        self.level().max(self.level_with(1).min(before))
    }

    /// `more`: by how many parts in [`MORE`] the thresholds are higher.
    fn level_with(&self, more: u64) -> Level {
        let is_less = |left: u64, least: u64, all: u64, part: u64| {
            let least = least.min(all / part);
            left < least + least / MORE * more
        };
        let is_met = |threshold: &&Threshold| {
            is_less(self.bytes_left, threshold.bytes, self.bytes, threshold.part)
                || (self.files > 0 && is_less(self.files_left, threshold.files, self.files, threshold.part))
        };
        THRESHOLDS.iter().find(is_met).map_or(Level::Enough, |threshold| threshold.level)
    }
}

/// `1536 MiB and 12000 files`.
impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes_left {
            bytes if bytes < 10 * MIB => write!(f, "{} KiB", bytes >> 10)?,
            bytes => write!(f, "{} MiB", bytes >> 20)?,
        }
        if self.files > 0 { write!(f, " and {} files", self.files_left) } else { Ok(()) }
    }
}

/// Looks after the room of a trail, and finds each time that it has another level than was told last.
#[derive(Debug)]
pub struct Watch {
    folder: Folder,
    /// What was told here and could not be remembered: on a full disk, say.
    told: Mutex<Option<Level>>,
}

/// The room has another level than was told last. Nobody else finds that as long as this is held.
#[derive(Debug)]
pub struct Crossing {
    /// Which.
    pub level: Level,
    /// How much is left.
    pub room: Room,
    _lock: Lock,
}

/// What was told last, on this machine.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    level: Level,
}

impl Watch {
    /// Looks after the trail in that folder.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder, told: Mutex::new(None) }
    }

    fn memory(&self) -> PathBuf {
        self.folder.log().join("room.json")
    }

    fn remembered(&self) -> io::Result<Level> {
        let Some(bytes) = files::read(&self.memory())? else { return Ok(Level::default()) };
        // Whoever tells it once too often does no harm.
        Ok(serde_json::from_slice::<Memory>(&bytes).unwrap_or_default().level)
    }

    fn told(&self) -> MutexGuard<'_, Option<Level>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks. Waits where another process is telling what it found.
    ///
    /// # Errors
    /// When the folder's files cannot be used.
    pub fn find(&self) -> io::Result<Option<Crossing>> {
        let room = Room::of(self.folder.path())?;
        let before = self.remembered()?;
        let level = room.level_after(before);
        if level == before {
            *self.told() = None;
            return Ok(None);
        }
        if *self.told() == Some(level) {
            return Ok(None);
        }
        let lock = Lock::alone(Lock::file(&self.folder.log().join("room.lock"))?)?;
        let before = self.remembered()?;
        let level = room.level_after(before);
        Ok((level != before).then_some(Crossing { level, room, _lock: lock }))
    }

    /// What was found was told. Nobody tells it again until it is another.
    ///
    /// # Errors
    /// When that cannot be remembered. Then others tell it once more, and this one does not.
    pub fn is_told(&self, Crossing { level, .. }: &Crossing) -> io::Result<()> {
        *self.told() = Some(*level);
        let text = serde_json::to_vec(&Memory { level: *level }).map_err(io::Error::other)?;
        files::put(&[(self.memory(), text)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn check(bytes: (u64, u64), files: (u64, u64), expected: Level) {
        let room = Room { bytes_left: bytes.0, bytes: bytes.1, files_left: files.0, files: files.1 };
        assert_eq!(room.level(), expected, "{room:?}");
    }

    #[test]
    fn little_is_so_much_or_that_part_of_a_small_file_system() {
        let plenty = (1_000_000, 2_000_000);
        check((2 * GIB, 100 * GIB), plenty, Level::Enough);
        check((2 * GIB - 1, 100 * GIB), plenty, Level::Little);
        check((256 * MIB, 100 * GIB), plenty, Level::Little);
        check((256 * MIB - 1, 100 * GIB), plenty, Level::VeryLittle);
        check((0, 100 * GIB), plenty, Level::VeryLittle);
        check((16 * MIB, 64 * MIB), plenty, Level::Enough);
        check((16 * MIB - 1, 64 * MIB), plenty, Level::Little);
        check((4 * MIB - 1, 64 * MIB), plenty, Level::VeryLittle);
    }

    #[test]
    fn files_can_run_out_where_bytes_do_not() {
        check((50 * GIB, 100 * GIB), (19_999, 2_000_000), Level::Little);
        check((50 * GIB, 100 * GIB), (1_999, 2_000_000), Level::VeryLittle);
        check((50 * GIB, 100 * GIB), (300, 1_000), Level::Enough);
        check((50 * GIB, 100 * GIB), (249, 1_000), Level::Little);
        // Some file systems count none.
        check((50 * GIB, 100 * GIB), (0, 0), Level::Enough);
    }

    #[test]
    fn around_a_threshold_nothing_is_crossed_again_and_again() {
        let room = |bytes_left| Room { bytes_left, bytes: 100 * GIB, files_left: 0, files: 0 };
        let steps = [
            (3 * GIB, Level::Enough),
            (2 * GIB - 1, Level::Little),
            (2 * GIB + 1, Level::Little),
            (2 * GIB - 1, Level::Little),
            (2 * GIB + GIB / 4, Level::Enough),
            (2 * GIB, Level::Enough),
            (0, Level::VeryLittle),
            (256 * MIB, Level::VeryLittle),
            (GIB, Level::Little),
            (3 * GIB, Level::Enough),
        ];
        let mut level = Level::default();
        for (left, expected) in steps {
            level = room(left).level_after(level);
            assert_eq!(level, expected, "{left}");
        }
    }

    #[test]
    fn a_crossing_is_found_until_it_was_told() {
        let there = tempfile::tempdir().unwrap();
        let folder = Folder::new(there.path().join("trail"));
        folder.make(&"vault".parse().unwrap()).unwrap();
        let now = Room::of(folder.path()).unwrap().level();
        // What it was said to be before, it is not.
        let other = if now == Level::Enough { Level::VeryLittle } else { Level::Enough };
        let (watch, another) = (Watch::new(folder.clone()), Watch::new(folder));
        std::fs::write(watch.memory(), format!("{{\"level\":\"{}\"}}", other.as_str())).unwrap();
        for _ in 0..2 {
            assert_eq!(watch.find().unwrap().unwrap().level, now);
        }
        let crossing = watch.find().unwrap().unwrap();
        watch.is_told(&crossing).unwrap();
        drop(crossing);
        assert!(watch.find().unwrap().is_none() && another.find().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_remembered_is_told_once_by_each() {
        let there = tempfile::tempdir().unwrap();
        let folder = Folder::new(there.path().join("trail"));
        folder.make(&"vault".parse().unwrap()).unwrap();
        let now = Room::of(folder.path()).unwrap().level();
        let other = if now == Level::Enough { Level::VeryLittle } else { Level::Enough };
        let (watch, another) = (Watch::new(folder.clone()), Watch::new(folder));
        std::fs::write(watch.memory(), format!("{{\"level\":\"{}\"}}", other.as_str())).unwrap();
        // A folder in its way, as a full disk would be.
        std::fs::create_dir(watch.memory().with_added_extension("new")).unwrap();
        let crossing = watch.find().unwrap().unwrap();
        watch.is_told(&crossing).unwrap_err();
        drop(crossing);
        assert!(watch.find().unwrap().is_none());
        assert!(another.find().unwrap().is_some());
    }
}
