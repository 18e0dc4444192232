"""Tests of what `gpu_compare.py` says of its numbers: python3 -m unittest discover -s <here>."""

import unittest

from gpu_compare import Cuda, Wgpu, columns, failures, geometric_mean, judge, table


def row(cell, ours, floor=1.0, **peers):
    peers = {name: {"graph_us": us, "loop_us": 2 * us, "right": True} for name, us in peers.items()}
    return {"cell": cell, "shared_us": ours, "floor_us": floor, "peers": peers}


MIDDLE = [64, 131072, 50, "normal", "f32"]
LARGE = [256, 151936, 64, "normal", "f32"]


class Limits(unittest.TestCase):
    def test_the_best_peer_is_the_fastest_that_is_right(self):
        peers = row(MIDDLE, 1, torch_sorted=9.0, raft0=5.0, raft1=4.0, cub=6.0)["peers"]
        peers["flashinfer"] = {"graph_us": 1.0, "loop_us": 1.0, "right": False}
        peers["cub_single"] = {"error": "status 1"}
        self.assertEqual(columns(peers), (9.0, 4.0, None, 6.0, 4.0))
        peers["raft1"]["graph_us"] = None
        self.assertEqual(columns(peers)[1], 5.0)

    def test_small_cells(self):
        cell = [1, 4096, 64, "normal", "f32"]
        self.assertFalse(failures(row(cell, 15.0, torch=6.0), None))
        self.assertTrue(failures(row(cell, 15.1, torch=60.0), None))

    def test_middle_cells(self):
        self.assertFalse(failures(row(MIDDLE, 27.0, 7.8, cub=30.0), None))
        self.assertTrue(failures(row(MIDDLE, 27.9, 7.8, cub=30.0), None))
        self.assertTrue(failures(row(MIDDLE, 27.0, 7.8, cub=26.0), None))

    def test_large_cells(self):
        limit = lambda cell, ours: failures(row(cell, ours, 100.0, cub=1e6), None)
        self.assertFalse(limit(LARGE, 150.0))
        self.assertTrue(limit(LARGE, 151.0))
        many = [1048576, 256, 32, "normal", "f32"]
        self.assertFalse(limit(many, 200.0))
        self.assertTrue(limit(many, 201.0))
        deep = [1024, 65536, 2048, "normal", "f32"]
        self.assertFalse(limit(deep, 220.0))
        self.assertTrue(limit(deep, 221.0))

    def test_cuda_has_limits_of_its_own(self):
        limit = lambda cell, ours, peer: failures(row(cell, ours, 100.0, cub=peer), None, Cuda)
        self.assertFalse(limit([1, 4096, 64, "normal", "f32"], 12.0, 12.0))
        self.assertTrue(limit([1, 4096, 64, "normal", "f32"], 11.0, 10.9))
        self.assertFalse(limit(MIDDLE, 112.0, 1e6))
        self.assertTrue(limit(MIDDLE, 112.1, 1e6))
        for cell, most in [(LARGE, 125.0), ([1024, 65536, 2048, "normal", "f32"], 180.0),
                           ([1, 1 << 28, 262144, "normal", "f32"], 140.0)]:
            self.assertFalse(limit(cell, most, 1e6))
            self.assertTrue(limit(cell, most + 1, 1e6))

    def test_hostile_inputs_stand_beside_the_normal_one(self):
        hostile = [*MIDDLE[:3], "equal", "f32"]
        rows = [row(MIDDLE, 5.0, 7.8, cub=90.0), row(hostile, 15.1, 7.8, cub=90.0)]
        lines, good = judge(rows)
        self.assertFalse(good)
        self.assertIn("3.0 times", "\n".join(lines))
        rows[1]["shared_us"] = 14.9
        self.assertTrue(judge(rows)[1])

    def test_a_mean_below_two_and_a_missing_number_fail(self):
        self.assertFalse(judge([row(MIDDLE, 10.0, 7.8, cub=19.0)])[1])
        self.assertTrue(judge([row(MIDDLE, 10.0, 7.8, cub=20.1)])[1])
        self.assertFalse(judge([row(MIDDLE, None, 7.8, cub=20.1)])[1])
        self.assertAlmostEqual(geometric_mean([1, 4]), 2)
        self.assertIsNone(geometric_mean([]))

    def test_a_cell_without_peers_is_not_shown(self):
        alone = row(LARGE, 100.0, 100.0)
        beaten = row(MIDDLE, 10.0, 7.8, cub=30.0)
        lines, good = judge([beaten, alone])
        self.assertFalse(good)
        self.assertIn(f"- NOT SHOWN {LARGE}: no peer ran (none was asked)".replace("'", '"'), lines)
        self.assertEqual(lines[-1], "Limits: not shown (1 of 2 cells without a peer).")
        self.assertIn("over 1 cells", lines[0])
        # Peers that failed, or were wrong, are none.
        alone["peers"] = {"cub": {"error": "did not return"}, "raft": {"graph_us": 1.0, "right": False}}
        lines, good = judge([beaten, alone])
        self.assertFalse(good)
        self.assertIn("no peer ran (cub: did not return; raft: no right answer)", lines[1])
        # One of them that ran is enough.
        alone["peers"]["cub"] = {"graph_us": 300.0, "right": True}
        lines, good = judge([beaten, alone])
        self.assertTrue(good)
        self.assertEqual(lines[-1], "Limits: pass.")

    def test_a_run_without_peers_shows_nothing(self):
        for limits in Wgpu, Cuda:
            lines, good = judge([row(MIDDLE, 10.0, 7.8)], limits)
            self.assertFalse(good)
            self.assertEqual(lines[0], "Best peer / ours: not shown, no peer ran in any of 1 cells.")
            self.assertEqual(lines[-1], "Limits: not shown (1 of 1 cells without a peer).")
        # What fails, fails.
        lines, good = judge([row(MIDDLE, 1000.0, 7.8)])
        self.assertFalse(good)
        self.assertEqual(lines[-1], "Limits: FAIL (1 of 1 cells without a peer).")

    def test_small_cells_are_held_to_peers_on_cuda_alone(self):
        small = row([1, 4096, 64, "normal", "f32"], 10.0)
        self.assertTrue(judge([small], Wgpu)[1])
        self.assertFalse(judge([small], Cuda)[1])

    def test_a_fault_fails_whatever_the_numbers(self):
        lines, good = judge([{**row(MIDDLE, 10.0, 7.8, cub=30.0), "fault": "unsorted: wrong"}])
        self.assertFalse(good)
        self.assertIn("unsorted: wrong", lines[1])

    def test_tables_have_as_many_columns_as_heads(self):
        lines = table([row(MIDDLE, None), row(LARGE, 3.0, cub=4.0)])
        self.assertEqual({line.count("|") for line in lines}, {13})
        lines = table([row(MIDDLE, 2.0), {**row(LARGE, 3.0, cub=4.0), "unsorted_us": 2.5}])
        self.assertEqual({line.count("|") for line in lines}, {14})
        self.assertIn("2.50", lines[-1])


if __name__ == "__main__":
    unittest.main()
