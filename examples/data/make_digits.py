"""Writes digits.npy beside this file. Needs numpy and scikit-learn (which ships the data)."""

from pathlib import Path

import numpy
from sklearn.datasets import load_digits

numpy.save(Path(__file__).with_name("digits.npy"), load_digits().data.astype("<f4"))
