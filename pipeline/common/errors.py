"""The exception for mistakes that a user can correct, and its message for a file that cannot be read."""

import errno
import os
from pathlib import Path


class UserError(Exception):
    """A mistake of the user. The message is one sentence: what is wrong, the two values, and the way out.

    `cli.run` prints the message without a traceback. Any other exception is a bug in the pipeline and keeps its
    traceback.
    """


NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that has no locks
LOCKED = (errno.EAGAIN, errno.EDEADLK)


def unreadable(path: Path | str, error: Exception, problem: str) -> UserError:
    """The UserError for a file that cannot be opened or has wrong contents; `problem` says the latter as a clause.

    A file that is missing, locked or not accessible may be good, so the message says what to do about that. A file
    that was opened and has other contents is made again, or it is the wrong file; the message never says to delete it.
    """
    number = getattr(error, "errno", None)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UserError(f"{path} is missing: make it first, or correct the path")
    if number in LOCKED:
        return UserError(f"{path} is locked by another program, which may be writing it: wait for that, and run again")
    if number in NO_LOCKS:
        return UserError(
            f"{path} is on a file system without locks ({os.strerror(number)}): set HDF5_USE_FILE_LOCKING=FALSE in the"
            " environment, and run again"
        )
    if number is not None:
        return UserError(f"{path} cannot be read ({os.strerror(number)}): give access to it, and run again")
    return UserError(f"{path} {problem} ({error}): {how_to_remake(path)}, or correct the path")


def how_to_remake(path: Path | str) -> str:
    """A clause that says how to make an output of the workflow again."""
    return f"make it again, with `snakemake --force {path}` if the workflow made it"
