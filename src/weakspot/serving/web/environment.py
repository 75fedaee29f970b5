"""What Gradio is told before it is imported: to send nothing to its makers, and to count nothing."""

import os

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    # After every event it would sum up the last 10,000 with pandas for a page that is switched off.
    GRADIO_ANALYTICS_MAX_EVENTS="1",
    GRADIO_ANALYTICS_CACHE_FREQUENCY="1000000000",
)
