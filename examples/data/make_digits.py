"""Writes digits.npy and digits_labels.npy beside this file. Needs numpy and scikit-learn (which ships
the data)."""

from pathlib import Path

import numpy
from sklearn.datasets import load_digits

here = Path(__file__)
digits = load_digits()
numpy.save(here.with_name("digits.npy"), digits.data.astype("<f4"))
numpy.save(here.with_name("digits_labels.npy"), digits.target.astype("u1"))
