"""Refinements, which align a heatmap with the edges of its image; on numpy arrays."""

from weakspot.ops.refinement.registry import REFINEMENTS, Refinement, check_refinement, find_refinement, refine

__all__ = ["REFINEMENTS", "Refinement", "check_refinement", "find_refinement", "refine"]
