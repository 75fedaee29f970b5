"""Scenes with image-level labels, boxes and exact masks, drawn from a seed: for demos, tests and benchmarks.

Each scene has one textured object in front of a crop of an image and distractors. Its class is its texture, and is
independent of outline, color, size, position, lighting and background. Two scenes of the same seed and index differ
only by their settings: with ``discriminative_part`` the same object at the same position has a badge, with
``background_share=1`` the same scene has no object.
"""

from weakspot.data.synthetic.files import write_scenes
from weakspot.data.synthetic.scenes import BACKGROUND, Scene, SceneSettings, scene
from weakspot.data.synthetic.textures import CLASS_NAMES

__all__ = ["BACKGROUND", "CLASS_NAMES", "Scene", "SceneSettings", "scene", "write_scenes"]
