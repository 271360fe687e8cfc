"""Fit a split's vocabulary to its training videos' sampled descriptors: by kind, PCA to half and a Gaussian mixture."""

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
from pipeline.idt.parameters import KINDS, Parameters

STEPS = 100  # of expectation maximisation, at most


def read(paths: Sequence[Path], wanted: set[str], count: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Descriptors of the wanted videos, float32 (n, 426), n <= count, and the settings they were made with."""
    parts: list[np.ndarray] = []
    settings: dict[str, Any] = {}
    for path in paths:
        with files.opened(path, "idt_sample") as file:
            about = files.attributes(file)
            if settings:
                files.same_settings(paths[0], settings, path, about, ("frame_size", "frame_fps", *Parameters._fields))
            settings = settings or about
            first, rows = file["first"][:], file["descriptors"][:]
            chosen = [n for n, video in enumerate(files.strings(file, "video_id")) if video in wanted]
            parts += [rows[first[n] : first[n + 1]] for n in chosen]
    found = np.concatenate([np.empty((0, sum(KINDS.values())), np.float16), *parts])
    order = np.sort(np.random.default_rng(seed).permutation(len(found))[:count])
    return found[order].astype(np.float32), settings


def fit(descriptors: np.ndarray, clusters: int, seed: int) -> Mixture:
    """One kind's descriptors (N, D) -> its projection to D / 2 and its mixture."""
    projection = PCA(descriptors.shape[1] // 2, random_state=seed).fit(descriptors)
    model = GaussianMixture(clusters, covariance_type="diag", max_iter=STEPS, random_state=seed, reg_covar=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is said below
        model.fit(projection.transform(descriptors))
    if not model.converged_:
        log.say(f"the mixture had not converged after {STEPS} steps: it is used as it is")
    return Mixture(projection.mean_, projection.components_, model.weights_, model.means_, model.covariances_)


def fitted(found: np.ndarray, clusters: int, seed: int) -> Vocabulary:
    """Descriptors (N, 426) -> a vocabulary; too few are a UserError."""
    least = max(clusters, *KINDS.values())
    if len(found) < least:
        raise UserError(f"{len(found)} tracks do not make a vocabulary of {clusters}, which takes {least}: sample more")
    ends = np.cumsum([0, *KINDS.values()])
    kinds = log.progress(enumerate(KINDS), len(KINDS), "idt vocabulary")
    return {kind: fit(found[:, ends[n] : ends[n + 1]], clusters, seed) for n, kind in kinds}


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("--samples", nargs="+", required=True, type=Path, help="what idt sample wrote, all slices")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", required=True, type=int)
    parser.add_argument("--clusters", type=int, default=256, help="Gaussians of each kind's mixture")
    parser.add_argument("--count", type=int, default=256_000, help="tracks it is fitted to, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="the HDF5 file to write")


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    wanted = set(manifest.read_splits(a.splits, a.split, "train")["video_id"])
    found, settings = read(a.samples, wanted, a.count, a.seed)
    about = {**settings, "stage": "idt_vocabulary", "code": stage_hash("idt_vocabulary")}
    about |= {"split": a.split, "clusters": a.clusters, "seed": a.seed, "fitted_to": len(found)}
    with files.created(a.out, about) as file:
        files.write_vocabulary(file, fitted(found, a.clusters, a.seed))
    log.say(f"{a.out}: {a.clusters} Gaussians a kind, of {len(found)} tracks")
