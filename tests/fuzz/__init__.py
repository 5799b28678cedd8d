"""Every decoder of bytes on disk, fed with what disks and enemies could make of valid files."""
