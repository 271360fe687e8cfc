"""Fit a split's vocabulary, PCA and a Gaussian mixture by kind, to sampled descriptors of its training videos."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.formats import manifest
from pipeline.idt import files
from pipeline.idt.fisher import Mixture, Vocabulary
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS, TRACK_SETTINGS

MAX_STEPS = 100  # of expectation maximisation


def read_samples(paths: Sequence[Path], videos: set[str], count: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Up to `count` descriptors of the given videos, float32 (n, 426), and the settings they were made with."""
    parts: list[np.ndarray] = []
    settings: dict[str, Any] = {}
    for path in paths:
        with files.open_file(path, "idt_sample") as file:
            attributes = files.read_attributes(file)
            if settings:
                files.check_same_settings(paths[0], settings, path, attributes, TRACK_SETTINGS)
            settings = settings or attributes
            first, descriptors = file["first"][:], file["descriptors"][:]
            numbers = [n for n, video in enumerate(files.read_strings(file, "video_id")) if video in videos]
            parts += [descriptors[first[n] : first[n + 1]] for n in numbers]
    rows = np.concatenate([np.empty((0, sum(DESCRIPTOR_LENGTHS.values())), np.float16), *parts])
    order = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
    return rows[order].astype(np.float32), settings


def fit_mixture(descriptors: np.ndarray, clusters: int, seed: int) -> Mixture:
    """The projection of one kind's descriptors (N, D) to D / 2 dimensions, and the mixture of the projected ones."""
    projection = PCA(descriptors.shape[1] // 2, random_state=seed).fit(descriptors)
    model = GaussianMixture(clusters, covariance_type="diag", max_iter=MAX_STEPS, random_state=seed, reg_covar=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # logged below
        model.fit(projection.transform(descriptors))
    if not model.converged_:
        log.say(f"the mixture had not converged after {MAX_STEPS} steps: it is used as it is")
    return Mixture(projection.mean_, projection.components_, model.weights_, model.means_, model.covariances_)


def fit_vocabulary(descriptors: np.ndarray, clusters: int, seed: int) -> Vocabulary:
    """The vocabulary of descriptors (N, 426); too few of them are a UserError."""
    needed = max(clusters, *DESCRIPTOR_LENGTHS.values())
    if len(descriptors) < needed:
        raise UserError(
            f"{len(descriptors)} tracks do not make a vocabulary of {clusters}, which takes {needed}: sample more"
        )
    ends = np.cumsum([0, *DESCRIPTOR_LENGTHS.values()])
    kinds = log.progress(enumerate(DESCRIPTOR_LENGTHS), len(DESCRIPTOR_LENGTHS), "idt vocabulary")
    return {kind: fit_mixture(descriptors[:, ends[n] : ends[n + 1]], clusters, seed) for n, kind in kinds}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--samples", nargs="+", required=True, type=Path, help="what idt sample wrote, all slices")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", required=True, type=int)
    parser.add_argument("--clusters", type=int, default=256, help="Gaussians of each kind's mixture")
    parser.add_argument("--count", type=int, default=256_000, help="tracks it is fitted to, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="the HDF5 file to write")


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    videos = set(manifest.read_splits(args.splits, args.split, "train")["video_id"])
    descriptors, settings = read_samples(args.samples, videos, args.count, args.seed)
    attributes = {**settings, "stage": "idt_vocabulary", "code": stage_hash("idt_vocabulary")}
    attributes |= {
        "split": args.split, "clusters": args.clusters, "seed": args.seed, "fitted_to": len(descriptors),
    }  # fmt: skip
    with files.create(args.out, attributes) as file:
        files.write_vocabulary(file, fit_vocabulary(descriptors, args.clusters, args.seed))
    log.say(f"{args.out}: {args.clusters} Gaussians a kind, of {len(descriptors)} tracks")
