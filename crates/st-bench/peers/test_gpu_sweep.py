"""What `gpu_sweep.py` says of what it found."""

import argparse
import contextlib
import io
import os
import tempfile
import unittest

import gpu_sweep


def cell(planned, untuned, best, untried):
    outcome = {"planned_us": planned, "others_us": [untuned], "best_us": best, "untried": untried}
    outcome.update({"candidates": 5, "hopeless": [{}, {}], "unpromising": []})
    asked = {"rows": 1, "cols": 4096, "k": 64, "input": "normal", "dtype": "f32"}
    return {"cell": asked, "sweep": outcome, "out_of_reach": 2}


class Summary(unittest.TestCase):
    def test_means_and_what_is_missing(self):
        text = gpu_sweep.summary([cell(10.0, 12.0, 10.0, 0), cell(4.84, 4.4, 4.0, 3)])
        self.assertIn("| 1x4096, 64, normal f32 | 4.84 | 4.4 | 4 | 1.210 | 1.100 | 7 of 10 |", text)
        self.assertIn("2 cells: tuned / best 1.1000 (worst 1.210)", text)
        self.assertIn("untuned / best 1.1489 (worst 1.200), tuned / untuned at most 1.100", text)
        self.assertIn("14 of 17 candidates timed, all of 1 cells; 4 more are on too few multiprocessors", text)

    def test_a_cell_that_was_not_swept_says_so(self):
        unswept = cell(1.0, 1.0, 1.0, 0)
        unswept["sweep"] = None
        self.assertIn("| - | - | - | - | - | 0 |", gpu_sweep.summary([unswept]))


class Sweep(unittest.TestCase):
    def asked(self, script, limit=10):
        """What is taken of a cell whose `st-bench` is that shell script, where a file of an earlier cell lies; and what is said."""
        with tempfile.TemporaryDirectory() as folder:
            binary, found = os.path.join(folder, "st-bench"), os.path.join(folder, "found.json")
            with open(binary, "w") as text:
                text.write("#!/bin/sh\nfor last; do :; done\n" + script)
            os.chmod(binary, 0o755)
            with open(found + ".cell", "w") as text:
                text.write('{"cells": ["an earlier one"]}')
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                args = argparse.Namespace(binary=binary, backend="cuda", json=found)
                done = gpu_sweep.sweep(args, [1, 4096, 64], 1, limit)
            return done, said.getvalue()

    def test_a_cell_with_wrong_results_is_kept_and_told(self):
        done, said = self.asked("echo '{\"cells\": [7]}' > \"$last\"; exit 1")
        self.assertEqual(done, 7)
        self.assertIn("failed with status 1", said)

    def test_what_an_earlier_cell_left_is_not_taken(self):
        self.assertIsNone(self.asked("exit 3")[0])
        done, said = self.asked("exec sleep 30", limit=0.2)
        self.assertIsNone(done)
        self.assertIn("its time was over", said)


if __name__ == "__main__":
    unittest.main()
