"""The shared main of the figures that show several test videos as one trained network sees them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from pipeline.common import cli, log
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.report.papers.example_videos import Video
from pipeline.report.papers.trained_run import TrainedRun

VIDEOS = 6  # unless --count says otherwise


class NetworkFigure(NamedTuple):
    """A figure of one network: what is computed of each video (with a `caption`), and how that is drawn."""

    net_name: str
    subject: str  # such as `saliency maps`
    title: str
    content: str  # what is drawn of each video, for the description
    explain: Callable[[TrainedRun, Video], Any]
    draw: Callable[[Sequence[Any]], Figure]


def main(figure: NetworkFigure, doc: str | None, argv: Sequence[str]) -> None:
    """Write the figure that the command line asks for; `doc` is the --help of its command."""
    parser = cli.parser(doc)
    options.add_network_options(parser, VIDEOS, "PNG")
    args = parser.parse_args(argv)
    run = trained_run.run_from_args(args, figure.net_name, figure.subject)
    videos = trained_run.videos_from_args(run, args)
    explained = [figure.explain(run, video) for video in log.progress(iter(videos), len(videos), figure.subject)]
    drawn = figure.draw(explained)
    trained_run.set_title(drawn, figure.title, run)
    captions = trained_run.join_captions([one.caption for one in explained])
    style.save(drawn, args.out, figure.title, f"{figure.content} of {captions}.")
    log.say(f"{args.out}: {len(explained)} videos")
