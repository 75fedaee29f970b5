"""Scenes with image-level labels, boxes and exact masks, made from a seed: for demos, tests and benchmarks.

One textured object in each scene, over a crop of a photo and in front of distractors. Its texture tells the class;
outline, colour, size, position, light and photo do not. Two scenes of the same seed and index differ by their setting
only: with ``discriminative_part`` the same object at the same place has a badge, with ``background_share=1`` the
same scene lacks its object.
"""

from weakspot.data.synthetic.files import write_scenes
from weakspot.data.synthetic.scenes import Scene, scene
from weakspot.data.synthetic.settings import BACKGROUND, SceneSettings
from weakspot.data.synthetic.textures import CLASS_NAMES

__all__ = ["BACKGROUND", "CLASS_NAMES", "Scene", "SceneSettings", "scene", "write_scenes"]
