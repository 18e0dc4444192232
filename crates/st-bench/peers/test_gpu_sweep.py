"""What `gpu_sweep.py` says of what it found."""

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


if __name__ == "__main__":
    unittest.main()
