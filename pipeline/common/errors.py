"""The exception for mistakes that a user can correct."""


class UserError(Exception):
    """A mistake of the user. The message is one sentence: what is wrong, the two values, and the way out.

    `cli.run` prints the message without a traceback. Any other exception is a bug in the pipeline and keeps its
    traceback.
    """
