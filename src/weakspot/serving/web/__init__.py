"""Web page of a service: upload an image, see its heatmaps and boxes, adjust and download them."""

import os

# Gradio reads these when it is imported: no telemetry, and no summary of the last 10,000 events with pandas after each
# event, for a monitoring page that is disabled.
os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_ANALYTICS_MAX_EVENTS="1",
    GRADIO_ANALYTICS_CACHE_FREQUENCY="1000000000",
)

from weakspot.serving.web.layout import build_page
from weakspot.serving.web.mount import mount_page

__all__ = ["build_page", "mount_page"]
