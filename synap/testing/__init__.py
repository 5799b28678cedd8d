"""Stand-ins for what Synap stands on, for its own tests and for those of programs built on it.

``SimulatedFileSystem`` is the file system seam in memory, with the faults of real disks; see ``sim_fs.py``.
"""

from synap.testing.faults import MUTATING, Call, CrashAt, FailAt, Fault, LyingSync, ShortWrites, SimulatedCrash
from synap.testing.sim_disk import EVERYTHING, NOTHING, ONLY_LENGTHS, SECTOR_BYTES, Survival
from synap.testing.sim_fs import SimulatedFile, SimulatedFileSystem

__all__ = [
    "EVERYTHING",
    "MUTATING",
    "NOTHING",
    "ONLY_LENGTHS",
    "SECTOR_BYTES",
    "Call",
    "CrashAt",
    "FailAt",
    "Fault",
    "LyingSync",
    "ShortWrites",
    "SimulatedCrash",
    "SimulatedFile",
    "SimulatedFileSystem",
    "Survival",
]
