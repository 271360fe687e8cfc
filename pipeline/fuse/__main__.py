"""Fuse the scores of several runs on the same videos into one score file, which can be fused again.

average, weighted, max and product combine what `--on` names: logits, probabilities, or l2, each video's scores divided
by their Euclidean length (of decisions, such as an SVM's, as they are; of logits, their softmax). svm and logistic are
fitted to the training videos' scores (`--train-scores`) and judge the test videos' stacked ones. sci is FstCN's rule
over the views of one run, or of the mean of several runs that have the same views; single takes one clip of each video.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.formats import class_counts, scores
from pipeline.fuse.fuse_scores import fuse
from pipeline.fuse.methods import METHODS, ON


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, type=Path, help="score files of the same videos")
    parser.add_argument("--method", choices=METHODS, default="average")
    parser.add_argument("--on", choices=ON, default="probabilities", help="what is combined")
    parser.add_argument("--weights", nargs="+", type=float, default=[], help="for weighted, one a score file")
    parser.add_argument(
        "--train-scores", nargs="+", type=Path, default=[], help="for svm and logistic, in the same order"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    a = parser.parse_args(argv)
    fused = fuse(a.scores, a.train_scores, a.method, a.on, a.weights, a.seed)
    scores.write_videos(a.out, fused, "fused")
    log.say(
        f"{a.out}: {len(fused.videos)} of {fused.facts['videos']} videos,"
        f" top-1 {100 * class_counts.summarise(a.out):.1f} %"
    )


if __name__ == "__main__":
    cli.run(main)
