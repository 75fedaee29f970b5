"""Small images of noise."""

import numpy as np


def picture(seed=0, width=40, height=20):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
