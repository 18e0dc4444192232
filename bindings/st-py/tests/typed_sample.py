"""What a type checker is told; mypy --strict reads it, nothing runs it."""

from typing import Any, assert_type

import numpy as np
import spiraltorch as st
from numpy.typing import NDArray

x: NDArray[np.float32] = np.zeros((2, 3), np.float32)
found = st.topk(x, 2, dim=-1, largest=True, sorted=True, nan="last")
assert_type(found, st.Selection[NDArray[np.float32]])
values, indices = st.topk2d(x, k=1, device="auto")
assert_type(values, NDArray[np.float32])
assert_type(st.plan("topk", 1, 2, 1).as_dict(), dict[str, Any])
names: list[str] = [device.device for device in st.devices()]
