"""The review page: a person looks at localizations, corrects boxes, and lets the model learn from them.

::

    source      the folder that is reviewed: its images, its run, its classes
    items       rows of localize as images with predicted objects and heatmaps
    state       decisions, written to review.jsonl one by one; a revision of each image
    learning    learn and localize again in a separate process
    relocalize  localize the untouched images into a folder of its own
    adoption    replace rows and output images by the new ones, all or none
    routes      the HTTP routes; review.html and its scripts use them
"""
