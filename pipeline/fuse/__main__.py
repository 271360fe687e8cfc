"""Fuse the scores of several runs on the same videos into one score file, which can be fused again.

average, weighted, max and product combine what `--input` names: logits, probabilities, or l2, which divides the scores
of each video by their Euclidean length (decisions, such as an SVM's, as they are; logits after their softmax). svm and
logistic are classifiers that are fitted to the stacked scores of the training videos (`--train-scores`) and applied to
those of the test videos. sci is FstCN's fusion over the views of one run, or of the mean of several runs that have the
same views; single takes one clip of each video, drawn at random.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.config.fusion_methods import FUSION_INPUTS
from pipeline.formats import class_counts, scores
from pipeline.fuse.fuse_scores import fuse
from pipeline.fuse.methods import METHODS


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, type=Path, help="score files of the same videos")
    parser.add_argument("--method", choices=list(METHODS), default="average")
    parser.add_argument("--input", choices=FUSION_INPUTS, default="probabilities", help="what is combined")
    cli.add_renamed(parser, "--on", "--input")
    parser.add_argument("--weights", nargs="+", type=float, default=[], help="for weighted, one for each score file")
    parser.add_argument(
        "--train-scores", nargs="+", type=Path, default=[], help="for svm and logistic, in the same order"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    args = parser.parse_args(argv)
    fused = fuse(args.scores, args.train_scores, args.method, args.input, args.weights, args.seed)
    scores.write_videos(args.out, fused, "fused")
    log.say(
        f"{args.out}: {len(fused.videos)} of {fused.metadata['videos']} videos,"
        f" top-1 {100 * class_counts.write_counts(args.out):.1f} %"
    )


if __name__ == "__main__":
    cli.run(main)
