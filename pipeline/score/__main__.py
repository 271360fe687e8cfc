"""Score files: `run` a trained network, `import` another program's scores, `select-views`, `evaluate`.

A score file is Parquet with the logits of every view of the test protocol; see docs/formats/scores.md.
"""

from collections.abc import Sequence

from pipeline.common import cli

COMMANDS = {"run": "score_videos", "import": "import_scores", "select-views": "select_views", "evaluate": "evaluate"}


def main(argv: Sequence[str]) -> None:
    """Run the command that the command line names."""
    cli.run_command("pipeline.score", COMMANDS, argv, __doc__, renamed={"subset": "select-views"})


if __name__ == "__main__":
    cli.run(main)
