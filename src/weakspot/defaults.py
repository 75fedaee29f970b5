"""What is taken where a user says nothing of a classifier."""

DEFAULT_MODEL = "tf_efficientnet_lite0"
DEFAULT_METHOD = "gradcam"
# Weights that come with a model's name.
PRETRAINED = "pretrained"
