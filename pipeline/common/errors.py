"""The one exception for what a user can cause."""


class UserError(Exception):
    """A mistake the user can mend: one sentence with the thing, the two values and the way out.

    `cli.run` prints it without a traceback; anything else that escapes a stage is a bug of ours and keeps it.
    """
