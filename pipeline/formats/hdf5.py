"""Open HDF5 files, also on file systems without locks, such as some NFS, Lustre and FUSE mounts."""

from pathlib import Path

import h5py

from pipeline.common.errors import NO_LOCKS


def open_hdf5(path: Path | str, mode: str = "r") -> h5py.File:
    """h5py.File(path, mode), without a lock if the file system has none; raises OSError if it cannot be opened.

    Results are complete when they get their names, so a lock protects only from programs that write into a file in
    place. Where the file system has locks, HDF5 takes one and a file in use is an error. (HDF5's own "best-effort"
    locking ignores ENOSYS alone, and mounts without a lock server say ENOLCK.) The environment variable
    HDF5_USE_FILE_LOCKING has precedence.
    """
    try:
        return h5py.File(path, mode)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return h5py.File(path, mode, locking=False)
