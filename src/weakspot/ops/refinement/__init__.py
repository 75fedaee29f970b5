"""Refinements: a heatmap and its image in, a heatmap that keeps to the image's edges out; plain arrays."""

from weakspot.ops.refinement.registry import REFINEMENTS, Refinement, check_refinement, find_refinement, refine

__all__ = ["REFINEMENTS", "Refinement", "check_refinement", "find_refinement", "refine"]
