"""From slices of frames to scores: every command of pipeline.idt."""

import numpy as np
import pandas as pd
import pytest
import simplejpeg

from pipeline.common.errors import UserError
from pipeline.formats import class_counts, manifest, scores
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.idt import classify, files
from pipeline.idt.__main__ import main
from pipeline.idt.vocabulary import read_samples
from tests.helpers.idtscenes import pan, texture

CLASSES = ["left", "down"]
SMALL = ("--patch", "16", "--camera", "-1")  # of panned textures every track moves as the camera does
ODD = {"short": pan(9, (2, 0)), "flat": [np.full((60, 80), 9, np.uint8)] * 20, "tiny": [texture(12, 12)] * 20}


def videos():
    """(name, frames, label, role); of each class six videos that pan its way, and the odd ones."""
    for n in range(6):
        for label, shift in enumerate([(-2, 0), (0, 2)]):
            frames = pan(18 + n, tuple(np.add(shift, (0, 0))), (60, 80))
            yield f"{CLASSES[label]}{n}", frames, label, "test" if n == 5 else "train"
    for name, frames in ODD.items():
        yield name, frames, 0, "test"


def slice_of(path, chosen):
    writer = JpegStoreWriter(path, {"stage": "frames", "size": "80x60", "fps": "native"})
    for name, frames, *_ in chosen:
        jpegs = [simplejpeg.encode_jpeg(np.repeat(frame[..., None], 3, 2), quality=95) for frame in frames]
        writer.add_blocks(name, list(map(len, jpegs)), jpegs, 25.0)
    writer.close()
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two slices taken through all commands."""
    folder = tmp_path_factory.mktemp("idt")
    every = list(videos())
    rows = [(name, CLASSES[label], label, 1, role, True) for name, _, label, role in every]
    table = pd.DataFrame(rows, columns=["video_id", "class", "label", "split", "role", "present"])
    manifest.write_parquet(folder / "splits.parquet", table, {})
    about = {"dataset": "d", "classes": CLASSES, "fingerprint": "f"}
    table = table.assign(path="", bytes=1, slice="0000")
    manifest.write_parquet(folder / "manifest.parquet", table, about)
    for number in range(2):
        frames = slice_of(folder / f"frames{number}.h5", every[number::2])
        main(["sample", str(frames), str(folder / f"sample{number}.h5"), *SMALL, "--count", "40"])
    fit(folder, folder / "vocabulary.h5")
    for number in range(2):
        encode(folder, number, folder / f"encoded{number}.h5")
    main(["classify", "--encodings", *map(str, encodings(folder)), "--manifest", str(folder / "manifest.parquet"),
          "--splits", str(folder / "splits.parquet"), "--split", "1", "--out", str(folder)])  # fmt: skip
    return folder


def fit(folder, out, *options):
    samples = [str(folder / f"sample{number}.h5") for number in range(2)]
    main(["vocabulary", "--samples", *samples, "--splits", str(folder / "splits.parquet"), "--split", "1",
          "--clusters", "4", "--out", str(out), *options])  # fmt: skip
    return out


def encode(folder, number, out, *options):
    main(["encode", str(folder / f"frames{number}.h5"), str(out), *SMALL, "--vocabularies",
          str(folder / "vocabulary.h5"), *options])  # fmt: skip
    return out


def encodings(folder):
    return [folder / f"encoded{number}.h5" for number in range(2)]


def test_directions_are_classified_and_scores_have_the_networks_format(made):
    found = scores.read(made / "test.parquet")
    named = dict(zip(found.videos, found.values.argmax(1), strict=True))
    assert (named["left5"], named["down5"]) == (0, 1)
    assert found.kind == "decisions"
    expected = {
        "run": "idt.idt",
        "split": 1,
        "seed": 0,
        "classes": CLASSES,
        "fingerprint": "f",
        "subset": "test",
        "videos": 5,
    }
    assert {key: found.metadata[key] for key in expected} == expected
    assert len(scores.read(made / "train.parquet").videos) == 10


def test_videos_without_tracks_are_encoded_as_zeros_and_counted(made, capsys, tmp_path):
    found = classify.Encodings(encodings(made), 1)
    assert [found.counts[name] for name in ODD] == [0, 0, 0]
    assert not found.read(list(ODD)).any()
    assert np.linalg.norm(found.read(["left5"])) == pytest.approx(5**0.5, rel=1e-3)  # five kinds of length 1
    assert scores.read(made / "test.parquet").metadata["empty"] == 3
    encode(made, 0, tmp_path / "e.h5")
    assert "2 without any track (first: short)" in capsys.readouterr().err


def test_a_vocabulary_is_fitted_to_training_videos_only(made):
    samples = [made / f"sample{number}.h5" for number in range(2)]
    train = {name for name, *_, role in videos() if role == "train"}
    rows, _ = read_samples(samples, train, 10**6, 0)
    every, _ = read_samples(samples, train | {"left5", "down5"}, 10**6, 0)
    _, about = files.read_vocabulary(made / "vocabulary.h5")
    assert len(rows) == about["fitted_to"] == 10 * 40 < len(every)


def test_results_depend_on_the_seed_and_not_on_the_number_of_threads(made, tmp_path):
    one = files.read_vocabulary(made / "vocabulary.h5")[0]["hog"]
    same, other = (fit(made, tmp_path / f"{seed}.h5", "--seed", seed) for seed in "01")
    assert np.array_equal(files.read_vocabulary(same)[0]["hog"].means, one.means)
    assert not np.array_equal(files.read_vocabulary(other)[0]["hog"].means, one.means)
    two = classify.Encodings([encode(made, 0, tmp_path / "e.h5", "--threads", "2")], 1)
    assert np.array_equal(two.read(["left0"]), classify.Encodings(encodings(made), 1).read(["left0"]))


def test_encodings_are_stored_as_16_bit_floats(made):
    with files.open_file(made / "encoded0.h5", "idt_encode") as file:
        assert set(file) == {"video_id", "tracks", "split1.seed0"}
        table = file["split1.seed0"]
        assert (table.dtype, table.shape[1]) == (np.float16, 2 * 4 * (15 + 48 + 54 + 48 + 48))


def test_dot_products_in_blocks_agree_with_those_at_once(made, monkeypatch):
    monkeypatch.setattr(classify, "BLOCK", 3)
    found = classify.Encodings(encodings(made), 1)
    ones, others = [f"left{n}" for n in range(5)], ["down0", "down1", "short", "down3"]
    rows, columns = found.read(ones).astype(float), found.read(others).astype(float)
    assert classify.dot_products(found, ones, others) == pytest.approx(rows @ columns.T, abs=1e-5)
    assert classify.dot_products(found, ones, ones) == pytest.approx(rows @ rows.T, abs=1e-5)


def test_a_class_without_training_videos_scores_lowest():
    x = np.array([[1.0, 0], [0, 1], [1, 0.1]])
    test, train = classify.decision_values(x @ x.T, np.array([0, 2, 0]), x[:1] @ x.T, 3, 100.0)
    assert test.argmax() == 0
    assert test[0].argmin() == 1
    assert train.shape == (3, 3)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["encode", "frames0.h5", "x.h5", "--vocabularies", "vocabulary.h5"], "patch 16 but the encoding with 32"),
        (["encode", "frames0.h5", "x.h5", "--vocabularies", "sample0.h5"], "is of the stage idt_sample"),
        (["encode", "frames0.h5", "x.h5", *SMALL, "--vocabularies", "vocabulary.h5", "vocabulary.h5"], "two of the"),
        (["sample", "frames0.h5", "x.h5", "--features", "surf"], "idt.features is 'surf'"),
        (["vocabulary", "--samples", "sample0.h5", "--splits", "splits.parquet", "--split", "1", "--out", "x.h5",
          "--clusters", "9999"], "do not make a vocabulary of 9999"),
        (["vocabulary", "--samples", "splits.parquet", "--splits", "splits.parquet", "--split", "1", "--out", "x"],
         "is not a whole file"),
        (["classify", "--encodings", "encoded0.h5", "--manifest", "manifest.parquet", "--splits", "splits.parquet",
          "--split", "2", "--out", "x"], "no encodings under the vocabulary of split2.seed0"),
        (["cook"], "pipeline.idt has no command cook"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(made, command, message, monkeypatch):
    monkeypatch.chdir(made)
    with pytest.raises(UserError, match=message):
        main(command)


def test_keep_writes_raw_tracks(made, tmp_path):
    main(["keep", str(made / "frames0.h5"), str(tmp_path / "tracks.h5"), *SMALL])
    with files.open_file(tmp_path / "tracks.h5", "idt_keep") as file:
        counts = dict(zip(files.read_strings(file, "video_id"), np.diff(file["first"][:]), strict=True))
        of_left0 = slice(0, counts["left0"])
        steps = np.diff(file["points"][of_left0], axis=1)
        assert file["descriptors"].shape == (sum(counts.values()), 426)
        assert set(file["end"][of_left0]) == {15, 16, 17}
    encoded = classify.Encodings(encodings(made), 1).counts
    assert counts == {name: encoded[name] for name in counts}
    assert np.median(steps, axis=(0, 1)) == pytest.approx((-2, 0), abs=0.1)


def test_tracks_are_drawn_over_a_frame(made, tmp_path):
    out = tmp_path / "tracks.jpg"
    main(["draw", str(made / "frames0.h5"), str(out), *SMALL, "--video", "left0", "--frame", "17"])
    drawn = simplejpeg.decode_jpeg(out.read_bytes()).astype(int)
    assert drawn.shape == (120, 160, 3)
    assert (drawn[..., 1] - drawn[..., [0, 2]].max(2) > 80).mean() > 0.05  # green tracks
    with pytest.raises(UserError, match="left0 has 18 frames but --frame is 40"):
        main(["draw", str(made / "frames0.h5"), str(out), "--video", "left0", "--frame", "40"])


def test_class_counts_are_written_beside_the_scores(made, monkeypatch):
    monkeypatch.delattr(scores, "read")
    counted = {
        subset: sum(class_counts.read_or_count(made / f"{subset}.parquet").scored) for subset in ("test", "train")
    }
    assert counted == {subset: len(manifest.read_splits(made / "splits.parquet", 1, subset)) for subset in counted}
