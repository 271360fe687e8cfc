"""The one exception for what a user can cause."""


class UserError(Exception):
    """A mistake the user can mend: one sentence with the thing, the two values and the way out.

    `pipeline.cli.run` prints it without a traceback; everything else that escapes a stage is our bug and keeps its own.
    """
